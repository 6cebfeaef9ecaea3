"""Converts times and JSON to and from their stored form."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import cast

from weft.domain.base import Json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MICROSECONDS = 1_000_000
_DAY_SECONDS = 24 * 60 * 60
_FIRST, _LAST = (
    (at.replace(tzinfo=UTC) - _EPOCH) // MICROSECOND for at in (datetime.min, datetime.max)
)
# json.dumps with options would make an encoder at each call, which costs more than encoding.
_ENCODER = json.JSONEncoder(
    separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False
)


def micros(at: datetime) -> int:
    """Convert to microseconds since 1970; a naive time is taken as UTC.

    Other zones reach beyond the first and last times that UTC can express; clamp to those.
    """
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    since = aware - _EPOCH
    value = (since.days * _DAY_SECONDS + since.seconds) * MICROSECONDS + since.microseconds
    return value if _FIRST <= value <= _LAST else max(_FIRST, min(value, _LAST))


def micros_or_none(at: datetime | None) -> int | None:
    """Convert as `micros`; None stays None."""
    return None if at is None else micros(at)


def moment(value: int) -> datetime:
    """Convert back from a number of microseconds since 1970, to UTC."""
    return _EPOCH + timedelta(microseconds=value)


def moment_or_none(value: int | None) -> datetime | None:
    """Convert as `moment`; None stays None."""
    return None if value is None else moment(value)


def dumps(value: object) -> str:
    """Write compact JSON; equal values give equal text. Numbers that it cannot hold become null."""
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return _ENCODER.encode(_drop_endless(value))


def _drop_endless(value: object) -> object:
    """Replace what Python reads from 1e400 or NaN, and no other reader of JSON takes back."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        found = cast("dict[str, object]", value)
        return {key: _drop_endless(each) for key, each in found.items()}
    if isinstance(value, list | tuple):
        return [_drop_endless(each) for each in cast("list[object]", value)]
    return value


def loads(text: str) -> Json:
    """Read the object in a JSON column."""
    return cast("Json", json.loads(text))
