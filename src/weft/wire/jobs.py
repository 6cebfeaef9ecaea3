"""Sync jobs in Airweave's JSON, as they are sent and as they are read."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, JsonValue

from weft.domain.jobs import FindingKind, Job, JobStatus, JobTrigger, LogLine
from weft.errors import ErrorCategory
from weft.wire.answer import Answer, Count
from weft.wire.upstream import (
    Category,
    Id,
    Moment,
    Unreadable,
    Upstream,
    one_of,
    read,
    read_list,
    utc_now,
)

LOG_MESSAGE_MAX_CHARS: Final = 2000

JobStatusName = Literal["pending", "running", "completed", "failed", "cancelling", "cancelled"]
FindingKindName = Literal["skipped", "failed", "empty", "limit", "older", "dead_links"]
WarningKindName = Literal[FindingKindName, "gaps", "nothing_read", "deletions_held"]
_ERROR_TEXTS: Final = {
    ErrorCategory.OAUTH_CREDENTIALS_EXPIRED: "The OAuth grant expired or was revoked.",
    ErrorCategory.API_KEY_INVALID: "The source refused the stored credentials.",
    ErrorCategory.AUTH_PROVIDER_ACCOUNT_GONE: "The auth provider no longer has the account.",
    ErrorCategory.AUTH_PROVIDER_CREDENTIALS_INVALID: "The auth provider's own key was refused.",
}


def _wrap_message(details: str | None) -> dict[str, str] | None:
    return {"message": details} if details else None


class FindingAnswer(Answer):
    """How many entities met one fate for one reason, which is the source's text."""

    kind: FindingKindName
    reason: str
    count: int | None


class WarningAnswer(Answer):
    """Something that a completed job left undone."""

    kind: WarningKindName
    message: str


class LastJobAnswer(Answer):
    """A run of a sync, as its connection shows it."""

    id: UUID
    status: Annotated[JobStatusName, BeforeValidator(str.lower)]
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    entities_inserted: Count
    entities_updated: Count
    entities_deleted: Count
    entities_failed: Count
    error: str | None
    error_category: str | None
    error_details: Annotated[dict[str, JsonValue] | None, BeforeValidator(_wrap_message)]
    created_at: datetime | None = Field(description="Weft's own.")
    entities_created: Count = Field(
        validation_alias="entities_inserted", description="The same as `entities_inserted`."
    )
    error_message: str | None = Field(validation_alias="error", description="The same as `error`.")
    entities_unchanged: Count = Field(description="Weft's own.")
    entities_skipped: Count = Field(description="Weft's own: listed, but not eligible.")
    entities_total: Count | None = Field(description="Weft's own: expected, if that is known.")
    incomplete: bool = Field(description="Weft's own: whether the listing had gaps.")
    deletions_held: Count = Field(description="Weft's own: not made, because they are too many.")
    findings: list[FindingAnswer] = Field(description="Weft's own: what was not stored, and why.")
    warnings: list[WarningAnswer] = Field(
        description="Weft's own: what a completed job left undone."
    )
    trigger: Literal["initial", "manual", "schedule", "push"] | None = Field(
        description="Weft's own."
    )
    full_sync: bool | None = Field(description="Weft's own: whether everything is listed.")


class JobAnswer(LastJobAnswer):
    """A run of a connection's sync."""

    source_connection_id: UUID


def _job_status(value: str) -> JobStatus:
    # `created` means not queued yet, which makes no difference to us.
    return JobStatus.PENDING if value.lower() == "created" else JobStatus(value)


class _Finding(Upstream):
    kind: Annotated[FindingKind | None, one_of(FindingKind, None)] = None
    reason: str = ""
    count: int | None = None


class UpstreamJob(Upstream):
    """A job as an API describes it. ``error`` is foreign text, and only shown in the job's log.

    Airweave counts what was skipped as ``entities_failed``, and tells nothing of what Weft adds.
    """

    id: Id
    source_connection_id: Id | None = None
    status: Annotated[JobStatus | None, one_of(_job_status, None)] = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
    duration_seconds: float | None = None
    entities_inserted: int = 0
    entities_updated: int = 0
    entities_deleted: int = 0
    entities_failed: int = 0
    error: str | None = None
    error_category: Category = None
    trigger: Annotated[JobTrigger | None, one_of(JobTrigger, None)] = None
    full_sync: bool | None = None
    created_at: Moment | None = None
    entities_unchanged: int = 0
    entities_skipped: int | None = None
    entities_total: int | None = None
    incomplete: bool = False
    deletions_held: int = 0
    findings: tuple[_Finding, ...] = ()

    def to_job(self, connection_id: str | None) -> Job:
        status = self.status or self._guess_status()
        owner = self.source_connection_id or connection_id
        if owner is None:
            raise Unreadable("a job without its connection")
        skipped = self.entities_skipped
        return self.to_domain(
            Job,
            source_connection_id=owner,
            status=status,
            findings=[found for found in self.findings if found.kind is not None],
            entities_skipped=self.entities_failed if skipped is None else skipped,
            entities_failed=0 if skipped is None else self.entities_failed,
            error=error_text(self.error_category) if status is JobStatus.FAILED else None,
        )

    def _guess_status(self) -> JobStatus:
        """Tell from the other fields whether a job with an unknown status has ended."""
        if self.completed_at is None:
            return JobStatus.RUNNING
        return JobStatus.FAILED if self.error else JobStatus.COMPLETED


class UpstreamProgress(Upstream):
    """The counts so far in an event of Airweave's stream; ``status`` is told at the end only."""

    inserted: int = Field(ge=0)
    updated: int = Field(ge=0)
    deleted: int = Field(ge=0)
    kept: int = Field(0, ge=0)
    skipped: int = Field(0, ge=0)
    status: str | None = None

    def count_in(self, job: Job) -> Job:
        """Return the job with these counts, where they are higher than its own."""
        counts = {
            "entities_inserted": max(self.inserted, job.entities_inserted),
            "entities_updated": max(self.updated, job.entities_updated),
            "entities_deleted": max(self.deleted, job.entities_deleted),
            "entities_unchanged": max(self.kept, job.entities_unchanged),
            "entities_skipped": max(self.skipped, job.entities_skipped),
        }
        return job.model_copy(update=counts)


def read_progress(body: JsonValue) -> UpstreamProgress | None:
    """Read an event of a job's stream; None for those that only keep it open."""
    try:
        return read(UpstreamProgress, body)
    except Unreadable:
        return None


def error_text(category: ErrorCategory | None) -> str:
    """Return our own words for a failure: the API's may quote secrets or instruct the model."""
    general = "The sync failed; what the API says about it is in the job's log."
    return _ERROR_TEXTS.get(category, general) if category else general


def read_job(body: JsonValue, connection_id: str | None = None) -> Job:
    """Read a job; ``connection_id`` is used where the answer does not name its connection."""
    return read(UpstreamJob, body).to_job(connection_id)


def read_jobs(body: JsonValue) -> list[Job]:
    """Read a page of jobs."""
    return read_list(read_job, body)


def read_job_log(body: JsonValue) -> list[LogLine]:
    """Read the error of a job, which is all that the API says about it; it is foreign text."""
    job = read(UpstreamJob, body)
    if not job.error:
        return []
    at = job.completed_at or job.started_at or utc_now()
    return [LogLine(at=at, level="ERROR", message=job.error[:LOG_MESSAGE_MAX_CHARS])]
