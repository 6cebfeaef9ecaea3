"""Collections and connections: finding, paging, and one change at a time."""

import pytest

from weft.domain.connections import ConnectionStatus, ConnectionTotals
from weft.errors import Conflict, ErrorCategory, NotFound
from weft.local.store.base import Store
from weft.testing.store_contract.support import (
    ORGANIZATION,
    claim_new,
    get_connection,
    list_all,
    make_connection,
    make_entity,
    make_row,
    open_collection,
)


class CollectionsAndConnectionsContract:
    """Making, finding, listing, changing and deleting."""

    @pytest.mark.anyio
    async def test_collection_is_stamped_found_and_renamed(self, store: Store) -> None:
        made = await open_collection(store)
        assert made.created_at == made.modified_at == await store.now()
        for text in ("docs", made.id, made.id[:8], "team docs"):
            assert list(await store.collections.find(ORGANIZATION, text)) == [made]
        assert list(await store.collections.find("somebody", "docs")) == []
        assert await store.collections.rename(made, "Renamed")
        [renamed] = await store.collections.find(ORGANIZATION, "docs")
        assert renamed.name == "Renamed"

    @pytest.mark.anyio
    async def test_readable_id_is_taken_once(self, store: Store) -> None:
        await open_collection(store)
        with pytest.raises(Conflict):
            await store.collections.insert(ORGANIZATION, readable_id="docs", name="Other")
        await store.collections.insert("somebody", readable_id="docs", name="Other")

    @pytest.mark.anyio
    async def test_pages_are_newest_first_and_neither_overlap_nor_miss(self, store: Store) -> None:
        collections = [await open_collection(store, f"docs-{n}") for n in range(5)]
        found: list[str] = []
        cursor = None
        for _ in range(3):
            page = await store.collections.list(ORGANIZATION, cursor=cursor, limit=2)
            found += [each.id for each in page.items]
            cursor = page.next_cursor
        assert cursor is None
        assert found == [each.id for each in reversed(collections)]

    @pytest.mark.anyio
    async def test_connections_are_listed_by_filter(self, store: Store) -> None:
        first = await make_connection(store, short_name="files")
        second = await make_connection(store, "other-docs", state=ConnectionStatus.ERROR)
        running = await make_connection(store)
        await claim_new(store, running)

        async def list_ids(**filters: object) -> list[str]:
            values = {"readable_collection_id": None, "short_name": None, "status": None}
            page = await store.connections.list(
                ORGANIZATION,
                **(values | filters),  # pyright: ignore[reportArgumentType] (checked below)
                cursor=None,
                limit=9,
            )
            return [each.id for each in page.items]

        assert await list_ids() == [running.id, second.id, first.id]
        assert await list_ids(short_name="files") == [first.id]
        assert await list_ids(readable_collection_id="other-docs") == [second.id]
        assert await list_ids(status=ConnectionStatus.ERROR) == [second.id]
        assert await list_ids(status=ConnectionStatus.SYNCING) == [running.id]

    @pytest.mark.anyio
    async def test_connection_is_found_by_id_prefix_or_name(self, store: Store) -> None:
        made = await make_connection(store, name="My Notes")
        for text in (made.id, made.id[:8], "my notes"):
            assert [each.id for each in await store.connections.find(ORGANIZATION, text)] == [
                made.id
            ]
        assert list(await store.connections.find("somebody", made.id)) == []
        assert await store.connections.get("somebody", made.id) is None

    @pytest.mark.anyio
    async def test_change_of_an_old_version_changes_nothing(self, store: Store) -> None:
        made = await make_connection(store, credentials="sealed")
        row = make_row(id=made.id, sync_id=made.sync_id, name="New", credentials="other")
        for expected in (True, False):
            assert expected is await store.connections.update(
                row,
                expected_version=made.version,
                new_config=False,
                set_state=False,
                set_auth=False,
            )
        after = await get_connection(store, made.id)
        assert (after.name, after.version) == ("New", made.version + 1)
        assert await store.connections.credentials(ORGANIZATION, made.id) == "sealed"

    @pytest.mark.anyio
    async def test_connection_moves_only_to_a_collection_that_there_is(self, store: Store) -> None:
        made = await make_connection(store)
        await open_collection(store, "other-docs")

        async def move(target: str, version: int) -> bool:
            row = make_row(id=made.id, sync_id=made.sync_id, readable_collection_id=target)
            return await store.connections.update(
                row, expected_version=version, new_config=False, set_state=False, set_auth=False
            )

        with pytest.raises(NotFound):
            await move("gone-docs", made.version)
        assert (await get_connection(store, made.id)) == made
        assert await move("other-docs", made.version)
        moved = await get_connection(store, made.id)
        assert moved.readable_collection_id == "other-docs"
        assert list(await store.collections.connection_ids(await open_collection(store))) == []

    @pytest.mark.anyio
    async def test_check_of_a_former_configuration_says_nothing_of_the_present_one(
        self, store: Store
    ) -> None:
        made = await make_connection(store)
        error = (ConnectionStatus.ERROR, ErrorCategory.SOURCE_UNAVAILABLE, "Down.")
        row = make_row(id=made.id, sync_id=made.sync_id, config={"new": 1})
        await store.connections.update(
            row, expected_version=made.version, new_config=True, set_state=True, set_auth=False
        )
        await store.connections.mark(made, *error)
        changed = await get_connection(store, made.id)
        assert changed.status is ConnectionStatus.ACTIVE
        await store.connections.mark(changed, *error)
        assert (await get_connection(store, made.id)).error_message == "Down."

    @pytest.mark.anyio
    async def test_totals_count_all_connections_and_those_that_need_somebody(
        self, store: Store
    ) -> None:
        first = await make_connection(store, short_name="files")
        await list_all(store, first, make_entity("a", "some"), make_entity("b", "words"))
        await make_connection(store, "other-docs", state=ConnectionStatus.ERROR)
        await claim_new(store, await make_connection(store))

        async def total(**filters: str) -> ConnectionTotals:
            wanted = {"readable_collection_id": None, "short_name": None} | filters
            return await store.connections.totals(ORGANIZATION, **wanted)

        every = ConnectionTotals(connections=3, entities=2, syncing=1, needs_attention=1)
        assert await total() == every
        assert (await total(short_name="files")).connections == 1
        in_other = await total(readable_collection_id="other-docs")
        assert (in_other.connections, in_other.entities, in_other.needs_attention) == (1, 0, 1)
        none = await store.connections.totals(
            "somebody", readable_collection_id=None, short_name=None
        )
        assert set(none.model_dump().values()) == {0}

    @pytest.mark.anyio
    async def test_connection_that_somebody_agreed_to_empty_needs_nobody_until_it_changes(
        self, store: Store
    ) -> None:
        made = await make_connection(store)
        await list_all(store, made)
        assert (await get_connection(store, made.id)).attention
        await list_all(store, made, make_entity("a"))
        emptied = made
        for _ in range(3):
            await list_all(store, made)
            emptied = await get_connection(store, made.id)
            assert (emptied.entities.total_entities, emptied.attention) == (0, ())
        row = make_row(id=made.id, sync_id=made.sync_id, config={"new": 1})
        await store.connections.update(
            row, expected_version=emptied.version, new_config=True, set_state=False, set_auth=False
        )
        await list_all(store, made)
        assert (await get_connection(store, made.id)).attention
        await list_all(store, made, make_entity("b", kind="page"))
        assert list((await get_connection(store, made.id)).entities.by_type) == ["page"]
