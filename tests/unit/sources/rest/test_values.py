"""Values are found in records of any form, and cleaned."""

from datetime import UTC, datetime

import pytest

from weft.errors import SourceUnavailable
from weft.sources.rest.values import fill, find, getter_of, json_of, line_of, moment_of, text_of

RECORD: dict[str, object] = {
    "id": 7,
    "name": "Tea",
    "user": {"name": "Ada", "mail": None},
    "labels": [{"name": "a"}, {"nam": "b"}, "c", {"name": "d"}],
    "fields": {"parts": [{"n": 1}, {"n": 2}]},
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("id", 7),
        ("nothing", None),
        ("user.name", "Ada"),
        ("user.mail", None),
        ("name.first", None),
        ("user.name.first", None),
        ("labels[].name", ["a", "d"]),
        ("labels[]", [{"name": "a"}, {"nam": "b"}, "c", {"name": "d"}]),
        ("nothing[].name", []),
        ("labels.0.name", "a"),
        ("labels.2", "c"),
        ("labels.2.name", None),
        ("labels.9", None),
        ("fields.parts[].n", [1, 2]),
        ("{id}: {name}", "7: Tea"),
        ("{id}: {nothing}", "7: "),
        ("{nothing}{user.mail}", None),
    ],
)
def test_value_is_found(value: str, expected: object) -> None:
    assert getter_of(value)(RECORD) == expected


def test_answer_that_is_no_object_has_no_fields() -> None:
    assert find([1], "") == [1]
    assert find([1], "items") is None
    assert find("text", "items.next") is None


def test_template_of_one_name_keeps_its_type_and_paths_are_quoted() -> None:
    names = {"config": {"ids": [1, 2]}, "_parent": {"id": "a/b?c"}}
    assert fill({"ids": "{config.ids}", "n": 1}, names) == {"ids": [1, 2], "n": 1}
    assert fill("/x/{_parent.id}/y", names, in_path=True) == "/x/a%2Fb%3Fc/y"
    with pytest.raises(SourceUnavailable, match=r"no '_parent\.no'"):
        fill("/x/{_parent.no}", names, in_path=True)


def test_text_is_clean_and_bounded() -> None:
    assert line_of("a\n\u200bb\x07", 3) == "a b"
    assert line_of(True) == ""
    assert line_of(1.5) == "1.5"
    assert text_of({"a": ["x", {"b": "y\r\n"}], "c": None}) == "a: x\nb: y\n"
    assert json_of(float("nan")) is None
    assert json_of([[[[[[1]]]]]]) == [[[[None]]]]


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-01T00:00:00Z",
        "2026-03-01T01:00:00+01:00",
        "Sun, 01 Mar 2026 00:00:00 GMT",
        "1772323200",
        "1772323200.0",
        1772323200,
        1772323200000,
    ],
)
def test_time_is_read_in_each_usual_form(value: object) -> None:
    assert moment_of(value) == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("value", ["soon", "", None, True, 1e30, [], "9" * 300])
def test_what_is_no_time_is_none(value: object) -> None:
    assert moment_of(value) is None
