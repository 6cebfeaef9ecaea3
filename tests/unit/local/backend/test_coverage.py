"""How much is embedded is told beside how much there is, while that differs."""

from pathlib import Path

import pytest

from tests.support.local.harness import COLLECTION, LocalHarness, fetch_of, note, open_harness
from tests.support.local.models import ConceptEncoder, ScriptedModels, embed_all
from weft.server.render.structured import to_plain
from weft.server.render.text import connection_text

pytestmark = pytest.mark.anyio


async def read_not_embedded(local: LocalHarness, connection_id: str) -> tuple[int, int, int]:
    """Of the connection, its collection, and that in the list of collections."""
    backend = local.backend
    [listed] = (await backend.collections.list()).items
    return (
        (await backend.connections.get(connection_id)).entities.not_embedded,
        (await backend.collections.get(COLLECTION)).not_embedded,
        listed.not_embedded,
    )


async def test_entities_that_wait_are_counted_until_they_are_embedded(tmp_path: Path) -> None:
    async with open_harness(tmp_path, models=ScriptedModels()) as local:
        await local.create_collection()
        connection = await local.connect()
        local.script.fetch = fetch_of(note("a", "a car"), note("b", "a ship"))
        await local.run_sync(connection)
        assert await read_not_embedded(local, connection.id) == (2, 2, 2)
        found = await local.backend.connections.get(connection.id)
        assert "entities: 2 (note 2), 0 embedded so far" in connection_text(found)
        await embed_all(local.engine.store, ConceptEncoder())
        assert await read_not_embedded(local, connection.id) == (0, 0, 0)
        found = await local.backend.connections.get(connection.id)
        assert "embedded" not in connection_text(found)
        assert "not_embedded" not in to_plain(found)["entities"]


async def test_nothing_is_told_where_nothing_is_embedded(local: LocalHarness) -> None:
    connection = await local.connect()
    local.script.fetch = fetch_of(note("a", "a car"))
    await local.run_sync(connection)
    assert await read_not_embedded(local, connection.id) == (0, 0, 0)
