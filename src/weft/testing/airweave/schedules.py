"""Schedules as Airweave reads them: strictly when it creates, loosely when it changes."""

import re
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from weft.testing.airweave.state import Json, Refused

CONTINUOUS = "*/5 * * * *"
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_FIELD = r"(\*|[0-9,\-]+)(/[0-9]+)?"
_STRICT = re.compile(rf"{_FIELD}( {_FIELD}){{4}}")
_SUB_HOURLY = re.compile(r"\*/[1-5]?[0-9] \* \* \* \*|\* \* \* \* \*")


def default_cron(source: Json, now: datetime) -> str:
    """Return the schedule of a connection that asks for none in particular."""
    return CONTINUOUS if source["supports_continuous"] else f"{now.minute} {now.hour} * * *"


def check_new(cron: str, source: Json) -> None:
    """Refuse a cron that a create does not take."""
    _refuse_sub_hourly(cron, source, "Minimum interval is 1 hour.")
    if not _STRICT.fullmatch(cron):
        problem = {"cron_schedule": "Value error, Invalid cron schedule format"}
        raise Refused(422, {"errors": [problem]})


def check_changed(cron: str, source: Json) -> None:
    """Refuse a cron that a change does not take."""
    _refuse_sub_hourly(
        cron, source, "Minimum schedule interval is 1 hour (e.g., '0 * * * *' for hourly)."
    )
    if next_run(cron, datetime.now(UTC)) is None:
        raise Refused(422, f"Invalid CRON expression: {cron}")


def next_run(cron: str, after: datetime) -> datetime | None:
    """Return when a schedule is due. Of six fields the last is not looked at."""
    fields = _MACROS.get(cron, cron).split()
    try:
        return next(CronSim(" ".join(fields[:5] if len(fields) == 6 else fields), after))
    except (CronSimError, StopIteration):
        return None


def _refuse_sub_hourly(cron: str, source: Json, least: str) -> None:
    if _SUB_HOURLY.fullmatch(cron) and not source["supports_continuous"]:
        name = source["short_name"]
        raise Refused(400, f"Source '{name}' does not support continuous syncs. {least}")
