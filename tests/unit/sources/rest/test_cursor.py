"""A cursor remembers what the next request lists again, and no more."""

from datetime import UTC, datetime, timedelta
from typing import Any

from weft.sources.rest.cursor import Cursor

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def saved_after_settling(days: list[int]) -> Any:
    cursor = Cursor()
    horizon = cursor.horizon("note/1")
    for day in days:
        horizon.note(f"note:{day}", NOW - timedelta(days=day), {"id": day})
    horizon.settle(timedelta(days=7))
    return cursor.save(["note"])["horizons"]


def test_horizon_below_a_parent_remembers_what_lies_within_the_overlap_and_a_day() -> None:
    seen = saved_after_settling([0, 1, 8, 9, 300])["note/1"]["seen"]
    assert seen.keys() == {"note:0", "note:1", "note:8"}


def test_what_settled_is_still_known_after_it_was_saved() -> None:
    saved = Cursor()
    horizon = saved.horizon("note/1")
    horizon.note("note:1", NOW, {"id": 1})
    horizon.settle(timedelta(days=7))
    again = Cursor.parse(saved.save(["note"]), ["note"]).horizon("note/1")
    assert again.knows("note:1", {"id": 1})
    assert not again.knows("note:1", {"id": 1, "title": "new"})
