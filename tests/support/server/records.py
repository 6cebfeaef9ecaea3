"""Records for tests of the MCP front: one source, and makers of all that a backend keeps."""

from datetime import UTC, datetime

from weft.domain.collections import Collection, CollectionStatus
from weft.domain.connections import (
    AuthDetails,
    AuthMethod,
    Connection,
    ConnectionStatus,
    EntitySummary,
    SyncSummary,
)
from weft.domain.jobs import Job, JobStatus, JobTrigger
from weft.domain.reading.browsing import Change, ChangeKind, ListedEntity
from weft.domain.schedules import Schedule
from weft.domain.sources import FieldInfo, SourceInfo

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SOURCE = SourceInfo(
    short_name="github",
    name="GitHub",
    description="Repositories.",
    auth_methods=(AuthMethod.DIRECT,),
    auth_required=True,
    auth_fields=(
        FieldInfo(
            name="personal_access_token",
            title="Token",
            type="string",
            description="A token.",
            required=True,
            secret=True,
        ),
    ),
    config_fields=(
        FieldInfo(
            name="repo_name", title="Repo", type="string", description="owner/name", required=True
        ),
    ),
)


def make_collection(readable_id: str, name: str = "Documents") -> Collection:
    return Collection(
        id=f"id-{readable_id}",
        organization_id="org",
        name=name,
        readable_id=readable_id,
        status=CollectionStatus.ACTIVE,
        connection_count=1,
        entity_count=12,
        created_at=NOW,
        modified_at=NOW,
    )


def make_connection(connection_id: str, **fields: object) -> Connection:
    values: dict[str, object] = {
        "id": connection_id,
        "organization_id": "org",
        "name": "Docs Repo",
        "short_name": "github",
        "readable_collection_id": "docs",
        "status": ConnectionStatus.ACTIVE,
        "auth": AuthDetails(method=AuthMethod.DIRECT, authenticated=True, authenticated_at=NOW),
        "config": {"repo_name": "a/b"},
        "schedule": Schedule(cron="0 2 * * *", next_run=NOW),
        "sync": SyncSummary(total_runs=3, successful_runs=2, failed_runs=1),
        "sync_id": "s1",
        "entities": EntitySummary(total_entities=12),
        "created_at": NOW,
        "modified_at": NOW,
        "version": 3,
    }
    return Connection.model_validate(values | fields)


def make_job(job_id: str, connection_id: str = "c1", **fields: object) -> Job:
    values: dict[str, object] = {
        "id": job_id,
        "source_connection_id": connection_id,
        "status": JobStatus.PENDING,
        "trigger": JobTrigger.MANUAL,
        "created_at": NOW,
    }
    return Job.model_validate(values | fields)


def make_listed(name: str) -> ListedEntity:
    return ListedEntity(
        id="7",
        source_entity_id=name,
        connection_id="c1",
        connection_name="Docs",
        type="file",
        title="Title",
        size=5,
        media_type="text/markdown",
        updated_at=NOW,
    )


def make_change(kind: ChangeKind, name: str, reason: str | None) -> Change:
    return Change(
        kind=kind,
        name=name,
        reason=reason,
        job_id="job-1",
        connection_id="c1",
        connection_name="Docs",
        at=NOW,
    )
