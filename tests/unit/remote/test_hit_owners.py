"""Search results name only their sync; their connections are found, few requests at a time."""

import pytest

from tests.support.airweave.backend import Place
from weft.domain.reading.search import SearchQuery, SearchResults
from weft.remote.backend import RemoteBackend
from weft.remote.hit_owners import READ_MAX
from weft.testing.airweave.state import Connection, Sync, new_id

pytestmark = pytest.mark.anyio


def fill(place: Place, count: int) -> dict[str, str]:
    """Add connections of one source, each with the entity `readme`; return their names."""
    world, now = place.world, place.world.clock.now()
    for number in range(count):
        made = Connection(
            new_id(), f"Stub {number:03d}", None, "stub", "docs", {}, now, now, "direct", True
        )
        entity = {"id": "readme", "type": "Note", "name": "Readme", "text": "a house", "url": "u"}
        made.sync = Sync(new_id(), None, entities=[entity])
        world.connections[made.id] = made
    world.asked.clear()
    return {each.id: each.name for each in world.connections.values()}


async def search(backend: RemoteBackend) -> SearchResults:
    assert backend.search is not None
    query = SearchQuery(readable_collection_id="docs", query="house", limit=100)
    return await backend.search.search(query)


async def test_each_search_names_more_connections_until_all_hits_have_theirs(place: Place) -> None:
    names = fill(place, 2 * READ_MAX + 5)
    async with place.open() as backend:
        for named in (READ_MAX, 2 * READ_MAX, len(names)):
            found = await search(backend)
            assert len(found.hits) == len(names), "the same id in another sync is another entity"
            shown = {hit.connection_id: hit.connection_name for hit in found.hits}
            assert len(shown.keys() - {""}) == named
            assert ("not known yet" in found.note) is (named < len(names))
        assert shown == names
        place.world.asked.clear()
        await search(backend)
        assert len(place.world.asked) == 1


async def test_naming_takes_half_of_a_small_plan_and_its_end_spoils_no_search(place: Place) -> None:
    fill(place, 12)
    place.world.requests_per_minute = 10
    async with place.open() as backend:
        first = await search(backend)
        assert len(place.world.asked) == 2 + 5
        second = await search(backend)
    assert [len([hit for hit in each.hits if hit.connection_id]) for each in (first, second)] == [
        5,
        6,
    ]
    assert all("search again" in each.note for each in (first, second))
