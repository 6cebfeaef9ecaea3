"""Schedules: the times when a connection syncs by itself."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import not_
from typing import Any, Final

from cronsim import CronSim, CronSimError
from pydantic import Field

from weft.domain.base import Frozen
from weft.errors import InvalidInput

CONTINUOUS_INTERVAL = timedelta(minutes=5)
PAUSE_MAX: Final = timedelta(days=3660)
_CRON_FIELDS = 5
_PAUSE_FIELDS = frozenset({"paused", "paused_until"})
_INSTANT = timedelta(microseconds=1)
_CRON_HINT = "Use five fields: minute hour day month weekday, e.g. '0 2 * * *' (daily at 02:00)."


def _without_format(schema: dict[str, Any]) -> None:
    # A client that checks formats would refuse a date without a time.
    for variant in schema.get("anyOf", ()):
        variant.pop("format", None)


class ScheduleSpec(Frozen):
    """A requested schedule; only the fields that are set change anything.

    ``cron`` has five fields, read in ``timezone`` (an IANA name): a cron that comes without one is
    in UTC, whatever was set before. ``paused_until`` is read in the schedule's time zone unless it
    names its own; with ``paused`` alone the pause lasts until ``paused`` is false.
    """

    cron: str | None = None
    timezone: str | None = None
    continuous: bool | None = None
    cursor_field: str | None = None
    paused: bool | None = None
    paused_until: datetime | None = Field(default=None, json_schema_extra=_without_format)

    @property
    def is_none(self) -> bool:
        """Return whether it asks for no schedule: it has no values."""
        return not self.model_dump(exclude_none=True)


class Schedule(Frozen):
    """A connection's schedule as it stands, with the next time it is due (UTC).

    A pause with an end is over when the next run begins.
    """

    cron: str | None = None
    timezone: str = "UTC"
    next_run: datetime | None = None
    continuous: bool = False
    cursor_field: str | None = None
    cursor_value: str | None = None
    paused: bool = Field(default=False, exclude_if=not_)
    paused_until: datetime | None = Field(default=None, exclude_if=not_)


def merge_schedule(spec: ScheduleSpec, base: Schedule | None) -> Schedule | None:
    """Validate ``spec`` and merge it into ``base``; a spec without values means no schedule.

    A cron ends continuous syncing, and continuous syncing ends a cron; a pause outlasts both.
    Raises InvalidInput for both at once, for neither, and for an invalid cron, time zone or pause.
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
    present = base or Schedule()
    merged = present.model_dump(include=set(ScheduleSpec.model_fields) - _PAUSE_FIELDS)
    if given.get("cron"):
        merged |= {"continuous": False, "timezone": "UTC"}
    elif given.get("continuous"):
        merged["cron"] = None
    merged |= given
    cron, continuous = merged["cron"], bool(merged["continuous"])
    if not cron and not continuous and given.keys() <= _PAUSE_FIELDS:
        raise InvalidInput(
            "The connection has no schedule to pause or resume: it syncs only when it is run.",
            field="schedule",
        )
    if not cron and not continuous:
        raise InvalidInput(
            "schedule needs cron or continuous.",
            field="schedule",
            hint="For example {'cron': '0 2 * * *'} for daily at 02:00 UTC.",
        )
    timezone = validate_timezone(merged["timezone"] or "UTC")
    return Schedule(
        cron=validate_cron(cron) if cron else None,
        timezone=timezone,
        continuous=continuous,
        cursor_field=merged["cursor_field"],
        **_merge_pause(spec, present, timezone),
    )


def _merge_pause(spec: ScheduleSpec, present: Schedule, timezone: str) -> dict[str, Any]:
    if spec.paused_until is not None:
        if spec.paused is False:
            raise InvalidInput(
                "schedule.paused_until contradicts schedule.paused: false.",
                field="schedule.paused_until",
                hint="Give paused_until to pause, or paused: false to resume.",
            )
        return {"paused": True, "paused_until": _to_utc(spec.paused_until, timezone)}
    if spec.paused is not None:
        return {"paused": spec.paused}
    return {"paused": present.paused, "paused_until": present.paused_until}


def _to_utc(moment: datetime, timezone: str) -> datetime:
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=zoneinfo.ZoneInfo(timezone))
    try:
        return zoned.astimezone(UTC)
    except OverflowError:
        raise _pause_out_of_range() from None


def refuse_pause_out_of_range(schedule: Schedule, now: datetime) -> None:
    """Raise InvalidInput for a pause that is over already, or that ends absurdly late."""
    if schedule.paused_until and not now < schedule.paused_until <= now + PAUSE_MAX:
        raise _pause_out_of_range()


def _pause_out_of_range() -> InvalidInput:
    return InvalidInput(
        "schedule.paused_until is not in the next ten years.",
        field="schedule.paused_until",
        hint="Give a date to come, like '2030-08-15', or paused: true without an end.",
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

    A continuous connection is due CONTINUOUS_INTERVAL after its last start. A pause ends with the
    first time that is not before ``paused_until``.
    """
    if schedule.paused:
        if schedule.paused_until is None:
            return None
        after = max(after, schedule.paused_until - _INSTANT)
    if schedule.continuous:
        due = after if last_start is None else last_start + CONTINUOUS_INTERVAL
        return max(due, after)
    if schedule.cron is None:
        return None
    return _next_slot(schedule.cron, schedule.timezone, after.replace(second=0, microsecond=0))


def localize(moment: datetime, timezone: str) -> datetime:
    """Return the moment in that time zone, or in UTC if this machine does not know it."""
    try:
        return moment.astimezone(zoneinfo.ZoneInfo(timezone))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return moment.astimezone(UTC)


@lru_cache(maxsize=4096)
def _next_slot(cron: str, timezone: str, after_minute: datetime) -> datetime:
    # Cached because a list of connections asks for the same few expressions within a minute.
    local = after_minute.astimezone(zoneinfo.ZoneInfo(timezone))
    slots = (slot.astimezone(zoneinfo.ZoneInfo("UTC")) for slot in CronSim(cron, local))
    # When clocks go back, cronsim gives the first of the two equal hours even during the second.
    return next(slot for slot in slots if slot > after_minute)
