"""Sync jobs: their states, their counts, their log, and why one failed."""

import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field

from weft.domain.base import Frozen
from weft.domain.text.words import agree, quantity
from weft.errors import ErrorCategory


class JobStatus(StrEnum):
    """PENDING → RUNNING → COMPLETED | FAILED; PENDING, RUNNING → CANCELLING → CANCELLED."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Return whether the job can never change again."""
        return self in _TERMINAL

    @classmethod
    def _missing_(cls, value: object) -> "JobStatus | None":
        # Airweave sends statuses in lower case.
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None


_TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
_HOLDING = (ErrorCategory.NO_PROCESS, ErrorCategory.KEY_UNAVAILABLE)
LIVE_STATUSES = frozenset(JobStatus) - _TERMINAL
_SETTING = re.compile(r"[a-z][a-z_]{0,40}")

TAKEOVER_SECONDS: Final = 3.0
"""How long to wait for another process to take a job that waits for one."""


class JobTrigger(StrEnum):
    """The cause of a job."""

    INITIAL = "initial"
    MANUAL = "manual"
    SCHEDULE = "schedule"
    PUSH = "push"


class RunOptions(Frozen, extra="ignore"):
    """The options of a run, given by whoever starts it.

    The store keeps it as JSON; fields that only a newer version of Weft knows are ignored.
    """

    force_full_sync: bool = Field(
        default=False, description="List everything, also where a cursor could be followed."
    )
    agreed_deletions: int = Field(
        default=0,
        ge=0,
        description="How many deletions somebody has agreed to that an earlier sync held.",
    )


RUN_DEFAULTS: Final = RunOptions()


class LogLine(Frozen):
    """One line of a job's log."""

    at: datetime
    level: str
    message: str


class Diagnosis(Frozen):
    """The likely cause of a failure and the call that mends it."""

    category: ErrorCategory | None
    likely_cause: str
    next_step: str


class FindingKind(StrEnum):
    """The fate of entities that a job met, or knows of, but did not store with their text.

    `LIMIT`: they lie beyond a limit of the configuration; `OLDER`: so do they, but are only older
    than what was listed. `DEAD_LINKS`: links to them were answered with 404 or 410.
    """

    SKIPPED = "skipped"
    FAILED = "failed"
    EMPTY = "empty"
    LIMIT = "limit"
    OLDER = "older"
    DEAD_LINKS = "dead_links"


class Finding(Frozen):
    """Entities that met one fate for one reason; ``count`` is None where nobody knows it.

    ``reason`` is the source's own, untrusted text, but for a limit the name of its setting.
    """

    kind: FindingKind
    reason: str = ""
    count: int | None = None


class WarningKind(StrEnum):
    """The kinds of what a completed job left undone."""

    GAPS = "gaps"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOTHING_READ = "nothing_read"
    LIMIT = "limit"
    OLDER = "older"
    DEAD_LINKS = "dead_links"
    EMPTY = "empty"
    DELETIONS_HELD = "deletions_held"


class JobWarning(Frozen):
    """Something that a completed job left undone, as a phrase in our own words.

    ``findings`` say why, the most frequent first; their reasons are untrusted text, which no dump
    of this object contains.
    """

    kind: WarningKind
    message: str
    findings: tuple[Finding, ...] = Field(default=(), exclude=True)
    needs_somebody: bool = Field(default=False, exclude=True)


class Job(Frozen):
    """One run of a connection's sync.

    Each entity is counted once: ``entities_skipped`` were listed but are not eligible (binary, too
    large); ``entities_failed`` could not be read this time and keep their earlier version.
    ``incomplete`` says that the listing had gaps, so there may be more, and nothing was deleted.
    ``deletions_held`` were not made because they were too many; see `DeletionHold`. ``findings``
    say more of what it did not store; they quote the source, so no dump of this object contains
    them.
    A remote API may not tell ``trigger``, ``full_sync`` and ``created_at``.
    """

    id: str
    source_connection_id: str
    connection_name: str | None = None
    status: JobStatus
    trigger: JobTrigger | None = None
    full_sync: bool | None = True
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_seconds: float | None = None
    entities_inserted: int = 0
    entities_updated: int = 0
    entities_deleted: int = 0
    entities_unchanged: int = 0
    entities_skipped: int = 0
    entities_failed: int = 0
    entities_total: int | None = None
    incomplete: bool = False
    deletions_held: int = 0
    findings: tuple[Finding, ...] = Field(default=(), exclude=True)
    error: str | None = None
    error_category: ErrorCategory | None = None
    error_details: str | None = None

    @property
    def warnings(self) -> tuple[JobWarning, ...]:
        """Return what a completed job left undone; empty for any other, or if it left nothing.

        Every text that says how complete a sync was comes from here.
        """
        return tuple(_warn(self)) if self.status is JobStatus.COMPLETED else ()

    @property
    def waits_for_process(self) -> bool:
        """Return whether it waits for a process that has what those that looked at it lack."""
        return self.status is JobStatus.PENDING and self.error_category in _HOLDING

    @property
    def began_at(self) -> datetime | None:
        """Return when it started or, before that, when it was queued, as far as that is known."""
        return self.started_at or self.created_at

    @property
    def entities_read(self) -> int:
        """Return how many entities were read, so that search can find them."""
        return self.entities_inserted + self.entities_updated + self.entities_unchanged

    @property
    def entities_processed(self) -> int:
        """Return how many entities were dealt with so far, without deletions."""
        return self.entities_read + self.entities_skipped + self.entities_failed


def shortfall_of(job: Job) -> str:
    """Say in a phrase what a completed job left undone; empty if it knows of nothing."""
    return ", ".join(warning.message for warning in job.warnings)


def _warn(job: Job) -> Iterator[JobWarning]:
    kinds, listed = WarningKind, job.entities_processed
    failed, skipped, held = job.entities_failed, job.entities_skipped, job.deletions_held
    nothing = job.full_sync and not job.entities_read
    # No full sync deletes everything before somebody has agreed to it.
    known = held or job.entities_deleted
    counted = (
        (
            kinds.GAPS,
            job.incomplete,
            "its listing had gaps, so there may be more than it saw",
            True,
        ),
        (kinds.FAILED, failed, f"{failed} of what it listed could not be read", True),
        (
            kinds.SKIPPED,
            skipped,
            f"{skipped} of what it listed {agree(skipped, 'was', 'were')} skipped",
            2 * skipped > listed,
        ),
        (kinds.NOTHING_READ, nothing, "it read nothing", not known),
        # What is held is attention of its own, for as long as it is held.
        (kinds.DELETIONS_HELD, held, describe_held(held), False),
    )
    for kind, applies, message, needs_somebody in counted:
        if applies:
            why = tuple(each for each in job.findings if each.kind == kind.value)
            yield JobWarning(
                kind=kind, message=message, findings=why, needs_somebody=needs_somebody
            )
    stored = job.entities_inserted + job.entities_updated
    for found in job.findings:
        if found.kind not in (FindingKind.SKIPPED, FindingKind.FAILED):
            yield JobWarning(
                kind=WarningKind(found.kind.value),
                message=describe(found),
                findings=(found,),
                needs_somebody=found.kind is FindingKind.LIMIT
                or (found.kind is FindingKind.EMPTY and 2 * (found.count or 0) > stored),
            )


def describe(found: Finding) -> str:
    """Say in a phrase what was left out, or is empty; not for what was skipped or failed."""
    count = found.count or 0
    limit = found.reason if _SETTING.fullmatch(found.reason) else "a limit"
    match found.kind:
        case FindingKind.EMPTY:
            return f"{count} of what it stored {agree(count, 'has', 'have')} no text"
        case FindingKind.DEAD_LINKS:
            some = f"{count} of the links that it followed {agree(count, 'leads', 'lead')}"
            known = some if found.count is not None else "links that it followed lead"
            return f"{known} to nothing (404 or 410)"
        case FindingKind.OLDER:
            return f"{limit} was reached, and what is older was left out"
        case _:
            more = "there is more"
            if found.count is not None:
                more = f"at least {count} more {agree(count, 'is', 'are')}"
            return f"{limit} was reached, and {more} beyond it"


def describe_held(count: int) -> str:
    """Say in a phrase that so many deletions wait for somebody's word."""
    return f"{quantity(count, 'deletion')} {agree(count, 'is', 'are')} held"


def diagnose(job: Job) -> Diagnosis | None:
    """Explain why a job failed or waits for a process, or return None for any other."""
    if job.status is not JobStatus.FAILED and not job.waits_for_process:
        return None
    if job.error_category is None:
        return Diagnosis(
            category=None,
            likely_cause="The API that ran the sync gives no cause but the error in the log.",
            next_step=f"Read the log, then run_sync(connection_id='{job.source_connection_id}').",
        )
    return diagnosis_of(job.error_category, job.source_connection_id)


def diagnosis_of(category: ErrorCategory, connection_id: str) -> Diagnosis:
    """Explain a failure of that category for a connection."""
    cause, step = _DIAGNOSES[category]
    return Diagnosis(
        category=category, likely_cause=cause, next_step=step.format(connection=connection_id)
    )


_REAUTHORIZE = "Call authorize_connection(connection_id='{connection}'), then run_sync."
_DIAGNOSES: dict[ErrorCategory, tuple[str, str]] = {
    ErrorCategory.OAUTH_CREDENTIALS_EXPIRED: (
        "The OAuth grant expired or was revoked at the source.",
        _REAUTHORIZE,
    ),
    ErrorCategory.API_KEY_INVALID: (
        "The source refused the stored credentials: they were revoked, expired or mistyped.",
        _REAUTHORIZE,
    ),
    ErrorCategory.AUTH_PROVIDER_ACCOUNT_GONE: (
        "The auth provider no longer has the connected account.",
        "Reconnect the account at the provider, then run_sync(connection_id='{connection}').",
    ),
    ErrorCategory.AUTH_PROVIDER_CREDENTIALS_INVALID: (
        "The auth provider refused Weft's own key for it.",
        "Ask the operator to renew the auth provider's key, then run_sync.",
    ),
    ErrorCategory.ACCESS_DENIED: (
        "Weft, or the credential it has, is not allowed to read what the configuration names.",
        (
            "Give it access at the source, or call "
            "update_connection(connection_id='{connection}', config={{...}}), then run_sync."
        ),
    ),
    ErrorCategory.CONFIG_INVALID: (
        "The configuration names something that does not exist or cannot be read.",
        "Call update_connection(connection_id='{connection}', config={{...}}), then run_sync.",
    ),
    ErrorCategory.RATE_LIMITED: (
        "The source limits the number of requests and the limit is used up.",
        (
            "Wait for the limit to reset, then run_sync(connection_id='{connection}'); "
            "what was synced is kept."
        ),
    ),
    ErrorCategory.SOURCE_UNAVAILABLE: (
        "The network or the source failed while it was being read.",
        "Try run_sync(connection_id='{connection}') again; what was synced is kept.",
    ),
    ErrorCategory.STORAGE_FAILED: (
        "The local database could not be written, most often because the disk is full.",
        "Ask the operator to run `weft doctor` and free space, then run_sync.",
    ),
    ErrorCategory.KEY_UNAVAILABLE: (
        "The master key that opens the stored credentials is missing or cannot be read.",
        (
            "Ask the operator to run `weft doctor` and restore the key: a job that waits then "
            "starts by itself, else run_sync(connection_id='{connection}'). Credentials are kept."
        ),
    ),
    ErrorCategory.NO_PROCESS: (
        "No Weft process that runs now has what the sync needs: each client has its own settings.",
        (
            "Ask the user or the operator to open the client that has it, or to change the setting "
            "and restart it: the job then starts by itself. cancel_job gives it up."
        ),
    ),
    ErrorCategory.PUSH_UNFINISHED: (
        "Whoever pushed did not end the push, or the Weft process that took it ended.",
        "Have all of it pushed to connection {connection} again: what is there stays as it is.",
    ),
    ErrorCategory.INTERNAL: (
        "Weft itself failed; the server's log on stderr has the details under this job id.",
        "Try run_sync(connection_id='{connection}') once; if it fails again, report a bug.",
    ),
}
