"""Refuses what Airweave would accept, answer with success, and not keep."""

from weft.domain.base import Json
from weft.domain.connections import Connection, ConnectionChange, ConnectionStatus
from weft.domain.schedules import ScheduleSpec, validate_timezone
from weft.domain.sources import SourceInfo
from weft.errors import Conflict, InvalidInput, Unsupported


def refuse_unkept(source: SourceInfo, config: Json | None, schedule: ScheduleSpec | None) -> None:
    """Refuse fields of ``config`` that the source does not have, and schedules beyond Airweave."""
    known = [field.name for field in source.config_fields]
    if any(name not in known for name, value in (config or {}).items() if value is not None):
        there = ", ".join(known) or "none"
        raise InvalidInput(
            f"config has an unknown field; '{source.short_name}' has: {there}.",
            field="config",
            hint="get_source describes them.",
        )
    if schedule is None or schedule.is_none:
        return
    if source.federated_search:
        raise Unsupported(
            f"'{source.short_name}' is searched live and never synced, so it has no schedule.",
            field="schedule",
            hint="Leave schedule out.",
        )
    if schedule.timezone and validate_timezone(schedule.timezone) != "UTC":
        raise Unsupported(
            "The Airweave API reads cron in UTC only.",
            field="schedule.timezone",
            hint="Leave schedule.timezone out and give schedule.cron in UTC.",
        )
    if schedule.paused or schedule.paused_until:
        raise Unsupported(
            "The Airweave API cannot pause a schedule.",
            field="schedule.paused",
            hint="Note its cron, remove it with schedule={} and give it again later.",
        )
    if schedule.cursor_field is not None:
        raise InvalidInput(
            "The Airweave API keeps no cursor field.",
            field="schedule.cursor_field",
            hint="Leave it out: the source chooses its own.",
        )


def refuse_move(found: Connection, change: ConnectionChange) -> None:
    """Refuse another collection, which Airweave would ignore and answer with success."""
    if change.readable_collection_id not in (None, found.readable_collection_id):
        raise Unsupported(
            "The Airweave API cannot move a connection to another collection.",
            field="readable_collection_id",
            hint="Create it anew there with create_connection, which syncs everything again; then "
            f"delete_connection(connection_id='{found.id}') removes this one. Or leave it, and "
            "search both collections.",
        )


def refuse_early_schedule(found: Connection, change: ConnectionChange) -> None:
    """Refuse a schedule for a connection that is not authorised yet."""
    if change.schedule is not None and found.status is ConnectionStatus.PENDING_AUTH:
        raise Conflict(
            "The Airweave API keeps no schedule for a connection before it is authorised.",
            field="schedule",
            hint=f"Call authorize_connection(connection_id='{found.id}') for a link, and set the "
            "schedule when the user is done.",
        )
