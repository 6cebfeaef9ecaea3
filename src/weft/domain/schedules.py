"""Schedules: the times when a connection syncs by itself."""

import zoneinfo
from datetime import datetime, timedelta
from functools import lru_cache

from cronsim import CronSim, CronSimError

from weft.domain.base import Frozen
from weft.errors import InvalidInput

CONTINUOUS_INTERVAL = timedelta(minutes=5)
_CRON_FIELDS = 5
_CRON_HINT = "Use five fields: minute hour day month weekday, e.g. '0 2 * * *' (daily at 02:00)."


class ScheduleSpec(Frozen):
    """A requested schedule; only the fields that are set change anything.

    ``cron`` has five fields, read in ``timezone`` (an IANA name, default UTC).
    """

    cron: str | None = None
    timezone: str | None = None
    continuous: bool | None = None
    cursor_field: str | None = None

    @property
    def is_none(self) -> bool:
        """Return whether it asks for no schedule: it has no values."""
        return not self.model_dump(exclude_none=True)


class Schedule(Frozen):
    """A connection's schedule as it stands, with the next time it is due (UTC)."""

    cron: str | None = None
    timezone: str = "UTC"
    next_run: datetime | None = None
    continuous: bool = False
    cursor_field: str | None = None
    cursor_value: str | None = None


def merge_schedule(spec: ScheduleSpec, base: Schedule | None) -> Schedule | None:
    """Validate ``spec`` and merge it into ``base``; a spec without values means no schedule.

    A cron ends continuous syncing, and continuous syncing ends a cron. Raises InvalidInput for both
    at once, for neither, and for an invalid cron or time zone.
    """
    if spec.is_none:
        return None
    given = spec.model_dump(include=spec.model_fields_set)
    if given.get("cron") and given.get("continuous"):
        raise InvalidInput(
            "schedule.cron and schedule.continuous: true exclude each other.",
            field="schedule",
            hint="Give cron to sync at set times, or continuous: true to sync every few minutes.",
        )
    merged = (base or Schedule()).model_dump(include=set(ScheduleSpec.model_fields))
    if given.get("cron"):
        merged["continuous"] = False
    elif given.get("continuous"):
        merged["cron"] = None
    merged |= given
    cron, continuous = merged["cron"], bool(merged["continuous"])
    if not cron and not continuous:
        raise InvalidInput(
            "schedule needs cron or continuous.",
            field="schedule",
            hint="For example {'cron': '0 2 * * *'} for daily at 02:00 UTC.",
        )
    return Schedule(
        cron=validate_cron(cron) if cron else None,
        timezone=validate_timezone(merged["timezone"] or "UTC"),
        continuous=continuous,
        cursor_field=merged["cursor_field"],
    )


def validate_cron(cron: str) -> str:
    """Return ``cron`` with single spaces between its five fields.

    Raises InvalidInput for anything else, including dates that never come (30 February).
    """
    fields = cron.split()
    if len(fields) != _CRON_FIELDS:
        raise InvalidInput(
            f"schedule.cron has {len(fields)} fields instead of {_CRON_FIELDS}.",
            field="schedule.cron",
            hint=_CRON_HINT,
        )
    text = " ".join(fields)
    try:
        next(CronSim(text, datetime(2024, 1, 1)))
    except (CronSimError, StopIteration):
        raise InvalidInput(
            "schedule.cron is not a cron expression that ever fires.",
            field="schedule.cron",
            hint=_CRON_HINT,
        ) from None
    return text


def validate_timezone(name: str) -> str:
    """Return ``name`` if it is an IANA time zone. Raises InvalidInput otherwise."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            "schedule.timezone is not an IANA time zone.",
            field="schedule.timezone",
            hint="Use a name like 'Europe/Berlin', or leave it out for UTC.",
        ) from None
    return name


def next_run(
    schedule: Schedule, *, after: datetime, last_start: datetime | None
) -> datetime | None:
    """Return the next time (UTC) after ``after`` at which ``schedule`` is due, if there is one.

    A continuous connection is due CONTINUOUS_INTERVAL after its last start.
    """
    if schedule.continuous:
        due = after if last_start is None else last_start + CONTINUOUS_INTERVAL
        return max(due, after)
    if schedule.cron is None:
        return None
    return _next_slot(schedule.cron, schedule.timezone, after.replace(second=0, microsecond=0))


@lru_cache(maxsize=4096)
def _next_slot(cron: str, timezone: str, after_minute: datetime) -> datetime:
    # Cached because a list of connections asks for the same few expressions within a minute.
    local = after_minute.astimezone(zoneinfo.ZoneInfo(timezone))
    slots = (slot.astimezone(zoneinfo.ZoneInfo("UTC")) for slot in CronSim(cron, local))
    # When clocks go back, cronsim gives the first of the two equal hours even during the second.
    return next(slot for slot in slots if slot > after_minute)
