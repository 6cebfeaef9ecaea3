"""The contract of a backend: lists of what is stored, and of what syncs did."""

import pytest

from weft.backend import Backend, Browse
from weft.domain.connections import ConnectionChange
from weft.domain.reading.browsing import ChangeKind, ChangeQuery, EntityOrder, EntityQuery
from weft.errors import Ambiguous, InvalidInput, NotFound
from weft.testing.backend_contract.support import (
    COLLECTION,
    ContractPart,
    connect,
    create_collection,
    sync,
)

STORED = 5


class BrowseContract(ContractPart):
    """Listing entities and changes. ``LACKS`` may name the whole group, "browse"."""

    def browse_of(self, backend: Backend) -> Browse | None:
        """Return the group; None where it is declared to be missing."""
        assert ("browse" in self.LACKS) is (backend.browse is None)
        return backend.browse

    @pytest.mark.anyio
    async def test_entities_are_listed_in_pages(self, backend: Backend) -> None:
        browse = self.browse_of(backend)
        if browse is None:
            return
        await create_collection(backend)
        made = await connect(backend, {"entities": STORED})
        await sync(backend, made)
        query = EntityQuery(readable_collection_id=COLLECTION, limit=3)
        first = await browse.entities(query)
        assert first.by_type == {"note": STORED}
        rest = await browse.entities(query.model_copy(update={"cursor": first.next_cursor}))
        assert rest.next_cursor is None
        names = [item.source_entity_id for item in (*first.items, *rest.items)]
        assert names == sorted(names)
        assert len(names) == STORED
        newest = await browse.entities(
            EntityQuery(connection=made.id, order=EntityOrder.NEWEST, limit=1)
        )
        assert newest.items[0].title == f"Note {STORED - 1}"
        assert (await browse.entities(EntityQuery(path=names[1]))).items[0] == first.items[1]
        with pytest.raises(InvalidInput):
            await browse.entities(EntityQuery(cursor=first.next_cursor))
        with pytest.raises(NotFound):
            await browse.entities(EntityQuery(connection="absent"))

    @pytest.mark.anyio
    async def test_entity_is_found_by_path_and_url(self, backend: Backend) -> None:
        browse = self.browse_of(backend)
        if browse is None:
            return
        await create_collection(backend)
        one = await connect(backend, {"entities": 1}, name="Connection One")
        await sync(backend, one)
        [item] = (await browse.entities(EntityQuery())).items
        assert backend.search is not None
        by_id = await backend.search.entity(item.id, offset=0, max_chars=10)
        for name in (item.source_entity_id, by_id.url or ""):
            assert await backend.search.entity(name, offset=0, max_chars=10) == by_id
        two = await connect(backend, {"entities": 1}, name="Connection Two")
        await sync(backend, two)
        with pytest.raises(Ambiguous):
            await backend.search.entity(item.source_entity_id, offset=0, max_chars=10)
        named = await backend.search.entity(
            item.source_entity_id, connection=two.id, offset=0, max_chars=10
        )
        assert named.connection_id == two.id

    @pytest.mark.anyio
    async def test_changes_of_all_connections_are_told(self, backend: Backend) -> None:
        browse = self.browse_of(backend)
        if browse is None:
            return
        await create_collection(backend)
        one = await connect(backend, {"entities": 6, "skipped_every": 3}, name="Connection One")
        first = await sync(backend, one)
        await backend.connections.update(one.id, ConnectionChange(config={"entities": 4}))
        last = await sync(backend, one)
        two = await connect(backend, {"entities": 1}, name="Connection Two")
        await sync(backend, two)
        everything = await browse.changes(ChangeQuery())
        assert everything.totals.counts == {
            kind: sum(getattr(job, f"entities_{kind}") for job in (first, last))
            + (kind is ChangeKind.INSERTED)
            for kind in ChangeKind
        }
        assert everything.items[0].connection_id == two.id
        skipped = await browse.changes(ChangeQuery(job=first.id, kind=ChangeKind.SKIPPED))
        assert len(skipped.items) == first.entities_skipped > 0
        assert all(item.reason for item in skipped.items)
        deleted = await browse.changes(ChangeQuery(kind=ChangeKind.DELETED, connection=one.id))
        assert [item.job_id for item in deleted.items] == [last.id]
