"""How values of Airweave's JSON are read: leniently where the API may grow."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, TypeAdapter

from weft.domain.connections import AuthMethod, ConnectionStatus
from weft.domain.jobs import JobStatus
from weft.errors import ErrorCategory

T = TypeVar("T")


class Unreadable(ValueError):
    """An answer that is not what the API describes. Its text quotes nothing of the answer."""


class Upstream(BaseModel):
    """An object of the wire; fields that are not known are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def one_of(kind: Callable[[str], T], otherwise: T | None) -> BeforeValidator:
    """Reads an enum's value, or ``otherwise`` for one that is not known yet."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return otherwise if value is None else value
        try:
            return kind(value)
        except ValueError:
            return otherwise

    return BeforeValidator(read)


def _link(value: object) -> object:
    if not isinstance(value, str):
        return None
    try:
        return value if urlsplit(value).scheme in ("http", "https") else None
    except ValueError:
        return None


def known_methods(value: object) -> object:
    """The methods of a list that are known, each once."""
    names = TypeAdapter(list[str]).validate_python(value or [])
    return tuple(dict.fromkeys(known for name in names if (known := _METHODS.get(name))))


def _no_null(value: object) -> object:
    return [] if value is None else value


Moment = Annotated[datetime, AfterValidator(_utc)]
Link = Annotated[str | None, BeforeValidator(_link)]
Category = Annotated[ErrorCategory | None, one_of(ErrorCategory, ErrorCategory.INTERNAL)]
Strings = Annotated[tuple[str, ...], BeforeValidator(_no_null)]

_METHODS = {method.value: method for method in AuthMethod} | {
    "oauth_byoc": AuthMethod.OAUTH_BROWSER
}


def connection_status(value: str) -> ConnectionStatus:
    """A connection's status; ``pending_sync`` says that nothing is wrong and nothing synced yet."""
    return ConnectionStatus.ACTIVE if value == "pending_sync" else ConnectionStatus(value.lower())


def job_status(value: str) -> JobStatus:
    """A job's status; ``created`` is not queued yet, which makes no difference to us."""
    return JobStatus.PENDING if value.lower() == "created" else JobStatus(value)


def method_of(value: str) -> AuthMethod:
    """A method; one's own OAuth client is a detail of authorising in a browser."""
    return _METHODS[value] if value in _METHODS else AuthMethod(value)
