"""The things about a connection that need somebody, each with the call that settles it."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from weft.domain.base import Frozen
from weft.domain.jobs import (
    Job,
    JobStatus,
    WarningKind,
    describe_held,
    diagnose,
    diagnosis_of,
)
from weft.domain.pushing import HOW_TO_APPLY
from weft.errors import ErrorCategory


class DeletionHold(Frozen):
    """Deletions that the last full listing asked for and that wait for somebody's word.

    ``everything`` says that nothing would be left. ``names`` are the source's ids of a few of the
    entities: untrusted text, which no dump of this object contains.
    """

    count: int
    everything: bool = False
    job_id: str
    held_at: datetime
    names: tuple[str, ...] = Field(default=(), exclude=True)


class AttentionKind(StrEnum):
    """The reason why a connection needs somebody."""

    AUTHORIZATION = "authorization"
    SYNC_FAILED = "sync_failed"
    SYNC_FELL_SHORT = "sync_fell_short"
    DELETIONS_HELD = "deletions_held"
    WAITS_FOR_PROCESS = "waits_for_process"


class Attention(Frozen):
    """Something about a connection that needs somebody, and the call that settles it."""

    kind: AttentionKind
    message: str
    next_step: str


def ask_to_authorize(connection_id: str, *, was_refused: bool) -> Attention:
    """Say that somebody has to give a connection its credentials, for the first time or anew."""
    first = "It cannot sync until somebody has authorised it."
    return Attention(
        kind=AttentionKind.AUTHORIZATION,
        message="The source no longer accepts its credentials." if was_refused else first,
        next_step=(
            f"authorize_connection(connection_id='{connection_id}') gives a link for the user."
        ),
    )


def explain_failure(
    connection_id: str, message: str | None, category: ErrorCategory | None
) -> Attention:
    """Say why a connection's last sync or check failed."""
    step = f"run_sync(connection_id='{connection_id}') tries again."
    return Attention(
        kind=AttentionKind.SYNC_FAILED,
        message=message or "Its last sync failed.",
        next_step=diagnosis_of(category, connection_id).next_step if category else step,
    )


def judge_last_job(job: Job, *, is_empty: bool, was_emptied: bool) -> Iterator[Attention]:
    """Say what a connection's last job leaves to somebody.

    ``is_empty``: the connection holds nothing; ``was_emptied``: though it did.
    """
    if job.waits_for_process and (found := diagnose(job)):
        yield Attention(
            kind=AttentionKind.WAITS_FOR_PROCESS,
            message=job.error or found.likely_cause,
            next_step=found.next_step,
        )
    # Only a remote API, which does not tell full_sync, deletes everything before somebody agrees.
    is_agreed = job.full_sync is not None and (was_emptied or job.entities_deleted > 0)
    serious = [
        warning
        for warning in job.warnings
        if warning.needs_somebody and not (is_agreed and warning.kind is WarningKind.NOTHING_READ)
    ]
    phrases = [warning.message for warning in serious]
    is_ended = job.status is JobStatus.COMPLETED and not job.entities_read
    if is_ended and is_empty and not job.full_sync and not is_agreed:
        phrases.append("nothing of it is stored")
    if not phrases:
        return
    steps = [f"get_job(job_id='{job.id}', log_lines=100) says more."]
    if any(warning.kind is WarningKind.LIMIT for warning in serious):
        steps.append(
            "A limit is raised by update_connection("
            f"connection_id='{job.source_connection_id}', config={{...}}), then run_sync."
        )
    yield Attention(
        kind=AttentionKind.SYNC_FELL_SHORT,
        message=f"Its last sync has ended, but {', '.join(phrases)}.",
        next_step=" ".join(steps),
    )


def ask_about_deletions(hold: DeletionHold, connection_id: str, *, pushed: bool) -> Attention:
    """Say what is held, and how it is applied or ended; ``pushed``: by a push, not a sync."""
    what = "nothing would be left" if hold.everything else "a sync makes no more than a share"
    return Attention(
        kind=AttentionKind.DELETIONS_HELD,
        message=(
            f"{describe_held(hold.count)}, because {what} without somebody's word; "
            "search still finds them."
        ),
        next_step=HOW_TO_APPLY
        if pushed
        else (
            "If they should go, run_sync(connection_id="
            f"'{connection_id}', apply_deletions=true) shows them and asks first. "
            "If not, mend the source or the config: a sync that sees them again ends this."
        ),
    )
