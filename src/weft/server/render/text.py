"""Domain objects as short, complete text for the model."""

import json
from collections.abc import Collection, Iterable

from weft.domain.attention import AttentionKind
from weft.domain.connections import AuthMethod, Connection, ConnectionStatus, ConnectionTotals
from weft.domain.jobs import (
    Diagnosis,
    Job,
    JobStatus,
    LogLine,
    WarningKind,
    diagnose,
    diagnosis_of,
    shortfall_of,
)
from weft.domain.pushing import INGEST, how_to_push
from weft.domain.text.words import agree, embedded_so_far, quantity
from weft.errors import ErrorCategory
from weft.server.render.schedules import schedule_text, upcoming_text
from weft.server.render.size import wire_bytes
from weft.server.render.structured import REASON_MAX_CHARS, REASONS_MAX, timestamp
from weft.server.render.untrusted import label_untrusted, one_line

_CONFIG_SHOWN_MAX_CHARS = 4000
_LOG_LINE_MAX_CHARS = 400
_LOG_MAX_CHARS = 10_000
# Our link does not help if the auth provider has lost or refuses the account.
_AT_AUTH_PROVIDER = (
    ErrorCategory.AUTH_PROVIDER_ACCOUNT_GONE,
    ErrorCategory.AUTH_PROVIDER_CREDENTIALS_INVALID,
)
# `next_step_of` tells these in full.
_TOLD_BY_NEXT = (AttentionKind.AUTHORIZATION, AttentionKind.SYNC_FAILED)
# json.dumps with options would make an encoder at each call, which costs more than encoding.
_JSON = json.JSONEncoder(ensure_ascii=False)


def connection_text(connection: Connection) -> str:
    """Render a connection in full; `next_step_of` says what it needs next."""
    lines = [
        (
            f"Connection '{one_line(connection.name)}' ({connection.short_name}) "
            f"is {connection.status.value}."
        ),
        *(
            ["draft: it gets another id when it is created, and this one goes on naming it"]
            if connection.is_draft
            else []
        ),
        f"id: {connection.id} (version {connection.version})",
        f"collection: {connection.readable_collection_id}",
    ]
    if connection.description:
        lines.append(f"description: {one_line(connection.description)}")
    lines += [
        _auth_line(connection),
        f"config: {_config_text(connection)}",
        *(
            ["sync: none, every search of its collection asks the source itself"]
            if connection.federated_search
            else [
                f"schedule: {schedule_text(connection)}",
                _history_line(connection),
                _entities_line(connection),
            ]
        ),
    ]
    if connection.sync.last_job:
        lines.append(f"last job: {job_line(connection.sync.last_job)}")
    if connection.error_message:
        lines.append(f"error: {one_line(connection.error_message)}")
    if connection.provider_settings_url:
        lines.append(f"provider settings: {connection.provider_settings_url}")
    return "\n".join(lines + _attention_lines(connection, but=_TOLD_BY_NEXT))


def connection_line(connection: Connection) -> str:
    """Render a connection as one line of a list."""
    parts = [
        f"'{one_line(connection.name)}' {connection.id}",
        f"{connection.short_name} → {connection.readable_collection_id}",
        connection.status.value,
        "searched live"
        if connection.federated_search
        else quantity(connection.entities.total_entities, "entity"),
    ]
    last = connection.sync.last_job
    if last:
        parts.append(f"last job {last.id} {_outcome_text(last)}")
    parts += upcoming_text(connection)
    return "\n  ".join(["- " + ", ".join(parts), *_attention_lines(connection)])


def totals_text(totals: ConnectionTotals, collection: str | None, short_name: str | None) -> str:
    """Say how much there is in all, of which a page is a part."""
    scope = (" of this source" if short_name else "") + (
        " in this collection" if collection else ""
    )
    counted = f"{quantity(totals.connections, 'connection')} with"
    needing = f"{'at least ' if totals.attention_is_partial else ''}{totals.needs_attention}"
    parts = [
        f"In all{scope}: {'at least ' if totals.is_partial else ''}{counted}",
        f"{quantity(totals.entities, 'entity')}, {totals.syncing} syncing,",
        f"{needing} {'needs' if totals.needs_attention == 1 else 'need'} attention.",
    ]
    return " ".join(parts)


def _attention_lines(connection: Connection, *, but: Collection[AttentionKind] = ()) -> list[str]:
    return [
        f"needs attention: {one_line(each.message)} {each.next_step}"
        for each in connection.attention
        if each.kind not in but
    ]


def _outcome_text(job: Job) -> str:
    """Say how and when a job ended, and what it left undone."""
    at = job.completed_at or job.began_at
    when = f" {timestamp(at)}" if at else ""
    missing = shortfall_of(job) or (one_line(job.error) if job.error else "")
    return f"{job.status.value}{when}{f' ({missing})' if missing else ''}"


def next_step_of(connection: Connection) -> str:
    """Return what has to happen next; empty when nothing has."""
    last = connection.sync.last_job
    found = diagnose(last) if last and connection.status is ConnectionStatus.ERROR else None
    if last and found:
        return f"{found.next_step} The log is in get_job(job_id='{last.id}')."
    return " ".join(_next_steps(connection))


def _next_steps(connection: Connection) -> list[str]:
    if connection.auth.auth_url:
        until = connection.auth.auth_url_expires
        expiry = f", until {timestamp(until)}" if until else ""
        return [
            (
                f"To authorise it, ask the user to open {connection.auth.auth_url} (works once"
                f"{expiry}), then call get_connection(connection_id='{connection.id}')."
            )
        ]
    last = connection.sync.last_job
    if connection.status is ConnectionStatus.ACTIVE and last and last.status is JobStatus.FAILED:
        return [
            (
                "It was changed, authorised or checked since its last sync failed: call "
                f"run_sync(connection_id='{connection.id}')."
            )
        ]
    if connection.status is ConnectionStatus.ACTIVE and last and _was_cancelled_early(last):
        return [
            (
                "Its last sync was cancelled before it began: "
                f"run_sync(connection_id='{connection.id}') starts another."
            )
        ]
    if _never_synced(connection) and connection.short_name == INGEST:
        return [f"Nothing was pushed to it yet. {how_to_push(connection.id)}"]
    if _never_synced(connection):
        return [f"It has not synced yet: run_sync(connection_id='{connection.id}') starts it now."]
    if connection.status not in (ConnectionStatus.PENDING_AUTH, ConnectionStatus.NEEDS_REAUTH):
        return []
    return [f"It cannot sync until it is authorised: {_authorise_text(connection)}"]


def job_line(job: Job, *, named: bool = False) -> str:
    """Render a job as one line; ``named`` adds its connection, if nothing else names that."""
    whose = f" of connection {_connection_of(job)}" if named else ""
    cause = f" ({job.trigger.value})" if job.trigger else ""
    parts = [f"{job.id} {job.status.value}{cause}{whose}", counts(job)]
    if job.completed_at:
        parts.append(f"ended {timestamp(job.completed_at)}")
    elif job.started_at:
        parts.append(f"started {timestamp(job.started_at)}")
    elif job.created_at:
        parts.append(f"queued {timestamp(job.created_at)}")
    if job.error:
        parts.append(f"error: {one_line(job.error)}")
    if missing := shortfall_of(job):
        parts.append(f"but {missing}")
    return ", ".join(parts)


def _connection_of(job: Job) -> str:
    name = f"'{one_line(job.connection_name)}' " if job.connection_name else ""
    return f"{name}{job.source_connection_id}"


def job_text(job: Job) -> str:
    """Render a job in full."""
    lines = [
        f"Job {job.id} is {job.status.value}.",
        f"connection: {_connection_of(job) or 'not told by the API'}",
        *_origin_lines(job),
        f"entities: {counts(job)}",
    ]
    if job.error:
        lines.append(f"error: {one_line(job.error)}")
    if job.error_details:
        lines.append(f"details: {one_line(job.error_details)}")
    lines += [f"warning: {warning.message}" for warning in job.warnings]
    reasons = _reason_lines(job)
    if reasons:
        lines.append(label_untrusted("\n".join(reasons), "the source's reasons"))
    return "\n".join(lines)


def _reason_lines(job: Job) -> list[str]:
    return [
        f"{found.kind.value}, {found.count}: {one_line(found.reason, REASON_MAX_CHARS)}"
        for warning in job.warnings
        if warning.kind in (WarningKind.SKIPPED, WarningKind.FAILED)
        for found in warning.findings[:REASONS_MAX]
    ]


def counts(job: Job) -> str:
    """Render the counts of a job's entities, leaving zeros out."""
    named = (
        ("inserted", job.entities_inserted),
        ("updated", job.entities_updated),
        ("deleted", job.entities_deleted),
        ("unchanged", job.entities_unchanged),
        ("skipped", job.entities_skipped),
        ("failed", job.entities_failed),
        (f"{agree(job.deletions_held, 'deletion', 'deletions')} held", job.deletions_held),
    )
    said = ", ".join(f"{count} {name}" for name, count in named if count) or _no_counts(job)
    if job.entities_total is not None and not job.status.is_terminal:
        return f"{job.entities_processed} of {job.entities_total} processed ({said})"
    return said


def job_next_step(job: Job) -> str:
    """Return what to do next about a job that has not failed; a failed one has a diagnosis."""
    if job.status is JobStatus.COMPLETED:
        missing = shortfall_of(job)
        if not missing:
            stored = job.entities_inserted + job.entities_updated
            found = "search finds what it read" if stored else "it found nothing new"
            return f"The sync has ended; {found}."
        log = f"get_job(job_id='{job.id}', log_lines=100)"
        if job.deletions_held:
            log = f"get_connection(connection_id='{job.source_connection_id}')"
            return f"The sync has ended, but {missing}: {log} says what to do."
        if job.full_sync is None:
            return f"The sync has ended, but {missing}; the API that ran it does not say more."
        unread = job.entities_skipped + job.entities_failed
        names = f", list_entities(job_id='{job.id}', change='any') names them" if unread else ""
        return f"The sync has ended, but {missing}: the log in {log} says more{names}."
    if job.status is JobStatus.CANCELLED:
        return "What was committed before the cancellation is kept."
    if job.status is JobStatus.CANCELLING:
        return f"It is stopping: get_job(job_id='{job.id}', wait_seconds=45) tells when it has."
    return (
        f"It goes on in the background: follow it with get_job(job_id='{job.id}', "
        f"wait_seconds=45) or stop it with cancel_job(job_id='{job.id}')."
    )


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """Say in two lines why a job failed or waits for a process, and what to do."""
    return (
        f"diagnosis: {diagnosis.category or 'unknown'}. {diagnosis.likely_cause}\n"
        f"next step: {diagnosis.next_step}"
    )


def log_tail(lines: Iterable[LogLine]) -> list[dict[str, str]]:
    """Return as many of the last lines as fit, cleaned."""
    shown: list[dict[str, str]] = []
    room = _LOG_MAX_CHARS
    for line in reversed(list(lines)):
        message = one_line(line.message, _LOG_LINE_MAX_CHARS)
        # What takes many bytes on the wire counts as longer: a result shows each line twice.
        room -= max(len(message), wire_bytes(message) // 2)
        if room < 0:
            break
        shown.append({"at": timestamp(line.at), "level": line.level, "message": message})
    return shown[::-1]


def older_log_step(job_id: str, passed: int) -> str:
    """Say how to read on in a log, whose newest ``passed`` lines are known."""
    return f"Older lines: get_job(job_id='{job_id}', log_lines=100, log_skip={passed})."


def log_text(shown: list[dict[str, str]], asked: int, skipped: int = 0) -> str:
    """Render the log tail, labelled because it quotes names that the source chose."""
    before = f" before the newest {skipped}" if skipped else ""
    if not shown:
        return f"log: no lines{before}" if skipped else "log: empty"
    body = "\n".join(f"{line['at']} {line['level']} {line['message']}" for line in shown)
    heading = f"log, last {quantity(len(shown), 'line')}{before} (up to {asked} asked):"
    return f"{heading}\n{label_untrusted(body, 'a log that may quote names from the source')}"


def more_text(next_cursor: str | None) -> list[str]:
    """Say how to get the next page; empty after the last."""
    return [f"There are more: call again with cursor='{next_cursor}'."] if next_cursor else []


def _authorise_text(connection: Connection) -> str:
    category = connection.error_category
    if category is not None and category in _AT_AUTH_PROVIDER:
        return diagnosis_of(category, connection.id).next_step
    token = connection.auth.method is AuthMethod.OAUTH_TOKEN
    other = ", or pass a new token as auth={'oauth_token': {'access_token': ...}}" if token else ""
    return (
        f"call authorize_connection(connection_id='{connection.id}') for a link that the user "
        f"opens{other}. If they have one open, wait until they are done: a new one ends it."
    )


def _was_cancelled_early(job: Job) -> bool:
    return job.status is JobStatus.CANCELLED and job.started_at is None


def _never_synced(connection: Connection) -> bool:
    sync = connection.sync
    began = connection.federated_search or sync.last_job or sync.total_runs
    return connection.status is ConnectionStatus.ACTIVE and not began


def _auth_line(connection: Connection) -> str:
    auth = connection.auth
    if auth.is_none:
        return "auth: none, it is read without credentials"
    state = "authenticated" if auth.authenticated else "not authenticated"
    if auth.authenticated and connection.status is ConnectionStatus.NEEDS_REAUTH:
        state = "no longer accepted, in use"
    since = f" since {timestamp(auth.authenticated_at)}" if auth.authenticated_at else ""
    expiry = f", expires {timestamp(auth.expires_at)}" if auth.expires_at else ""
    return f"auth: {auth.method.value}, {state}{since}{expiry}"


def _config_text(connection: Connection) -> str:
    if not connection.config:
        return "none"
    return one_line(_JSON.encode(connection.config), _CONFIG_SHOWN_MAX_CHARS)


def _history_line(connection: Connection) -> str:
    sync = connection.sync
    return (
        f"syncs: {sync.total_runs} run, {sync.successful_runs} succeeded, {sync.failed_runs} failed"
    )


def _entities_line(connection: Connection) -> str:
    entities = connection.entities
    kinds = ", ".join(
        f"{one_line(kind, 60)} {summary.count}"
        for kind, summary in list(entities.by_type.items())[:20]
    )
    listed = f" ({kinds})" if kinds else ""
    so_far = embedded_so_far(entities.total_entities, entities.not_embedded)
    return f"entities: {entities.total_entities}{listed}{so_far}"


def _no_counts(job: Job) -> str:
    return "0 processed" if job.status.is_terminal else "none so far"


def _origin_lines(job: Job) -> list[str]:
    """Tell how and when the job came about, as far as that is known."""
    parts: list[str] = []
    if job.full_sync is not None:
        parts.append("full sync" if job.full_sync else "incremental sync")
    if job.trigger:
        parts.append(f"trigger {job.trigger.value}")
    if job.created_at:
        parts.append(f"queued {timestamp(job.created_at)}")
    if job.started_at:
        parts.append(f"started {timestamp(job.started_at)}")
    if job.completed_at:
        parts.append(f"ended {timestamp(job.completed_at)}")
    if job.duration_seconds is not None:
        seconds = job.duration_seconds
        parts.append(f"took {seconds:.1f} s" if seconds >= 0.05 else "took less than 0.1 s")
    return [", ".join(parts)] if parts else []
