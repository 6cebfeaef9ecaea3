"""Tell of cron expressions that do something else than they look like."""

from typing import Final

from weft.domain.schedules import Schedule

# The number of values of each field, what they are, and after what they start anew.
_FIELDS: Final = (
    (60, "minutes", "hour"),
    (24, "hours", "day"),
    (31, "days", "month"),
    (12, "months", "year"),
    (7, "weekdays", "week"),
)


def surprises_of(schedule: Schedule | None) -> list[str]:
    """Return a sentence for each thing about the cron that its author may not have meant."""
    if schedule is None or not schedule.cron:
        return []
    fields = schedule.cron.split()
    told = [
        _tell_step(part, *about)
        for field, about in zip(fields, _FIELDS, strict=True)
        for part in field.split(",")
    ]
    minute, hour, day, _, weekday = fields
    if minute == "*" and hour != "*":
        told.append(f"'* {hour}' fires every minute of that hour; '0 {hour}' fires once.")
    if not day.startswith("*") and not weekday.startswith("*"):
        told.append(f"With both, it fires on day {day} of the month and also on weekday {weekday}.")
    return [each for each in told if each]


def _tell_step(part: str, size: int, values: str, whole: str) -> str:
    of, _, step = part.partition("/")
    if of != "*" or not step.isdecimal() or int(step) < 1 or size % int(step) == 0:
        return ""
    anew = f"a step of {values} starts anew with each {whole}"
    if int(step) > size:
        return f"'{part}' fires once in each {whole}: {anew}."
    return f"'{part}' is not every {step} {values}: {anew}."
