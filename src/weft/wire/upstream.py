"""Read an upstream's JSON: Airweave's, or another Weft's.

Lenient where the API may grow (unknown fields and enum values), strict about what everything
depends on (ids, shapes): `Unreadable` is raised for the latter, and quotes nothing. Timestamps
without a zone are UTC. Fields that only Weft's own HTTP API sends (``version``, ``trigger``,
``entities_unchanged``, ...) are read when they are there.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    JsonValue,
    ValidationError,
)

from weft.domain.connections import AuthMethod
from weft.errors import ErrorCategory

T = TypeVar("T")
DomainT = TypeVar("DomainT", bound=BaseModel)


METHODS: Final = {method.value: method for method in AuthMethod} | {
    # An OAuth client of the caller's own is a detail of authorising in a browser.
    "oauth_byoc": AuthMethod.OAUTH_BROWSER
}


class Unreadable(ValueError):
    """An answer that is not what the API describes. Its text quotes nothing of the answer."""


class Upstream(BaseModel):
    """An object of the upstream's JSON. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    def to_domain(
        self, kind: type[DomainT], *, untold: Collection[str] = (), **differing: Any
    ) -> DomainT:
        """Build ``kind`` from the fields of the same name, but for those that the API does not tell
        though they are there, and from ``differing``.
        """
        shared = _shared_fields(type(self), kind)
        same = {name: getattr(self, name) for name in shared if name not in untold}
        return kind.model_validate(same | differing, from_attributes=True)


UpstreamT = TypeVar("UpstreamT", bound=Upstream)


def _require_uuid(text: str) -> str:
    """Refuse an id that is none: it would become a part of our paths, and be told as an id."""
    return str(UUID(text))


def read(model: type[UpstreamT], body: JsonValue) -> UpstreamT:
    """Read ``body`` as ``model``. Raises Unreadable if it does not fit."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        places = {".".join(map(str, e["loc"])) for e in error.errors(include_input=False)}
        # Field names may come from the sender, so only their number is told.
        raise Unreadable(f"{len(places)} fields are missing or of the wrong type") from None


def read_list(read_item: Callable[[JsonValue], T], body: JsonValue) -> list[T]:
    """Read each item of a list. Raises Unreadable if ``body`` or an item does not fit."""
    if not isinstance(body, list):
        raise Unreadable("not a list")
    return [read_item(item) for item in body]


def one_of(kind: Callable[[str], T], otherwise: T | None) -> BeforeValidator:
    """Build a validator that reads an enum's value; an unknown one becomes ``otherwise``.

    Null stays null.
    """

    def read_value(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return kind(value)
        except ValueError:
            return otherwise

    return BeforeValidator(read_value)


def method_of(value: str) -> AuthMethod:
    """Parse an auth method. Raises ValueError for an unknown one."""
    return METHODS[value] if value in METHODS else AuthMethod(value)


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _web_link(value: object) -> object:
    if not isinstance(value, str):
        return None
    try:
        return value if urlsplit(value).scheme in ("http", "https") else None
    except ValueError:
        return None


def _null_to_empty(value: object) -> object:
    return [] if value is None else value


Id = Annotated[str, AfterValidator(_require_uuid)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]
Link = Annotated[str | None, BeforeValidator(_web_link)]
Category = Annotated[ErrorCategory | None, one_of(ErrorCategory, ErrorCategory.INTERNAL)]
Strings = Annotated[tuple[str, ...], BeforeValidator(_null_to_empty)]


@cache
def _shared_fields(model: type[BaseModel], kind: type[BaseModel]) -> tuple[str, ...]:
    return tuple(name for name in model.model_fields if name in kind.model_fields)
