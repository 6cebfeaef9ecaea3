"""`weft audit`: the record of changes."""

import re
from datetime import UTC, datetime, timedelta

import click

from weft.cli.terminal.context import App, json_option, pass_app
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.listing import show_all, tell_side
from weft.cli.terminal.text import SHORT_ID_CHARS, ago, plain
from weft.domain.access.audit import DONE, AuditEntry
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.errors import InvalidInput

_AGE = re.compile(r"([0-9]{1,5})(min|h|d)")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}


@click.command("audit", cls=Verb)
@click.option(
    "--connection", metavar="NAME", help="Only one connection, by name or id, even a deleted one."
)
@click.option("--since", metavar="WHEN", help="An age (30min, 12h, 7d) or a date (2026-11-01).")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many at most, newest first.",
)
@json_option
@pass_app
def audit(app: App, connection: str | None, since: str | None, limit: int) -> None:
    """Show what was changed, by whom and by which tool, route or verb; no values are recorded."""
    # Imported here because help and usage errors need no database.
    from weft.assembly.operator import open_audit

    tell_side(app)
    moment = None if since is None else _parse_moment(since)
    found = app.run_with(
        open_audit,
        lambda recorded: recorded.list(
            organization_id=LOCAL_ORGANIZATION_ID, connection=connection, since=moment, limit=limit
        ),
    )
    show_all(
        app,
        found,
        lambda entry: entry.model_dump(mode="json"),
        _cells,
        columns=("when", "who", "by", "what", "target"),
        wide=("target",),
        none="No changes are recorded.",
    )


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    return (
        ago(entry.at),
        plain(f"{entry.principal} ({entry.transport})"),
        plain(entry.operation),
        _action(entry),
        plain(f"{entry.target_kind} {_short(entry.target_id)}"),
    )


def _action(entry: AuditEntry) -> str:
    # In 80 columns the longest action would wrap.
    action = entry.action.replace("authorization", "auth")
    return action if entry.outcome == DONE else plain(f"{action}: {entry.outcome}")


def _short(target_id: str) -> str:
    # A whole id would wrap to three lines, and verbs take the beginning of one.
    return target_id[:SHORT_ID_CHARS] if _UUID.fullmatch(target_id) else target_id


def _parse_moment(text: str) -> datetime:
    age = _AGE.fullmatch(text.strip())
    if age is not None:
        return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(
            "--since is neither an age nor a date.",
            field="since",
            hint="For example 30min, 12h, 7d, 2026-11-01 or 2026-11-01T08:00:00Z.",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
