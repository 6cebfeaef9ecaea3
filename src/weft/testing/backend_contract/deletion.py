"""The contract of a backend: deleting connections."""

import pytest

from weft.backend import Backend
from weft.domain.reading.search import SearchQuery
from weft.errors import (
    NotFound,
)
from weft.testing.backend_contract.support import (
    COLLECTION,
    SLOW,
    ContractPart,
    connect,
    create_collection,
    sync,
    wait_for_progress,
)


class DeleteContract(ContractPart):
    """Deleting connections."""

    @pytest.mark.anyio
    async def test_deleted_connection_is_gone_and_unsearchable(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 5})
        job = await sync(backend, made)
        query = SearchQuery(readable_collection_id=COLLECTION, query="entity3")
        assert backend.search is not None
        assert len((await backend.search.search(query)).hits) == 1
        deleted = await backend.connections.delete(made.id)
        assert (deleted.id, deleted.entities.total_entities) == (made.id, 5)
        assert (await backend.search.search(query)).hits == ()
        for gone in (backend.connections.get(made.id), backend.connections.delete(made.id)):
            with pytest.raises(NotFound):
                await gone
        with pytest.raises(NotFound):
            await backend.jobs.get(job.id)

    @pytest.mark.anyio
    async def test_deleted_connection_is_restored_with_all_that_it_had(
        self, backend: Backend
    ) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 5}, name="Undo Me")
        job = await sync(backend, made)
        before = await backend.connections.get(made.id)
        await backend.connections.delete(made.id)
        assert (await backend.trash.end() is None) is ("trash.restore" in self.LACKS)
        restore = backend.trash.restore
        if await self.check_lack("trash.restore", backend, restore(connection="Undo Me")):
            assert (await backend.trash.list()).connections == ()
            return
        [kept] = (await backend.trash.list()).connections
        assert kept.id == made.id
        with pytest.raises(NotFound) as caught:
            await backend.connections.get("Undo Me")
        assert f"restore_connection(connection_id='{made.id}')" in (caught.value.hint or "")
        twin = await connect(backend, name="Undo Me")
        restored = await restore(connection="undo me")
        assert [each.id for each in restored.connections] == [made.id]
        after = await backend.connections.get(made.id)
        assert after == before.model_copy(update={"version": after.version})
        assert (await backend.jobs.get(job.id)).id == job.id
        query = SearchQuery(readable_collection_id=COLLECTION, query="entity3")
        assert backend.search is not None
        assert len((await backend.search.search(query)).hits) == 1
        with pytest.raises(NotFound) as caught:
            await restore(connection=made.id)
        assert "Nothing can be restored" in (caught.value.hint or "")
        assert (await backend.connections.get(twin.id)).name == "Undo Me"

    @pytest.mark.anyio
    async def test_deleted_collection_is_restored_beside_another_of_its_name(
        self, backend: Backend
    ) -> None:
        await create_collection(backend)
        made = await connect(backend)
        gone = await backend.collections.delete(COLLECTION)
        await create_collection(backend)
        restore = backend.trash.restore
        if await self.check_lack("trash.restore", backend, restore(collection=COLLECTION)):
            assert gone.restorable_until is None
            return
        restored = await restore(collection=COLLECTION)
        assert restored.collection is not None
        assert restored.former_readable_id == COLLECTION
        assert restored.collection.readable_id.startswith(f"{COLLECTION}-")
        found = await backend.connections.get(made.id)
        assert found.readable_collection_id == restored.collection.readable_id
        assert (await backend.collections.get(COLLECTION)).connection_count == 0

    @pytest.mark.anyio
    async def test_what_is_deleted_permanently_cannot_be_restored(self, backend: Backend) -> None:
        await create_collection(backend)
        for first in (False, True):
            made = await connect(backend)
            if first and "trash.restore" not in self.LACKS:
                await backend.connections.delete(made.id)
            gone = await backend.connections.delete(made.id, permanently=True)
            assert gone.restorable_until is None
            assert (await backend.trash.list()).connections == ()
            with pytest.raises(NotFound):
                await backend.connections.delete(made.id, permanently=True)
        gone = await backend.collections.delete(COLLECTION, permanently=True)
        assert gone.restorable_until is None
        assert (await backend.trash.list()).collections == ()

    @pytest.mark.anyio
    async def test_delete_during_a_sync_stops_it_first(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, SLOW)
        await wait_for_progress(backend, await backend.jobs.run(made.id))
        await backend.connections.delete(made.id)
        assert (await backend.connections.list()).items == ()
        assert (await backend.collections.get(COLLECTION)).entity_count == 0
