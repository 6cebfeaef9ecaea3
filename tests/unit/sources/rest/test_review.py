"""What the first records cannot show is told to whoever tries a definition."""

from typing import Any

import pytest

from weft.domain.entities import Entity
from weft.sources.rest.review import review
from weft.sources.rest.table import Stream


def note(number: int = 1, **fields: Any) -> Entity:
    given: dict[str, Any] = {
        "id": f"note:{number}",
        "type": "note",
        "title": f"note {number}",
        "text": "",
    }
    return Entity(**given | fields)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"title": "titel"}, {"title": "A note"}),
        ({"text": "bdy"}, {"text": "body"}),
        ({"url": "https://x.example/{idd}"}, {"url": "https://x.example/1"}),
        ({"breadcrumbs": ("place",)}, {"breadcrumbs": ("home",)}),
        ({"author": "user.nam"}, {"metadata": {"author": "Ada"}}),
    ],
)
def test_field_that_no_record_has_is_named(row: dict[str, Any], found: dict[str, Any]) -> None:
    stream = Stream(name="note", path="/notes", **row)
    [problem] = review([stream], [note()], ())
    assert problem == f"streams.0.{next(iter(row))}: it is in none of these records"
    assert review([stream], [note(), note(2, **found)], ()) == []


def test_listing_that_names_no_second_page_is_doubted() -> None:
    stream = Stream(name="note", path="/notes")
    [problem] = review([stream], [note(number) for number in range(10)], ())
    assert problem.startswith("streams.0.paging: no second page")
    assert review([stream], [note(number) for number in range(10)], {"'note'"}) == []


def test_different_records_with_one_key_are_told() -> None:
    [problem] = review([Stream(name="note", path="/n")], [note(text="a"), note(text="b")], ())
    assert problem.startswith("streams.0.key: different records")


def test_key_that_comes_under_two_parents_is_doubted() -> None:
    rows = [Stream(name="book", path="/b"), Stream(name="note", path="/n", parent="book")]
    [problem] = review(rows, [note(), note()], ())
    assert problem.startswith("streams.1.key: one came again")
    rows[1] = rows[1].model_copy(update={"key": ("_parent.id", "id")})
    assert review(rows, [note(), note()], ()) == []
