"""Rows and domain objects: times, JSON and cursors survive the way there and back."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InvalidInput
from weft.local.store.sqlite.rows import BEFORE_ALL, decode_cursor, encode_cursor
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


@given(st.integers(min_value=0, max_value=BEFORE_ALL - 1))
def test_cursor_survives_and_is_safe_in_a_url(number: int) -> None:
    cursor = encode_cursor(number)
    assert decode_cursor(cursor) == number
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_no_cursor_is_the_first_page() -> None:
    assert decode_cursor(None) == BEFORE_ALL


@pytest.mark.parametrize("cursor", ["", "x", "n1", "AAAA", "bi0x", "bjHCsg", "é", "b" * 99])
def test_cursor_that_was_never_given_is_named(cursor: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_cursor(cursor)
    assert caught.value.field == "cursor"


def test_cursor_beyond_what_the_database_can_count_is_refused() -> None:
    assert decode_cursor(encode_cursor(BEFORE_ALL)) == BEFORE_ALL
    for number in (BEFORE_ALL + 1, 10**19 - 1, 10**40):
        with pytest.raises(InvalidInput):
            decode_cursor(encode_cursor(number))


@given(st.text(max_size=30))
def test_any_text_is_a_cursor_or_refused_as_one(text: str) -> None:
    try:
        number = decode_cursor(text)
    except InvalidInput as error:
        field = error.field
        number = -1
    else:
        field = "cursor"
    assert field == "cursor"
    assert -1 <= number <= BEFORE_ALL
