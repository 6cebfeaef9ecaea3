"""JSON of strangers is bounded in structure."""

import json

import pytest

from weft.net.json_bodies import CONTAINERS_MAX, parse_json


def test_json_of_more_lists_than_are_sane_is_refused_unless_they_are_text() -> None:
    many = b"{}," * CONTAINERS_MAX
    with pytest.raises(ValueError, match="too many"):
        parse_json(b"[" + many + b"{}]")
    text = many.decode() + '\\"{"'
    assert parse_json(json.dumps([text]).encode()) == [text]
