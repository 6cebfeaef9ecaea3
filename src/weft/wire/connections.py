"""Source connections in Airweave's JSON, as they are sent and as they are read.

A column that is only shown needs a field of the same name as in the domain, in `ConnectionAnswer`
and in `UpstreamConnection`; nothing else in this package or in `remote` names it.
"""

import json
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AliasPath, BeforeValidator, Field, JsonValue, model_validator

from weft.domain.base import Json
from weft.domain.connections import (
    AuthDetails,
    AuthMethod,
    Connection,
    ConnectionStatus,
    EntitySummary,
    SyncSummary,
)
from weft.domain.jobs import Job
from weft.domain.schedules import Schedule
from weft.wire.answer import EMPTY_IS_NONE, Answer, AuthMethodName, Count, OrganizationUuid
from weft.wire.jobs import LastJobAnswer, UpstreamJob, error_text
from weft.wire.previews import PreviewAnswer, UpstreamPreview
from weft.wire.upstream import (
    Category,
    Id,
    Link,
    Moment,
    Upstream,
    method_of,
    one_of,
    read,
    read_list,
)

ConnectionStatusName = Literal[
    "active", "pending_auth", "syncing", "error", "needs_reauth", "inactive"
]
_VERSION_BYTES: Final = 6
_ENTITY_COUNT = AliasPath("entities", "total_entities")
_LAST_JOB = AliasPath("sync", "last_job")


def _time_of_job(job: Job | None) -> datetime | None:
    return (job.completed_at or job.started_at) if job else None


class AuthAnswer(Answer):
    """The way in which a connection authenticates. `auth_url` and `claim_token` are there once, in
    the answer that made them.
    """

    method: AuthMethodName
    authenticated: bool
    authenticated_at: datetime | None
    expires_at: datetime | None
    auth_url: str | None
    auth_url_expires: datetime | None
    redirect_url: str | None
    claim_token: str | None
    provider_readable_id: str | None
    provider_id: str | None
    has_credentials: bool | None = Field(description="Weft's own: whether any are stored.")


class ScheduleAnswer(Answer):
    """The schedule by which a connection syncs by itself."""

    cron: str | None
    next_run: datetime | None
    continuous: bool
    cursor_field: str | None
    cursor_value: JsonValue
    timezone: str = Field(description="Weft's own: what `cron` is read in.")
    paused: bool = Field(description="Weft's own: nothing runs by itself.")
    paused_until: datetime | None = Field(description="Weft's own: when that ends by itself.")


class SyncAnswer(Answer):
    """A connection's history in numbers."""

    total_runs: Count
    successful_runs: Count
    failed_runs: Count
    last_job: LastJobAnswer | None


class EntityTypeAnswer(Answer):
    """The number of stored entities of one type."""

    count: Count
    last_updated: datetime | None


class EntitiesAnswer(Answer):
    """The entities that a connection has stored, in numbers."""

    total_entities: Count
    by_type: dict[str, EntityTypeAnswer]
    not_embedded: Count = Field(description="Weft's own: found by their words alone, for now.")


class HoldAnswer(Answer):
    """Deletions that the last full listing asked for and that wait for somebody's word."""

    count: Count
    everything: bool = Field(description="Whether nothing would be left.")
    job_id: UUID
    held_at: datetime
    names: list[str] = Field(description="The source's ids of a few of the entities.")


class AttentionAnswer(Answer):
    """Something about a connection that needs somebody."""

    kind: Literal[
        "authorization", "sync_failed", "sync_fell_short", "deletions_held", "waits_for_process"
    ]
    message: str
    next_step: str = Field(description="In the words of the MCP tools.")


class ConnectionAnswer(Answer):
    """A source connection."""

    id: UUID
    organization_id: OrganizationUuid
    name: str
    description: str | None
    short_name: str
    readable_collection_id: str
    status: ConnectionStatusName
    created_at: datetime
    modified_at: datetime
    auth: AuthAnswer
    config: dict[str, JsonValue]
    schedule: ScheduleAnswer | None = Field(description="null where nothing is ever synced.")
    sync: SyncAnswer
    sync_id: Annotated[UUID | None, EMPTY_IS_NONE]
    entities: EntitiesAnswer
    error_category: str | None
    error_message: str | None
    provider_settings_url: str | None
    provider_short_name: str | None
    federated_search: bool
    entity_count: Count = Field(
        validation_alias=_ENTITY_COUNT, description="The same as `entities.total_entities`."
    )
    last_sync_at: Annotated[datetime | None, BeforeValidator(_time_of_job)] = Field(
        validation_alias=_LAST_JOB,
        description="When the last job ended, or began if it has not ended.",
    )
    version: int = Field(description="Weft's own: rises with every change; see PATCH.")
    deletions_held: HoldAnswer | None = Field(description="Weft's own: see `apply_deletions`.")
    attention: list[AttentionAnswer] = Field(description="Weft's own.")
    preview: PreviewAnswer | None = Field(
        description="Weft's own: only in the answer that set `config`."
    )
    is_draft: bool = Field(description="Weft's own: the API behind it has yet to create it.")

    @model_validator(mode="after")
    def _show_empty_schedule(self) -> Self:
        # Airweave has an object without a cron for whatever can be synced.
        if self.schedule is None and self.sync_id is not None:
            self.schedule = ScheduleAnswer.of(Schedule())
        return self


class ConnectionItem(Answer):
    """A source connection in a list."""

    id: UUID
    name: str
    short_name: str
    readable_collection_id: str
    created_at: datetime
    modified_at: datetime
    is_authenticated: bool = Field(validation_alias=AliasPath("auth", "authenticated"))
    entity_count: Count = Field(validation_alias=_ENTITY_COUNT)
    federated_search: bool
    auth_method: AuthMethodName = Field(validation_alias=AliasPath("auth", "method"))
    status: ConnectionStatusName
    last_sync_at: Annotated[datetime | None, BeforeValidator(_time_of_job)] = Field(
        validation_alias=_LAST_JOB, description="As in the whole connection."
    )
    deletions_held: HoldAnswer | None = Field(description="Weft's own: see `apply_deletions`.")
    attention: list[AttentionAnswer] = Field(description="Weft's own.")


class _Hold(Upstream):
    count: int
    everything: bool = False
    job_id: str
    held_at: Moment
    names: tuple[str, ...] = ()


class _Sync(Upstream):
    total_runs: int = 0
    successful_runs: int = 0
    failed_runs: int = 0
    last_job: UpstreamJob | None = None


class _Auth(Upstream):
    method: Annotated[AuthMethod, one_of(method_of, AuthMethod.DIRECT)]
    authenticated: bool
    authenticated_at: Moment | None = None
    expires_at: Moment | None = None
    auth_url: Link = None
    auth_url_expires: Moment | None = None
    redirect_url: Link = None
    provider_id: str | None = None
    provider_readable_id: str | None = None
    claim_token: str | None = Field(default=None, repr=False)
    has_credentials: bool | None = None


class _Schedule(Upstream):
    cron: str | None = None
    timezone: str | None = None
    next_run: Moment | None = None
    continuous: bool = False
    cursor_field: str | None = None
    cursor_value: JsonValue = None
    paused: bool = False
    paused_until: Moment | None = None

    def to_schedule(self) -> Schedule | None:
        if not self.cron and not self.continuous:
            return None
        value = self.cursor_value
        return self.to_domain(
            Schedule,
            cron=self.cron or None,
            timezone=self.timezone or "UTC",
            cursor_value=None if value is None else str(value),
        )


class _EntityType(Upstream):
    count: int = 0
    last_updated: Moment | None = None


class _Entities(Upstream):
    total_entities: int = 0
    not_embedded: int = 0
    by_type: dict[str, _EntityType] = Field(default_factory=dict[str, _EntityType])


def _connection_status(value: str) -> ConnectionStatus:
    # `pending_sync` means that all is well but nothing has been synced yet.
    return ConnectionStatus.ACTIVE if value == "pending_sync" else ConnectionStatus(value.lower())


class _Summary(Upstream):
    id: Id
    organization_id: str = ""
    name: str
    short_name: str
    readable_collection_id: str
    status: Annotated[ConnectionStatus, one_of(_connection_status, ConnectionStatus.INACTIVE)]
    created_at: Moment
    modified_at: Moment
    federated_search: bool = False
    deletions_held: _Hold | None = None


class UpstreamListedConnection(_Summary):
    """A connection in a list of Airweave's: no config, schedule, history, sync id or version."""

    is_authenticated: bool = True
    auth_method: Annotated[AuthMethod, one_of(method_of, AuthMethod.DIRECT)] = AuthMethod.DIRECT
    entity_count: int = 0

    def to_connection(self) -> Connection:
        return self.to_domain(
            Connection,
            auth=AuthDetails(method=self.auth_method, authenticated=self.is_authenticated),
            entities=EntitySummary(total_entities=self.entity_count),
            is_summary=True,
        )


class UpstreamConnection(_Summary):
    """A connection in full. Its ``error_message`` is foreign text, and is not read."""

    description: str | None = None
    auth: _Auth
    config: Json | None = None
    schedule: _Schedule | None = None
    sync: _Sync | None = None
    sync_id: Id | None = None
    entities: _Entities | None = None
    error_category: Category = None
    provider_settings_url: Link = None
    provider_short_name: str | None = None
    preview: UpstreamPreview | None = None
    is_draft: bool = False
    version: int | None = None

    def to_connection(self) -> Connection:
        sync = self.sync or _Sync()
        last_job = sync.last_job.to_job(self.id) if sync.last_job else None
        schedule = self.schedule.to_schedule() if self.schedule else None
        # Airweave decides at the consent, and until then tells no schedule.
        is_open = self.version is None and self.status is ConnectionStatus.PENDING_AUTH
        told = {} if is_open and schedule is None else {"schedule": schedule}
        return self.to_domain(
            Connection,
            untold={"schedule"},
            config=self.config or {},
            **told,
            sync=sync.to_domain(SyncSummary, last_job=last_job),
            entities=self.entities or EntitySummary(),
            error_message=error_text(self.error_category) if self.error_category else None,
            version=self.version or self._fingerprint(),
        )

    def _fingerprint(self) -> int:
        """Return a number for the state: Airweave has no versions, and its time of change passes
        over schedules. New credentials show nowhere.
        """
        cron = self.schedule.cron if self.schedule else None
        facts = (
            *(self.modified_at.isoformat(), cron, self.auth.method, self.auth.authenticated),
            *(self.name, self.description, json.dumps(self.config, sort_keys=True)),
        )
        digest = sha256(repr(facts).encode()).digest()
        return int.from_bytes(digest[:_VERSION_BYTES]) | 1


def read_connection(body: JsonValue) -> Connection:
    """Read a connection in full."""
    return read(UpstreamConnection, body).to_connection()


def read_connections(body: JsonValue) -> list[Connection]:
    """Read a page of connections: in brief from Airweave, in full from Weft."""
    return read_list(_read_listed, body)


def _read_listed(item: JsonValue) -> Connection:
    in_full = isinstance(item, dict) and "auth" in item
    return read(UpstreamConnection if in_full else UpstreamListedConnection, item).to_connection()
