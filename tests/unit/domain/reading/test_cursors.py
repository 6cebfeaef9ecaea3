"""Cursors: a list takes its own and no others."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from weft.domain.reading.cursors import (
    KeyInteger,
    decode_cursor,
    decode_keys,
    encode_cursor,
    encode_keys,
)
from weft.errors import InvalidInput

PLACE = re.compile(r"[0-9]{1,9}")
KEYS = TypeAdapter(tuple[KeyInteger, str, KeyInteger | None])
LISTED: tuple[Any, ...] = ("jobs", {"organization": "o1", "status": None})


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_cursor_survives_and_is_safe_in_a_url(number: int) -> None:
    cursor = encode_cursor(number, *LISTED)
    assert decode_cursor(cursor, PLACE, *LISTED)[0] == str(number)
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "other",
    [
        ("connections", {"organization": "o1", "status": None}),
        ("jobs", {"organization": "o2", "status": None}),
        ("jobs", {"organization": "o1", "status": "FAILED"}),
        ("jobs",),
        (),
    ],
)
def test_cursor_of_another_list_is_refused(other: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput, match="not one that this list gave") as caught:
        decode_cursor(encode_cursor(7, *LISTED), PLACE, *other)
    assert caught.value.field == "cursor"


@pytest.mark.parametrize("place", ["", "-1", "x", "1x", "1234567890", "٣"])
def test_place_that_the_list_has_not_is_refused(place: str) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(encode_cursor(place, *LISTED), PLACE, *LISTED)


@given(st.text(max_size=30))
def test_any_text_that_was_never_given_is_refused_as_a_cursor(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_cursor(text, PLACE, *LISTED)
    assert caught.value.field == "cursor"


@given(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(), st.none() | st.integers(0, 9)))
def test_sort_keys_survive(keys: tuple[int, str, int | None]) -> None:
    assert decode_keys(encode_keys(keys, *LISTED), KEYS, *LISTED) == keys


@pytest.mark.parametrize(
    "place",
    [
        "",
        "{}",
        "[]",
        '[1, "a"]',
        "[null, null, null]",
        '[true, "a", null]',
        '["1", "a", null]',
        '[1.0, "a", null]',
        '[1, "\\ud800", null]',
        f'[{2**63}, "a", null]',
        f'[{"9" * 5000}, "a", null]',
        "[" * 5000 + "]" * 5000,
    ],
)
def test_made_up_sort_keys_are_refused(place: str) -> None:
    with pytest.raises(InvalidInput, match="not one that this list gave"):
        decode_keys(encode_cursor(place, *LISTED), KEYS, *LISTED)
