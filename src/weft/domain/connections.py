"""Source connections: configured, authenticated instances of sources."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from operator import not_
from typing import Any, Final, Self

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer

from weft.domain.access.secrets import SecretText
from weft.domain.attention import (
    Attention,
    DeletionHold,
    ask_about_deletions,
    ask_to_authorize,
    explain_failure,
    judge_last_job,
)
from weft.domain.base import Frozen, Json
from weft.domain.jobs import Job, JobStatus
from weft.domain.previews import Preview
from weft.domain.pushing import INGEST
from weft.domain.schedules import Schedule, ScheduleSpec
from weft.domain.text.names import validate_name_length
from weft.errors import Conflict, ErrorCategory, InvalidInput

NAME_MIN_CHARS = 4
NAME_MAX_CHARS = 42
DESCRIPTION_MAX_CHARS = 255


class ConnectionStatus(StrEnum):
    """Operational status; lower case everywhere, as in Airweave's API."""

    ACTIVE = "active"
    PENDING_AUTH = "pending_auth"
    SYNCING = "syncing"
    ERROR = "error"
    NEEDS_REAUTH = "needs_reauth"
    INACTIVE = "inactive"

    @classmethod
    def _missing_(cls, value: object) -> "ConnectionStatus | None":
        # Callers also write it in upper case, which is how job statuses are written.
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None


WAITING_STATUSES: Final = frozenset({ConnectionStatus.PENDING_AUTH, ConnectionStatus.NEEDS_REAUTH})
"""The statuses in which a connection waits for a person."""


class AuthMethod(StrEnum):
    """The four ways to authenticate."""

    DIRECT = "direct"
    OAUTH_BROWSER = "oauth_browser"
    OAUTH_TOKEN = "oauth_token"  # noqa: S105 (the name of a method, not a secret)
    AUTH_PROVIDER = "auth_provider"


class AuthDetails(Frozen):
    """A connection's authentication, without its secrets.

    Only the call that made a link returns ``auth_url`` and ``claim_token``. The claim token proves
    who began the authorisation; no dump of this object contains it. ``has_credentials`` is None
    where a remote API does not tell whether it stores any.
    """

    method: AuthMethod
    authenticated: bool
    has_credentials: bool | None = None
    authenticated_at: datetime | None = None
    expires_at: datetime | None = None
    auth_url: str | None = None
    auth_url_expires: datetime | None = None
    redirect_url: str | None = None
    provider_id: str | None = None
    provider_readable_id: str | None = None
    claim_token: str | None = Field(default=None, repr=False, exclude=True)

    @property
    def is_none(self) -> bool:
        """Return whether the source is read without credentials, as it takes or needs none."""
        is_direct = self.method is AuthMethod.DIRECT
        return is_direct and self.authenticated and self.has_credentials is False


VERSION_MAX = 2**53 - 1
"""The largest version that can be asked for: JSON numbers are exact up to here everywhere."""


class SyncSummary(Frozen):
    """A connection's history in numbers."""

    total_runs: int = 0
    successful_runs: int = 0
    failed_runs: int = 0
    last_job: Job | None = None


class EntityTypeSummary(Frozen):
    """The stored entities of one type."""

    count: int
    last_updated: datetime | None = None


class EntitySummary(Frozen):
    """The stored entities of a connection; one that was emptied still names their types.

    Searches find those that are ``not_embedded`` by their words alone, for now.
    """

    total_entities: int = 0
    by_type: dict[str, EntityTypeSummary] = Field(default_factory=dict)
    not_embedded: int = Field(default=0, exclude_if=not_)

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is stored."""
        return self.total_entities == 0


class Connection(Frozen):
    """A source connection with its schedule, history and content, as Airweave describes it.

    ``preview`` is told by the call that gave it its configuration, and by no other.
    ``is_draft``: a remote API creates it only when it gets the credentials, under another id.
    ``restorable_until``: it is deleted, and can be restored until then.
    ``is_summary``: it comes from a list that tells only some fields; the others are left out.
    """

    id: str
    organization_id: str
    name: str
    description: str | None = None
    short_name: str
    readable_collection_id: str
    status: ConnectionStatus
    auth: AuthDetails
    config: Json = Field(default_factory=dict)
    schedule: Schedule | None = None
    sync: SyncSummary = SyncSummary()
    sync_id: str | None = None
    entities: EntitySummary = EntitySummary()
    deletions_held: DeletionHold | None = None
    error_category: ErrorCategory | None = None
    error_message: str | None = None
    provider_settings_url: str | None = None
    provider_short_name: str | None = None
    federated_search: bool = False
    created_at: datetime
    modified_at: datetime
    version: int = 1
    preview: Preview | None = Field(default=None, exclude_if=not_)
    is_draft: bool = Field(default=False, exclude_if=not_)
    restorable_until: datetime | None = Field(default=None, exclude_if=not_)
    is_summary: bool = Field(default=False, exclude=True)

    @model_serializer(mode="wrap")
    def _leave_out_untold(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told = handler(self)
        if not self.is_summary:
            return told
        return {
            name: value
            for name, value in told.items()
            if name in self.model_fields_set and value not in ("", None)
        }

    @property
    def attention(self) -> tuple[Attention, ...]:
        """Return what needs somebody; empty when nothing does."""
        return tuple(self._list_attention())

    def _list_attention(self) -> Iterator[Attention]:
        hold, job, is_empty = self.deletions_held, self.sync.last_job, self.entities.is_empty
        failed = job and job.status is JobStatus.FAILED and self.status is ConnectionStatus.ACTIVE
        if self.status in WAITING_STATUSES:
            refused = self.status is ConnectionStatus.NEEDS_REAUTH
            yield ask_to_authorize(self.id, was_refused=refused)
        elif self.status is ConnectionStatus.ERROR or failed:
            yield explain_failure(self.id, self.error_message, self.error_category)
        if hold is not None:
            yield ask_about_deletions(hold, self.id, pushed=self.short_name == INGEST)
        if job:
            was_emptied = is_empty and bool(self.entities.by_type)
            yield from judge_last_job(job, is_empty=is_empty, was_emptied=was_emptied)


class ConnectionTotals(Frozen):
    """How many connections there are, sync and need somebody, and how much they hold.

    ``is_partial``: there are more than could be counted. ``attention_is_partial``: a remote API's
    list does not tell all that needs somebody.
    """

    connections: int
    entities: int
    syncing: int
    needs_attention: int
    is_partial: bool = Field(default=False, exclude_if=not_)
    attention_is_partial: bool = Field(default=False, exclude_if=not_)

    @classmethod
    def of(cls, items: Sequence[Connection], *, is_partial: bool = False) -> Self:
        """Count these connections."""
        return cls(
            connections=len(items),
            entities=sum(item.entities.total_entities for item in items),
            syncing=sum(item.status is ConnectionStatus.SYNCING for item in items),
            needs_attention=sum(bool(item.attention) for item in items),
            is_partial=is_partial,
            attention_is_partial=is_partial or any(item.is_summary for item in items),
        )


def agree_to_deletions(connection: Connection) -> int:
    """Return how many deletions somebody agrees to by applying them. Raises Conflict for none."""
    if connection.deletions_held is None:
        raise Conflict(
            "No deletions of this connection are held, so there are none to apply.",
            field="apply_deletions",
            hint="Call run_sync without apply_deletions: it deletes what may go without asking.",
        )
    return connection.deletions_held.count


class DirectAuth(Frozen):
    """Credentials given directly; the source's own schema says which fields there are."""

    credentials: Json = Field(repr=False)


class OAuthBrowserAuth(Frozen):
    """Authorisation in a browser, optionally with the user's own OAuth client."""

    redirect_uri: str | None = None
    client_id: str | None = None
    client_secret: SecretText | None = Field(default=None, repr=False)
    consumer_key: str | None = None
    consumer_secret: SecretText | None = Field(default=None, repr=False)


class OAuthTokenAuth(Frozen):
    """A token obtained elsewhere; without one the person is asked for it, where a page can."""

    access_token: SecretText | None = Field(default=None, repr=False)
    refresh_token: SecretText | None = Field(default=None, repr=False)
    expires_at: datetime | None = None


class AuthProviderAuth(Frozen):
    """Credentials kept by a third-party provider such as Composio or Pipedream."""

    provider_readable_id: str
    provider_config: Json = Field(default_factory=dict)


class Auth(Frozen):
    """Exactly one of the four methods."""

    direct: DirectAuth | None = None
    oauth_browser: OAuthBrowserAuth | None = None
    oauth_token: OAuthTokenAuth | None = None
    auth_provider: AuthProviderAuth | None = None

    @property
    def method(self) -> AuthMethod:
        """The method that was given. Raises ValueError unless exactly one was."""
        given = [method for method in AuthMethod if getattr(self, method.value) is not None]
        if len(given) != 1:
            raise ValueError("exactly one authentication method must be given")
        return given[0]


AUTH_FORMS: Final[Mapping[str, type[Frozen]]] = {
    "direct": DirectAuth,
    "oauth_browser": OAuthBrowserAuth,
    "oauth_token": OAuthTokenAuth,
    "auth_provider": AuthProviderAuth,
}
METHOD_BY_FIELD: Final = {
    name: method for method, form in AUTH_FORMS.items() for name in form.model_fields
}
"""The method that a field belongs to, for forms of ``auth`` that do not name theirs."""


class NewConnection(Frozen):
    """A connection to create.

    ``sync_immediately`` None means the documented default: true, except for OAuth in a browser,
    which can only sync after the person has consented. ``schedule`` None means the backend's
    default: none, or what a remote API chooses; a spec without values means none everywhere.
    """

    short_name: str
    readable_collection_id: str
    name: str | None = None
    description: str | None = None
    config: Json = Field(default_factory=dict)
    schedule: ScheduleSpec | None = None
    sync_immediately: bool | None = None
    auth: Auth | None = None
    redirect_url: str | None = None

    @classmethod
    def copy_of(
        cls, connection: Connection, *, schedule: ScheduleSpec | None, auth: Auth | None
    ) -> Self:
        """Describe a copy of a connection, with its own schedule and credentials."""
        shared = (cls.model_fields.keys() & Connection.model_fields.keys()) - {"schedule", "auth"}
        fields = {name: getattr(connection, name) for name in shared}
        return cls(**fields, schedule=schedule, auth=auth)


class ConnectionChange(Frozen):
    """An update: only the fields that are set change.

    ``config`` merges by key, and null removes a key, or everything; ``schedule`` null removes the
    schedule; ``expected_version`` refuses the change when someone else made one first.
    ``readable_collection_id`` moves the connection with all that it stores; null moves nothing.
    """

    name: str | None = None
    description: str | None = None
    readable_collection_id: str | None = None
    config: Json | None = None
    schedule: ScheduleSpec | None = None
    auth: Auth | None = None
    expected_version: int | None = None


class CheckResult(Frozen):
    """The outcome of a live check of a connection's configuration and credentials."""

    connection_id: str
    ok: bool
    detail: str
    field: str | None = None
    error_category: ErrorCategory | None = None
    hint: str | None = None
    preview: Preview | None = Field(default=None, exclude_if=not_)


def validate_name(name: str) -> str:
    """Return the name without space around it. Raises InvalidInput for a wrong length."""
    return validate_name_length(name, NAME_MIN_CHARS, NAME_MAX_CHARS)


def validate_description(description: str) -> str:
    """Return ``description``. Raises InvalidInput if it is too long."""
    if len(description) > DESCRIPTION_MAX_CHARS:
        raise InvalidInput(
            f"description must have at most {DESCRIPTION_MAX_CHARS} characters.",
            field="description",
        )
    return description


def refuse_stale(found: Connection, expected_version: int | None) -> None:
    """Raise Conflict if the caller saw another version than the current one."""
    if expected_version is not None and expected_version != found.version:
        raise Conflict(
            f"The connection was changed meanwhile: its version is {found.version}.",
            field="expected_version",
            hint="Read it again with get_connection and repeat the call with that version.",
        )


def merge_config(present: Json, change: Json | None) -> Json:
    """Merge ``change`` into ``present`` by key, where null removes a key, or everything."""
    if change is None:
        return {}
    both: dict[str, JsonValue] = {**present, **change}
    return {name: value for name, value in both.items() if change.get(name, ...) is not None}
