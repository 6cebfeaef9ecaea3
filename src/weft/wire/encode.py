"""From the domain to Airweave's JSON: statuses of jobs in lower case, times in UTC with a Z."""

import uuid
from datetime import datetime

from weft.domain.collections import Collection
from weft.domain.connections import AuthDetails, Connection, EntitySummary
from weft.domain.jobs import Job
from weft.domain.schedules import Schedule
from weft.domain.search import SearchHit
from weft.domain.sources import FieldInfo, SourceInfo
from weft.wire.responses import (
    AuthAnswer,
    CollectionAnswer,
    ConnectionAnswer,
    ConnectionItem,
    EntitiesAnswer,
    EntityTypeAnswer,
    FieldAnswer,
    FieldsAnswer,
    JobAnswer,
    LastJobAnswer,
    ScheduleAnswer,
    SearchHitAnswer,
    SourceAnswer,
    SyncAnswer,
    SystemMetadataAnswer,
)

# An organisation of Weft may have any name; on this wire it is a UUID.
_ORGANIZATIONS = uuid.UUID("5a4f7a52-6d0c-5c8e-9a0b-3c1d2e4f6a7b")


def source(info: SourceInfo) -> SourceAnswer:
    """A kind of source."""
    return SourceAnswer(
        name=info.name,
        description=info.description,
        auth_methods=[method.value for method in info.auth_methods],
        short_name=info.short_name,
        class_name="".join(part for part in info.name.title() if part.isalnum()) + "Source",
        output_entity_definitions=list(info.entity_types),
        labels=list(info.labels),
        supports_continuous=info.supports_continuous,
        auth_fields=FieldsAnswer(fields=[_field(field) for field in info.auth_fields]),
        config_fields=FieldsAnswer(fields=[_field(field) for field in info.config_fields]),
        auth_required=info.auth_required,
        cursor_fields=list(info.cursor_fields),
    )


def collection(found: Collection) -> CollectionAnswer:
    """A collection."""
    return CollectionAnswer(
        id=uuid.UUID(found.id),
        organization_id=organization(found.organization_id),
        name=found.name,
        readable_id=found.readable_id,
        status=found.status.value,
        created_at=found.created_at,
        modified_at=found.modified_at,
        connection_count=found.connection_count,
        entity_count=found.entity_count,
    )


def connection(found: Connection) -> ConnectionAnswer:
    """A connection in full."""
    last = found.sync.last_job
    return ConnectionAnswer(
        id=uuid.UUID(found.id),
        organization_id=organization(found.organization_id),
        name=found.name,
        description=found.description,
        short_name=found.short_name,
        readable_collection_id=found.readable_collection_id,
        status=found.status.value,
        created_at=found.created_at,
        modified_at=found.modified_at,
        auth=_auth(found.auth),
        config=found.config,
        schedule=_schedule(found.schedule) if found.schedule else None,
        sync=SyncAnswer(
            total_runs=found.sync.total_runs,
            successful_runs=found.sync.successful_runs,
            failed_runs=found.sync.failed_runs,
            last_job=last_job(last) if last else None,
        ),
        sync_id=uuid.UUID(found.sync_id),
        entities=_entities(found.entities),
        error_category=found.error_category.value if found.error_category else None,
        error_message=found.error_message,
        provider_settings_url=found.provider_settings_url,
        provider_short_name=found.provider_short_name,
        federated_search=found.federated_search,
        entity_count=found.entities.total_entities,
        last_sync_at=_last_sync(found),
        version=found.version,
    )


def connection_item(found: Connection) -> ConnectionItem:
    """A connection as lists show it."""
    return ConnectionItem(
        id=uuid.UUID(found.id),
        name=found.name,
        short_name=found.short_name,
        readable_collection_id=found.readable_collection_id,
        created_at=found.created_at,
        modified_at=found.modified_at,
        is_authenticated=found.auth.authenticated,
        entity_count=found.entities.total_entities,
        federated_search=found.federated_search,
        auth_method=found.auth.method.value,
        status=found.status.value,
        last_sync_at=_last_sync(found),
    )


def last_job(found: Job) -> LastJobAnswer:
    """A job as its connection shows it."""
    return LastJobAnswer(
        id=uuid.UUID(found.id),
        status=found.status.value.lower(),  # pyright: ignore[reportArgumentType] (Literal of these)
        started_at=found.started_at,
        completed_at=found.completed_at,
        duration_seconds=found.duration_seconds,
        entities_inserted=found.entities_inserted,
        entities_updated=found.entities_updated,
        entities_deleted=found.entities_deleted,
        entities_failed=found.entities_failed,
        error=found.error,
        error_category=found.error_category.value if found.error_category else None,
        error_details={"message": found.error_details} if found.error_details else None,
        created_at=found.created_at,
        entities_created=found.entities_inserted,
        error_message=found.error,
        entities_unchanged=found.entities_unchanged,
        entities_skipped=found.entities_skipped,
        entities_total=found.entities_total,
        trigger=found.trigger.value,
        full_sync=found.full_sync,
    )


def job(found: Job) -> JobAnswer:
    """A job."""
    return JobAnswer(
        **dict(last_job(found)), source_connection_id=uuid.UUID(found.source_connection_id)
    )


def search_hit(hit: SearchHit, owner: Connection | None) -> SearchHitAnswer:
    """An entity that was found; ``owner`` is its connection, if that is still there."""
    return SearchHitAnswer(
        entity_id=hit.entity_id,
        name=hit.title,
        relevance_score=hit.score,
        textual_representation=hit.snippet,
        web_url=hit.url or "",
        airweave_system_metadata=SystemMetadataAnswer(
            source_name=owner.short_name if owner else "",
            entity_type=hit.type,
            sync_id=owner.sync_id if owner else None,
            original_entity_id=hit.entity_id,
            source_connection_id=uuid.UUID(hit.connection_id),
            source_connection_name=hit.connection_name,
        ),
    )


def organization(organization_id: str) -> uuid.UUID:
    """The organisation as a UUID: its own, or one that its name always gives."""
    try:
        return uuid.UUID(organization_id)
    except ValueError:
        return uuid.uuid5(_ORGANIZATIONS, organization_id)


def _field(field: FieldInfo) -> FieldAnswer:
    return FieldAnswer(
        name=field.name,
        title=field.title,
        description=field.description or None,
        type=field.type,
        required=field.required,
        is_secret=field.secret,
        enum_values=list(field.choices) or None,
        default=field.default,
    )


def _auth(auth: AuthDetails) -> AuthAnswer:
    return AuthAnswer(
        method=auth.method.value,
        authenticated=auth.authenticated,
        authenticated_at=auth.authenticated_at,
        expires_at=auth.expires_at,
        auth_url=auth.auth_url,
        auth_url_expires=auth.auth_url_expires,
        redirect_url=auth.redirect_url,
        claim_token=auth.claim_token,
        provider_readable_id=auth.provider_readable_id,
        provider_id=auth.provider_id,
    )


def _schedule(schedule: Schedule) -> ScheduleAnswer:
    return ScheduleAnswer(
        cron=schedule.cron,
        next_run=schedule.next_run,
        continuous=schedule.continuous,
        cursor_field=schedule.cursor_field,
        cursor_value=schedule.cursor_value,
        timezone=schedule.timezone,
    )


def _entities(entities: EntitySummary) -> EntitiesAnswer:
    return EntitiesAnswer(
        total_entities=entities.total_entities,
        by_type={
            name: EntityTypeAnswer(count=kind.count, last_updated=kind.last_updated)
            for name, kind in entities.by_type.items()
        },
    )


def _last_sync(found: Connection) -> datetime | None:
    last = found.sync.last_job
    return (last.completed_at or last.started_at) if last else None
