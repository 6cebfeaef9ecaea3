"""Words for people: relative times, counts, durations, and text that is safe on a terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import JsonValue

from weft.domain.base import Json
from weft.domain.jobs import Job, JobStatus, shortfall_of
from weft.domain.text.characters import HIDDEN
from weft.domain.text.words import agree

SHORT_ID_CHARS = 8

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def plain(text: str, *, lines: bool = False) -> str:
    """Remove characters that steer a terminal or reorder text.

    Agents and sources choose names, titles and snippets, so they are not trusted. Line breaks
    become spaces unless ``lines`` is true.
    """
    cleaned = HIDDEN.sub(" ", text)
    return cleaned.replace("\t", " ") if lines else " ".join(cleaned.split())


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """Tell how long ago ``moment`` was, or how long until it, in one unit; a dash for None."""
    if moment is None:
        return "-"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for unit, length in _UNITS:
        if abs(seconds) >= length:
            count = int(abs(seconds) // length)
            return f"{count} {unit} ago" if seconds > 0 else f"in {count} {unit}"
    return "just now" if seconds >= 0 else "in a moment"


def duration(seconds: float | None) -> str:
    """Format a length of time, e.g. 0.05 s, 3.2 s or 4 min 05 s; a dash for None."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Format a number with its noun, e.g. 1 connection or 2,000 entities."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def job_counts(job: Job, *, always: bool = True) -> str:
    """Format the counts of a job; ``always`` keeps the four usual ones even when zero."""
    usual = {
        "inserted": job.entities_inserted,
        "updated": job.entities_updated,
        "deleted": job.entities_deleted,
        "unchanged": job.entities_unchanged,
    }
    rare = {
        "skipped": job.entities_skipped,
        "failed": job.entities_failed,
        f"{agree(job.deletions_held, 'deletion', 'deletions')} held": job.deletions_held,
    }
    shown = {
        **{k: n for k, n in usual.items() if n or always},
        **{k: n for k, n in rare.items() if n},
    }
    return ", ".join(f"{n:,} {word}" for word, n in shown.items())


def job_outcome(job: Job) -> str:
    """Tell in a phrase what a job changed, and what it left undone or failed of."""
    if job.status is JobStatus.FAILED and job.error:
        return plain(job.error)
    changed = job_counts(job, always=False) or count(0, "entity", "entities")
    missing = shortfall_of(job)
    return f"{changed}, but {missing}" if missing else changed


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Shorten ids to the shortest unique prefixes of one length, at least 8 characters."""
    for length in range(SHORT_ID_CHARS, max((len(i) for i in ids), default=0)):
        if len({i[:length] for i in ids}) == len(set(ids)):
            return {i: i[:length] for i in ids}
    return {i: i for i in ids}


def config_text(config: Json) -> str:
    """Format a configuration on one line, as a person would type it."""
    return " ".join(f"{key}={_scalar(value)}" for key, value in config.items()) or "-"


def _scalar(value: JsonValue) -> str:
    if isinstance(value, list):
        return ",".join(_scalar(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
