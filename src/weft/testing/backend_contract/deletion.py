"""The contract of a backend: deleting connections."""

import pytest

from weft.backend import Backend
from weft.domain.search import SearchQuery
from weft.errors import (
    NotFound,
)
from weft.testing.backend_contract.support import (
    COLLECTION,
    SLOW,
    connect,
    create_collection,
    sync,
    wait_for_progress,
)


class DeleteContract:
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
    async def test_delete_during_a_sync_stops_it_first(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, SLOW)
        await wait_for_progress(backend, await backend.jobs.run(made.id))
        await backend.connections.delete(made.id)
        assert (await backend.connections.list()).items == ()
        assert (await backend.collections.get(COLLECTION)).entity_count == 0
