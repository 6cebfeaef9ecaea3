"""`weft pause` and `weft resume`: keep a schedule, and run nothing by it."""

from datetime import datetime

import click

from weft.cli.terminal.completion import complete_connection
from weft.cli.terminal.context import App, json_option, pass_app, show
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.text import plain
from weft.cli.verbs.connections.fields import schedule_line
from weft.domain.connections import ConnectionChange
from weft.domain.schedules import ScheduleSpec


@click.command(cls=Verb)
@click.argument("name", shell_complete=complete_connection)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    help="Resume by itself then, in the schedule's time zone.",
)
@json_option
@pass_app
def pause(app: App, name: str, until: datetime | None) -> None:
    """Pause the schedule of the connection NAME; `weft sync` still works."""
    _change(app, name, ScheduleSpec(paused=True, paused_until=until))


@click.command(cls=Verb)
@click.argument("name", shell_complete=complete_connection)
@json_option
@pass_app
def resume(app: App, name: str) -> None:
    """Let the paused schedule of the connection NAME go on."""
    _change(app, name, ScheduleSpec(paused=False))


def _change(app: App, name: str, spec: ScheduleSpec) -> None:
    change = ConnectionChange(schedule=spec)
    changed = app.run(lambda backend: backend.connections.update(name, change))
    show(app, changed, f"'{plain(changed.name)}': {schedule_line(changed)}.")
