"""Search by words on SQLite's index."""

import pytest

from tests.support.store.bench import Bench, entity
from weft.local.store.sqlite.entities import search as found_by_words
from weft.testing.store_contract.support import find_titles

pytestmark = pytest.mark.anyio


async def test_frequent_words_are_left_out_only_where_rare_ones_fill_the_pages(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found_by_words, "RANKED_MAX", 5)
    frequent = [entity(f"f{n}", "frequent") for n in range(12)]
    rare = [entity(f"r{n}", "frequent rare") for n in range(4)]
    await bench.list_all(await bench.connection(), *frequent, *rare)
    everything = {each.id for each in [*frequent, *rare]}
    for shown, expected in ((3, {each.id for each in rare}), (4, everything)):
        found: list[str] = []
        more = True
        while more:
            page = await find_titles(
                bench.store, "frequent", "rare", limit=shown + 1, offset=len(found)
            )
            found += page[:shown]
            more = len(page) > shown
        assert (len(found), set(found)) == (len(expected), expected)
        assert {*found[:4]} == {each.id for each in rare}
