"""Rows and domain objects: times, JSON and cursors survive the way there and back."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.domain.reading.cursors import encode_cursor
from weft.errors import InvalidInput
from weft.local.store.sqlite.tables.rows import BEFORE_ALL, next_cursor, row_before
from weft.local.store.values import dumps, loads, micros, micros_or_none, moment, moment_or_none

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
# Whatever the zone, UTC can name these.
MOMENTS = st.datetimes(
    datetime(1, 1, 2),
    datetime(9999, 12, 30),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=9))]),
)


@given(MOMENTS)
def test_time_survives_to_the_microsecond_and_comes_back_in_utc(at: datetime) -> None:
    back = moment(micros(at))
    assert back == at
    assert back.tzinfo is UTC


@pytest.mark.parametrize(
    ("at", "nearest"),
    [
        (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-7))), datetime.max),
        (datetime(1, 1, 1, 1, tzinfo=timezone(timedelta(hours=9))), datetime.min),
    ],
)
def test_time_that_utc_cannot_name_becomes_the_nearest_that_it_can(
    at: datetime, nearest: datetime
) -> None:
    assert moment(micros(at)) == nearest.replace(tzinfo=UTC)


def test_time_without_a_zone_is_utc() -> None:
    assert micros(datetime(1970, 1, 1, 0, 0, 1)) == 1_000_000


def test_time_before_1970_is_negative() -> None:
    assert micros(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


def test_absent_time_stays_absent() -> None:
    assert micros_or_none(None) is None
    assert moment_or_none(None) is None
    assert moment_or_none(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert micros_or_none(moment(0)) == 0


@given(st.dictionaries(st.text(), JSON))
def test_json_survives(value: dict[str, Any]) -> None:
    assert loads(dumps(value)) == value


def test_equal_values_give_equal_text() -> None:
    assert dumps({"b": 1, "a": {"d": "ü", "c": None}}) == '{"a":{"c":null,"d":"ü"},"b":1}'
    assert dumps({"a": {"c": None, "d": "ü"}, "b": 1}) == dumps(
        {"b": 1, "a": {"d": "ü", "c": None}}
    )


def test_no_cursor_is_the_first_page() -> None:
    assert row_before(None, "job_list", {}) == BEFORE_ALL


def test_page_goes_on_after_the_last_row_that_it_showed() -> None:
    shown = [{"no": 9}, {"no": 7}, {"no": 4}]
    cursor = next_cursor(shown, 2, "job_list", {"status": None, "limit": 3, "before": 10})
    assert row_before(cursor, "job_list", {"status": None, "limit": 50}) == 7
    assert next_cursor(shown, 3, "job_list", {}) is None


def test_cursor_beyond_what_the_database_can_count_is_refused() -> None:
    last = encode_cursor(BEFORE_ALL, "job_list", {})
    assert row_before(last, "job_list", {}) == BEFORE_ALL
    for number in (BEFORE_ALL + 1, 10**19 - 1, 10**40):
        with pytest.raises(InvalidInput):
            row_before(encode_cursor(number, "job_list", {}), "job_list", {})
