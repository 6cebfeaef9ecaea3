"""Reads the bodies of requests to Weft's HTTP API, which are those of Airweave's documentation.

Unknown keys are ignored, as Airweave does, but refused within `authentication`. No text made here
repeats a value that was given: it may be a secret.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar, cast

from pydantic import (
    BaseModel,
    Field,
    JsonValue,
    ValidationError,
)
from pydantic_core import ErrorDetails

from weft.domain import collections
from weft.domain.collections import NewCollection
from weft.domain.connections import (
    AUTH_FORMS,
    DESCRIPTION_MAX_CHARS,
    METHOD_BY_FIELD,
    NAME_MAX_CHARS,
    NAME_MIN_CHARS,
    VERSION_MAX,
    Auth,
    ConnectionChange,
    NewConnection,
)
from weft.domain.pushing import Push, PushedEntity
from weft.domain.schedules import ScheduleSpec
from weft.wire.bodies import CONTINUOUS_CRON
from weft.wire.search_body import SearchBody

URL_MAX_CHARS: Final = 2000
REFERENCE_MAX_CHARS: Final = 200

ModelT = TypeVar("ModelT", bound=BaseModel)

Reference = Annotated[str, Field(min_length=1, max_length=REFERENCE_MAX_CHARS)]
Name = Annotated[str, Field(min_length=NAME_MIN_CHARS, max_length=NAME_MAX_CHARS)]
Description = Annotated[str, Field(max_length=DESCRIPTION_MAX_CHARS)]
Url = Annotated[str, Field(max_length=URL_MAX_CHARS)]
CollectionName = Annotated[
    str, Field(min_length=collections.NAME_MIN_CHARS, max_length=collections.NAME_MAX_CHARS)
]
AnyAuth = dict[str, JsonValue] | None


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with one place of a request, in FastAPI's terms."""

    loc: tuple[str | int, ...]
    msg: str
    type: str = "value_error"


class MalformedRequest(Exception):
    """A request that cannot be understood. The HTTP API turns it into a 422."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("malformed request")
        self.problems = problems


class ScheduleBody(BaseModel):
    """A schedule: `cron`, or `continuous`. Without either there is no schedule, and both at
    once are refused, but for the `*/5 * * * *` that Airweave has beside `continuous`.
    """

    cron: str | None = Field(default=None, description="Five fields, e.g. `0 2 * * *`.")
    continuous: bool | None = None
    cursor_field: str | None = None
    timezone: str | None = Field(default=None, description="Weft's own: an IANA name; else UTC.")
    paused: bool | None = Field(default=None, description="Weft's own: true until set to false.")
    paused_until: datetime | None = Field(
        default=None, description="Weft's own: pauses it until then, in its time zone if without."
    )

    def to_spec(self) -> ScheduleSpec | None:
        """Return what was given, or None for no schedule."""
        if not self.cron and not self.continuous:
            pauses = self.paused is not None or self.paused_until
            only_details = self.cursor_field or self.timezone or pauses
            explicit = "cron" in self.model_fields_set or not self.model_fields_set
            if explicit or not only_details:
                return None
        given = self.model_dump(include=self.model_fields_set)
        if self.continuous and self.cron == CONTINUOUS_CRON:
            del given["cron"]
        return ScheduleSpec(**given)


class RunQuery(BaseModel):
    """Options of a run of a sync."""

    force_full_sync: bool = Field(
        default=False, description="List everything, also where a cursor could be followed."
    )
    apply_deletions: bool = Field(
        default=False,
        description="Weft's own: make the deletions that the connection's `deletions_held` tells "
        "of, if the source still lacks those entities, and no more than a few others. Needs the "
        "permission to delete; answers 409 if none are held.",
    )


class CreateConnectionBody(BaseModel):
    """Create a connection. `authentication` is one of Airweave's forms; `auth` wraps it in the
    method's name. Without either, a source that needs credentials waits as `pending_auth`.
    """

    short_name: Reference
    readable_collection_id: Reference
    name: Name | None = None
    description: Description | None = None
    config: dict[str, JsonValue] | None = None
    schedule: ScheduleBody | None = None
    sync_immediately: bool | None = None
    authentication: AnyAuth = None
    auth: AnyAuth = None
    redirect_url: Url | None = None
    redirect_uri: Url | None = None

    def to_new(self) -> NewConnection:
        """Build what the backend takes. Raises MalformedRequest for an unknown form of auth."""
        auth = _auth_of(self)
        asked = auth.oauth_browser.redirect_uri if auth and auth.oauth_browser else None
        return NewConnection(
            short_name=self.short_name,
            readable_collection_id=self.readable_collection_id,
            name=self.name,
            description=self.description,
            config=self.config or {},
            schedule=self.schedule and (self.schedule.to_spec() or ScheduleSpec()),
            sync_immediately=self.sync_immediately,
            auth=auth,
            redirect_url=self.redirect_url or self.redirect_uri or asked,
        )


class UpdateConnectionBody(BaseModel):
    """Change a connection: omitted fields stay. `config` replaces the whole configuration, and
    null or `{}` as `schedule` removes the schedule. Only direct credentials can be changed.
    """

    name: Name | None = None
    description: Description | None = None
    config: dict[str, JsonValue] | None = None
    schedule: ScheduleBody | None = None
    readable_collection_id: str | None = Field(
        default=None,
        max_length=collections.READABLE_ID_MAX_CHARS,
        description="Weft's own: move the connection to this collection.",
    )
    authentication: AnyAuth = None
    auth: AnyAuth = None
    expected_version: int | None = Field(
        default=None,
        ge=1,
        le=VERSION_MAX,
        description="Weft's own: answer 409 if the version differs.",
    )

    def to_change(self) -> ConnectionChange:
        """Build what the backend takes. Raises MalformedRequest for no change, or OAuth."""
        given: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("name", "description", "config")
            if name in self.model_fields_set
        }
        if self.readable_collection_id is not None:
            given["readable_collection_id"] = self.readable_collection_id
        if "schedule" in self.model_fields_set:
            given["schedule"] = self.schedule.to_spec() if self.schedule else None
        auth = _auth_of(self)
        if auth is not None:
            given["auth"] = _require_direct(auth, self)
        if not given:
            text = "At least one field must be provided for update."
            raise MalformedRequest(Problem(("body",), text))
        return ConnectionChange(**given, expected_version=self.expected_version)


class CreateCollectionBody(BaseModel):
    """Create a collection; without `readable_id` one is made from the name."""

    name: CollectionName
    readable_id: str | None = Field(
        default=None,
        pattern=collections.READABLE_ID_PATTERN,
        max_length=collections.READABLE_ID_MAX_CHARS,
    )

    def to_new(self) -> NewCollection:
        """Build what the backend takes."""
        return NewCollection(name=self.name, readable_id=self.readable_id)


class UpdateCollectionBody(BaseModel):
    """Rename a collection; its readable id stays."""

    name: CollectionName


class VerifyBody(BaseModel):
    """Proves who began an authorisation."""

    claim_token: str = Field(min_length=1, max_length=URL_MAX_CHARS)


class ReinitiateBody(BaseModel):
    """The address where the person lands after authorising."""

    redirect_url: Url | None = None
    redirect_uri: Url | None = None


def read_request(model: type[ModelT], value: object, where: str) -> ModelT:
    """Read ``value`` as ``model``. Raises MalformedRequest, each place beginning with ``where``."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_input=False, include_context=False, include_url=False)
        problems = dict.fromkeys(_problem(detail, (where,)) for detail in details)
        raise MalformedRequest(*problems) from None


_FORMS: Final = (
    "Give exactly one of {credentials}, {access_token, refresh_token?, expires_at?}, "
    "{redirect_uri?, client_id?, client_secret?, consumer_key?, consumer_secret?}, "
    "{provider_readable_id, provider_config?}, or one of them within "
    "{direct}, {oauth_token}, {oauth_browser}, {auth_provider}."
)
# Pydantic's texts for these say what is expected; those of other types may quote the input.
_SAFE_TYPES: Final = re.compile(
    r"(string|int|float|bool|dict|list|model|datetime|date)_"
    r"(type|parsing|too_short|too_long|from_float|attributes_type|pattern_mismatch|unicode)"
    r"|missing|literal_error|greater_than(_equal)?|less_than(_equal)?|too_(short|long)|finite_number"
    r"|model_attributes_type|int_parsing_size"
)


def _auth_of(body: CreateConnectionBody | UpdateConnectionBody) -> Auth | None:
    if body.auth and body.authentication:
        raise MalformedRequest(
            Problem(("body", "auth"), "Give `auth` or `authentication`, not both.")
        )
    key = "auth" if body.auth else "authentication"
    value = body.auth or body.authentication
    if not value:
        return None
    tag, inner = _tag_auth(value, key)
    try:
        return Auth.model_validate({tag: inner})
    except ValidationError as error:
        details = error.errors(include_input=False, include_context=False, include_url=False)
        # Name the tag only if the caller gave one.
        start = ("body", key) if tag in value else ("body", key, None)
        raise MalformedRequest(
            *dict.fromkeys(_problem(detail, start) for detail in details)
        ) from None


def _tag_auth(value: Mapping[str, JsonValue], key: str) -> tuple[str, JsonValue]:
    given = {name: part for name, part in value.items() if part is not None}
    if len(given) == 1 and given.keys() <= AUTH_FORMS.keys():
        return next(iter(given.items()))
    tags = {METHOD_BY_FIELD.get(name) for name in given}
    # `expires_at` or `provider_config` alone is not enough, but the form's own check says so.
    (tag,) = tags if len(tags) == 1 else (None,)
    if tag is None:
        raise MalformedRequest(Problem(("body", key), _FORMS))
    return tag, cast("JsonValue", dict(given))


def _require_direct(auth: Auth, body: UpdateConnectionBody) -> Auth:
    if auth.direct is None:
        key = "auth" if body.auth else "authentication"
        text = (
            "Only direct credentials can be updated. For OAuth, authorise again with "
            "reinitiate-oauth, or delete and recreate the connection."
        )
        raise MalformedRequest(Problem(("body", key), text))
    return auth


def _problem(detail: ErrorDetails, start: tuple[str | None, ...]) -> Problem:
    """Describe the problem in our words, and its place only as far as the names are ours."""
    loc: list[str | int] = [part for part in start if part is not None]
    rest = detail["loc"][1:] if None in start else detail["loc"]
    for part in rest:
        if isinstance(part, str) and part not in _KNOWN_NAMES:
            break
        loc.append(part)
    kind = detail["type"]
    if kind == "extra_forbidden":
        return Problem(tuple(loc), "Has an unknown field.", kind)
    said = detail["msg"] if _SAFE_TYPES.fullmatch(kind) else "Is not valid."
    return Problem(tuple(loc), said, kind)


def _names(*models: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for model in models for name in model.model_fields)


_KNOWN_NAMES: Final = (
    _names(
        ScheduleBody,
        CreateConnectionBody,
        UpdateConnectionBody,
        CreateCollectionBody,
        VerifyBody,
        SearchBody,
        Auth,
        RunQuery,
        Push,
        PushedEntity,
    )
    | METHOD_BY_FIELD.keys()
    | {"skip", "search", "collection"}
)
