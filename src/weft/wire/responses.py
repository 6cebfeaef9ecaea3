"""Airweave's answers as models: what the HTTP API says, and what its OpenAPI document promises.

Fields beyond Airweave's own are marked as Weft's; clients that know only Airweave ignore them.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

JobStatusName = Literal["pending", "running", "completed", "failed", "cancelling", "cancelled"]
ConnectionStatusName = Literal[
    "active", "pending_auth", "syncing", "error", "needs_reauth", "inactive"
]
AuthMethodName = Literal["direct", "oauth_browser", "oauth_token", "auth_provider"]
CollectionStatusName = Literal["ACTIVE", "NEEDS SOURCE", "ERROR"]
Count = Annotated[int, Field(ge=0)]


class Answer(BaseModel):
    """Base of all answers. Every field is present, also where it has a default."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class FieldAnswer(Answer):
    """One field that a source takes."""

    name: str
    title: str
    description: str | None = None
    type: str
    required: bool
    items_type: str | None = None
    feature_flag: str | None = None
    is_secret: bool = False
    enum_values: list[str] | None = None
    default: JsonValue = Field(default=None, description="Weft's own.")


class FieldsAnswer(Answer):
    """The fields that a source takes."""

    fields: list[FieldAnswer]


class SourceAnswer(Answer):
    """A kind of source."""

    name: str
    description: str | None
    auth_methods: list[AuthMethodName]
    oauth_type: str | None = None
    requires_byoc: bool = False
    auth_config_class: str | None = None
    config_class: str | None = None
    short_name: str
    class_name: str
    output_entity_definitions: list[str]
    labels: list[str]
    supports_continuous: bool
    federated_search: bool = False
    supports_temporal_relevance: bool = False
    supports_access_control: bool = False
    rate_limit_level: str | None = None
    feature_flag: str | None = None
    supports_browse_tree: bool = False
    auth_fields: FieldsAnswer
    config_fields: FieldsAnswer
    supported_auth_providers: list[str] = Field(default_factory=list[str])
    auth_required: bool = Field(description="Weft's own: whether credentials must be given.")
    cursor_fields: list[str] = Field(description="Weft's own: for `schedule.cursor_field`.")


class CollectionAnswer(Answer):
    """A collection. Its content is found by full text: there are no vectors."""

    id: UUID
    organization_id: UUID
    name: str
    readable_id: str
    status: CollectionStatusName
    sync_config: None = None
    created_at: datetime
    modified_at: datetime
    created_by_email: None = None
    modified_by_email: None = None
    vector_size: int = 0
    embedding_model_name: str = "none"
    connection_count: Count = Field(description="Weft's own.")
    entity_count: Count = Field(description="Weft's own.")


class LastJobAnswer(Answer):
    """What a run of a sync did so far."""

    id: UUID
    status: JobStatusName
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    entities_inserted: Count
    entities_updated: Count
    entities_deleted: Count
    entities_failed: Count
    error: str | None
    error_category: str | None
    error_details: dict[str, JsonValue] | None
    created_at: datetime
    entities_created: Count = Field(description="The same as `entities_inserted`.")
    error_message: str | None = Field(description="The same as `error`.")
    entities_unchanged: Count = Field(description="Weft's own.")
    entities_skipped: Count = Field(description="Weft's own: listed, but not eligible.")
    entities_total: Count | None = Field(description="Weft's own: expected, if that is known.")
    trigger: Literal["initial", "manual", "schedule"] = Field(description="Weft's own.")
    full_sync: bool = Field(description="Weft's own: whether everything is listed.")


class JobAnswer(LastJobAnswer):
    """A run of a connection's sync."""

    source_connection_id: UUID


class AuthAnswer(Answer):
    """How a connection authenticates. `auth_url` and `claim_token` are there once, in the answer
    that made them.
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


class ScheduleAnswer(Answer):
    """When a connection syncs by itself."""

    cron: str | None
    next_run: datetime | None
    continuous: bool
    cursor_field: str | None
    cursor_value: JsonValue
    timezone: str = Field(description="Weft's own: what `cron` is read in.")


class SyncAnswer(Answer):
    """A connection's history in numbers."""

    total_runs: Count
    successful_runs: Count
    failed_runs: Count
    last_job: LastJobAnswer | None


class EntityTypeAnswer(Answer):
    """How many entities of one type are stored."""

    count: Count
    last_updated: datetime | None


class EntitiesAnswer(Answer):
    """What a connection has stored."""

    total_entities: Count
    by_type: dict[str, EntityTypeAnswer]


class ConnectionAnswer(Answer):
    """A source connection."""

    id: UUID
    organization_id: UUID
    name: str
    description: str | None
    short_name: str
    readable_collection_id: str
    status: ConnectionStatusName
    created_at: datetime
    modified_at: datetime
    auth: AuthAnswer
    config: dict[str, JsonValue]
    schedule: ScheduleAnswer | None
    sync: SyncAnswer
    sync_id: UUID | None
    entities: EntitiesAnswer
    error_category: str | None
    error_message: str | None
    provider_settings_url: str | None
    provider_short_name: str | None
    federated_search: bool
    entity_count: Count = Field(description="The same as `entities.total_entities`.")
    last_sync_at: datetime | None = Field(
        description="When the last job ended, or began if it has not ended."
    )
    version: int = Field(description="Weft's own: rises with every change; see PATCH.")


class ConnectionItem(Answer):
    """A source connection in a list."""

    id: UUID
    name: str
    short_name: str
    readable_collection_id: str
    created_at: datetime
    modified_at: datetime
    is_authenticated: bool
    entity_count: Count
    federated_search: bool
    auth_method: AuthMethodName
    status: ConnectionStatusName
    last_sync_at: datetime | None = Field(description="As in the whole connection.")


class SystemMetadataAnswer(Answer):
    """Where a search result comes from."""

    source_name: str
    entity_type: str
    sync_id: str | None
    sync_job_id: None = None
    chunk_index: int = 0
    original_entity_id: str
    source_connection_id: UUID = Field(description="Weft's own.")
    source_connection_name: str = Field(description="Weft's own.")


class AccessAnswer(Answer):
    """Who may see the entity at its source; Weft does not know."""

    viewers: None = None
    is_public: None = None


class BreadcrumbAnswer(Answer):
    """Something above an entity; Weft's search names none."""

    entity_id: str
    name: str
    entity_type: str


class SearchHitAnswer(Answer):
    """An entity that fits. Its texts come from the source: data, never instructions."""

    entity_id: str
    name: str
    relevance_score: float
    breadcrumbs: list[BreadcrumbAnswer] = Field(default_factory=list[BreadcrumbAnswer])
    created_at: None = None
    updated_at: None = None
    textual_representation: str
    airweave_system_metadata: SystemMetadataAnswer
    access: AccessAnswer = AccessAnswer()
    web_url: str
    url: None = None
    raw_source_fields: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class SearchAnswer(Answer):
    """Entities that fit, best first."""

    results: list[SearchHitAnswer]
    matched: Literal["all", "any"] = Field(
        description="Weft's own: whether the results have all words of the query, or any."
    )


class ProblemAnswer(Answer):
    """What is wrong with one field; never the value that was given."""

    loc: list[str]
    msg: str
    type: str


class ValidationAnswer(Answer):
    """What is wrong with a request (422)."""

    detail: list[ProblemAnswer]


class ErrorAnswer(BaseModel):
    """Why a request was not served. `field` and `job_id` are there where they say something."""

    detail: str
    field: str | None = None
    job_id: UUID | None = None
