"""The fields of a connection: the options that set them, and how a table and a record show them.

A column that is only set and shown needs no change in any other file of the command line.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import click

from weft.cli.terminal.hints import with_verbs
from weft.cli.terminal.text import ago, config_text, job_counts, plain
from weft.domain.connections import AuthDetails, Connection, EntitySummary
from weft.domain.jobs import shortfall_of
from weft.domain.schedules import Schedule, localize

F = TypeVar("F", bound=Callable[..., Any])

COLUMNS = ("name", "source", "collection", "status", "entities", "last sync")
_PLAIN_OPTIONS = {"name": "4 to 42 characters.", "description": "At most 255 characters."}


def plain_options(command: F) -> F:
    """Give a verb an option for each field that is passed on as it was typed."""
    for name, text in reversed(_PLAIN_OPTIONS.items()):
        command = click.option(f"--{name.replace('_', '-')}", name, help=text)(command)
    return command


def plain_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given with `plain_options`."""
    return {name: given[name] for name in _PLAIN_OPTIONS if given[name] is not None}


def cells_of(connection: Connection) -> tuple[str, ...]:
    """Return the row of a connection below `COLUMNS`."""
    return (
        plain(connection.name),
        connection.short_name,
        connection.readable_collection_id,
        f"{connection.status}, needs attention" if connection.attention else connection.status,
        f"{connection.entities.total_entities:,}",
        _last_sync(connection),
    )


def facts_of(connection: Connection) -> list[tuple[str, str]]:
    """Return everything that people may want to know about a connection, as labels with values."""
    auth, runs = connection.auth, connection.sync
    by_type = connection.entities.by_type.items()
    types = ", ".join(f"{summary.count:,} {name}" for name, summary in by_type)
    total = f"{connection.entities.total_entities:,}"
    facts = [
        ("name", connection.name),
        ("id", connection.id),
        ("source", connection.short_name),
        ("collection", connection.readable_collection_id),
        ("status", connection.status),
        ("problem", connection.error_message or ""),
        *(
            ("attention", with_verbs(f"{each.message} {each.next_step}"))
            for each in connection.attention
        ),
        ("description", connection.description or ""),
        ("config", config_text(connection.config)),
        ("authentication", _authentication(auth)),
        ("schedule", schedule_line(connection)),
        ("entities", f"{total} ({types})" if types else total),
        ("embedded", _embedded(connection.entities)),
        ("last sync", _last_sync(connection)),
        ("last counts", job_counts(runs.last_job) if runs.last_job else ""),
        ("left undone", shortfall_of(runs.last_job) if runs.last_job else ""),
        (
            "runs",
            f"{runs.total_runs:,}: {runs.successful_runs:,} completed, {runs.failed_runs:,} failed",
        ),
        ("created", ago(connection.created_at)),
        ("changed", f"{ago(connection.modified_at)} (version {connection.version})"),
    ]
    return [(label, value) for label, value in facts if value]


def _embedded(entities: EntitySummary) -> str:
    if not entities.not_embedded:
        return ""
    done = entities.total_entities - entities.not_embedded
    return f"{done:,} of {entities.total_entities:,} so far; searches find the others by words"


def _authentication(auth: AuthDetails) -> str:
    if auth.is_none:
        return "none, it is read without credentials"
    return f"{auth.method}, {'' if auth.authenticated else 'not '}authenticated"


def _last_sync(connection: Connection) -> str:
    job = connection.sync.last_job
    if job is None:
        return "never"
    return f"{job.status} {ago(job.completed_at or job.began_at)}"


def schedule_line(connection: Connection) -> str:
    """Say when the connection syncs by itself."""
    schedule = connection.schedule
    if schedule is None:
        return "none"
    words = ["continuous"] if schedule.continuous else []
    if schedule.cron:
        words.append(f"{schedule.cron} ({schedule.timezone})")
    if schedule.paused:
        until = schedule.paused_until
        words.append(f"paused until {_zoned(until, schedule)}" if until else "paused")
    if schedule.next_run:
        job = connection.sync.last_job
        waits = job is not None and not job.status.is_terminal
        after = ", or after the present sync" if waits else ""
        words.append(f"next {_zoned(schedule.next_run, schedule)}{after}")
    return ", ".join(words) or "none"


def _zoned(moment: datetime, schedule: Schedule) -> str:
    text = f"{moment:%Y-%m-%d %H:%M} UTC"
    if schedule.timezone == "UTC":
        return text
    return f"{localize(moment, schedule.timezone):%Y-%m-%d %H:%M} {schedule.timezone} ({text})"
