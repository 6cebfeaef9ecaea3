"""Cursors: a list takes its own and no others."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.domain.cursors import decode_cursor, encode_cursor
from weft.errors import InvalidInput

PLACE = re.compile(r"[0-9]{1,9}")
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
