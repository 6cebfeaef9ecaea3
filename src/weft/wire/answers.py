"""The objects of Airweave's JSON, and what each is in the domain."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from weft.domain.base import Json
from weft.domain.collections import Collection, CollectionStatus
from weft.domain.connections import (
    AuthDetails,
    AuthMethod,
    Connection,
    ConnectionStatus,
    EntitySummary,
    EntityTypeSummary,
    SyncSummary,
)
from weft.domain.jobs import Job, JobStatus, JobTrigger
from weft.domain.schedules import Schedule
from weft.domain.search import SearchHit
from weft.errors import ErrorCategory
from weft.wire.reading import (
    Category,
    Link,
    Moment,
    Unreadable,
    Upstream,
    connection_status,
    job_status,
    method_of,
    one_of,
    utc_now,
)

SNIPPET_MAX_CHARS: Final = 400

_ERROR_TEXTS = {
    ErrorCategory.OAUTH_CREDENTIALS_EXPIRED: "The OAuth grant expired or was revoked.",
    ErrorCategory.API_KEY_INVALID: "The source refused the stored credentials.",
    ErrorCategory.AUTH_PROVIDER_ACCOUNT_GONE: "The auth provider no longer has the account.",
    ErrorCategory.AUTH_PROVIDER_CREDENTIALS_INVALID: "The auth provider's own key was refused.",
}
_FAILED = "The sync failed; what the API says about it is in the job's log."


class FoundEntity(BaseModel):
    """A search hit before it is known which connection its sync belongs to."""

    model_config = ConfigDict(frozen=True)

    hit: SearchHit
    text: str
    sync_id: str | None
    source_name: str


class Found(BaseModel):
    """What a search found; ``matched`` is only told by Weft's own API."""

    model_config = ConfigDict(frozen=True)

    hits: tuple[FoundEntity, ...]
    matched: str | None = None


class UpstreamCollection(Upstream):
    id: str
    organization_id: str = ""
    name: str
    readable_id: str
    status: Annotated[CollectionStatus, one_of(CollectionStatus, CollectionStatus.ACTIVE)] = (
        CollectionStatus.ACTIVE
    )
    created_at: Moment
    modified_at: Moment
    source_connection_summaries: tuple[JsonValue, ...] = ()
    connection_count: int | None = None
    entity_count: int = 0

    def domain(self) -> Collection:
        counted = self.connection_count
        return Collection(
            id=self.id,
            organization_id=self.organization_id,
            name=self.name,
            readable_id=self.readable_id,
            status=self.status,
            connection_count=len(self.source_connection_summaries) if counted is None else counted,
            entity_count=self.entity_count,
            created_at=self.created_at,
            modified_at=self.modified_at,
        )


class UpstreamJob(Upstream):
    id: str
    source_connection_id: str | None = None
    status: Annotated[JobStatus | None, one_of(job_status, None)] = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
    duration_seconds: float | None = None
    entities_inserted: int = 0
    entities_updated: int = 0
    entities_deleted: int = 0
    entities_failed: int = 0
    error: str | None = None
    error_category: Category = None
    trigger: Annotated[JobTrigger, one_of(JobTrigger, JobTrigger.MANUAL)] = JobTrigger.MANUAL
    full_sync: bool = True
    created_at: Moment | None = None
    entities_unchanged: int = 0
    entities_skipped: int = 0
    entities_total: int | None = None

    def domain(self, connection_id: str | None) -> Job:
        status = self.status or self._guessed()
        owner = self.source_connection_id or connection_id
        if owner is None:
            raise Unreadable("a job without its connection")
        failed = status is JobStatus.FAILED
        category = self.error_category
        return Job(
            id=self.id,
            source_connection_id=owner,
            status=status,
            trigger=self.trigger,
            full_sync=self.full_sync,
            created_at=self.created_at or self.started_at or self.completed_at or utc_now(),
            started_at=self.started_at,
            completed_at=self.completed_at,
            duration_seconds=self.duration_seconds,
            entities_inserted=self.entities_inserted,
            entities_updated=self.entities_updated,
            entities_deleted=self.entities_deleted,
            entities_unchanged=self.entities_unchanged,
            entities_skipped=self.entities_skipped,
            entities_failed=self.entities_failed,
            entities_total=self.entities_total,
            error=(_ERROR_TEXTS.get(category) if category else None) or _FAILED if failed else None,
            error_category=category,
        )

    def _guessed(self) -> JobStatus:
        """A status that is not known: whether it has ended can still be told."""
        if self.completed_at is None:
            return JobStatus.RUNNING
        return JobStatus.FAILED if self.error else JobStatus.COMPLETED


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

    def domain(self) -> AuthDetails:
        return AuthDetails.model_validate(self.model_dump())


class _Schedule(Upstream):
    cron: str | None = None
    timezone: str | None = None
    next_run: Moment | None = None
    continuous: bool = False
    cursor_field: str | None = None
    cursor_value: JsonValue = None

    def domain(self) -> Schedule | None:
        if not self.cron and not self.continuous:
            return None
        value = self.cursor_value
        return Schedule(
            cron=self.cron or None,
            timezone=self.timezone or "UTC",
            next_run=self.next_run,
            continuous=self.continuous,
            cursor_field=self.cursor_field,
            cursor_value=None if value is None else str(value),
        )


class _Stats(Upstream):
    count: int = 0
    last_updated: Moment | None = None


class _Entities(Upstream):
    total_entities: int = 0
    by_type: dict[str, _Stats] = Field(default_factory=dict[str, _Stats])

    def domain(self) -> EntitySummary:
        by_type = {
            name: EntityTypeSummary(count=item.count, last_updated=item.last_updated)
            for name, item in self.by_type.items()
        }
        return EntitySummary(total_entities=self.total_entities, by_type=by_type)


class _Summary(Upstream):
    id: str
    organization_id: str = ""
    name: str
    short_name: str
    readable_collection_id: str
    status: Annotated[ConnectionStatus, one_of(connection_status, ConnectionStatus.INACTIVE)]
    created_at: Moment
    modified_at: Moment
    federated_search: bool = False
    version: int | None = None

    @property
    def shown_version(self) -> int:
        """The API counts no versions; the time of the last change, in microseconds, is one."""
        return self.version or max(1, int(self.modified_at.timestamp() * 1_000_000))


class UpstreamListedConnection(_Summary):
    is_authenticated: bool = True
    auth_method: Annotated[AuthMethod, one_of(method_of, AuthMethod.DIRECT)] = AuthMethod.DIRECT
    entity_count: int = 0

    def domain(self) -> Connection:
        return Connection(
            id=self.id,
            organization_id=self.organization_id,
            name=self.name,
            short_name=self.short_name,
            readable_collection_id=self.readable_collection_id,
            status=self.status,
            auth=AuthDetails(method=self.auth_method, authenticated=self.is_authenticated),
            sync_id="",
            entities=EntitySummary(total_entities=self.entity_count),
            federated_search=self.federated_search,
            created_at=self.created_at,
            modified_at=self.modified_at,
            version=self.shown_version,
        )


class UpstreamConnection(_Summary):
    description: str | None = None
    auth: _Auth
    config: Json | None = None
    schedule: _Schedule | None = None
    sync: _Sync | None = None
    sync_id: str | None = None
    entities: _Entities | None = None
    error_category: Category = None
    provider_settings_url: Link = None
    provider_short_name: str | None = None

    def domain(self) -> Connection:
        sync = self.sync or _Sync()
        category = self.error_category
        return Connection(
            id=self.id,
            organization_id=self.organization_id,
            name=self.name,
            description=self.description,
            short_name=self.short_name,
            readable_collection_id=self.readable_collection_id,
            status=self.status,
            auth=self.auth.domain(),
            config=self.config or {},
            schedule=self.schedule.domain() if self.schedule else None,
            sync=SyncSummary(
                total_runs=sync.total_runs,
                successful_runs=sync.successful_runs,
                failed_runs=sync.failed_runs,
                last_job=sync.last_job.domain(self.id) if sync.last_job else None,
            ),
            sync_id=self.sync_id or "",
            entities=self.entities.domain() if self.entities else EntitySummary(),
            error_category=category,
            error_message=_ERROR_TEXTS.get(category, _FAILED) if category else None,
            provider_settings_url=self.provider_settings_url,
            provider_short_name=self.provider_short_name,
            federated_search=self.federated_search,
            created_at=self.created_at,
            modified_at=self.modified_at,
            version=self.shown_version,
        )


class _SystemMetadata(Upstream):
    source_name: str = ""
    entity_type: str = ""
    sync_id: str | None = None
    original_entity_id: str | None = None
    source_connection_id: str | None = None
    source_connection_name: str | None = None


class _Result(Upstream):
    entity_id: str
    name: str = ""
    relevance_score: float = 0.0
    textual_representation: str = ""
    airweave_system_metadata: _SystemMetadata = _SystemMetadata()
    web_url: str | None = None

    def domain(self) -> FoundEntity:
        system = self.airweave_system_metadata
        hit = SearchHit(
            entity_id=system.original_entity_id or self.entity_id,
            connection_id=system.source_connection_id or "",
            connection_name=system.source_connection_name or system.source_name,
            type=system.entity_type,
            title=self.name,
            snippet=self.textual_representation[:SNIPPET_MAX_CHARS],
            url=self.web_url or None,
            score=self.relevance_score,
        )
        return FoundEntity(
            hit=hit,
            text=self.textual_representation,
            sync_id=system.sync_id,
            source_name=system.source_name,
        )


class UpstreamResults(Upstream):
    results: tuple[_Result, ...]
    matched: str | None = None

    def domain(self) -> Found:
        return Found(hits=tuple(item.domain() for item in self.results), matched=self.matched)
