"""Schedules as text: when a connection syncs by itself, in the time zone that people mean."""

from datetime import datetime

from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.pushing import INGEST
from weft.domain.schedules import Schedule, localize
from weft.server.render.structured import timestamp
from weft.server.render.untrusted import one_line


def schedule_text(connection: Connection) -> str:
    """Render a connection's schedule as a phrase."""
    schedule = connection.schedule
    is_told = "schedule" in connection.model_fields_set
    if not is_told and connection.status is ConnectionStatus.PENDING_AUTH:
        return "what the API chooses once the connection is authorised, most often daily"
    if connection.short_name == INGEST:
        return "none, it holds what is pushed to it"
    if schedule is None or not (schedule.continuous or schedule.cron):
        return "none, syncs only when run_sync is called"
    parts = (
        ["continuous"] if schedule.continuous else [f"cron '{schedule.cron}'", schedule.timezone]
    )
    if schedule.cursor_field:
        parts.append(f"cursor field {one_line(schedule.cursor_field)}")
    return ", ".join([*parts, *upcoming_text(connection)])


def upcoming_text(connection: Connection) -> list[str]:
    """Say whether the schedule is paused, and when it runs next; empty if neither."""
    schedule, job = connection.schedule, connection.sync.last_job
    if schedule is None:
        return []
    said: list[str] = []
    if schedule.paused_until:
        said.append(f"paused until {_zoned_text(schedule, schedule.paused_until)}")
    elif schedule.paused:
        said.append("paused until update_connection with schedule={'paused': false}")
    if schedule.next_run:
        waits = job is not None and not job.status.is_terminal
        after = ", or once the present sync has ended" if waits else ""
        said.append(f"next run {_zoned_text(schedule, schedule.next_run)}{after}")
    return said


def _zoned_text(schedule: Schedule, moment: datetime) -> str:
    """Render a time in the schedule's zone, and in UTC."""
    if schedule.timezone == "UTC":
        return timestamp(moment)
    local = localize(moment, schedule.timezone)
    return f"{local:%Y-%m-%d %H:%M} {schedule.timezone} ({timestamp(moment)})"
