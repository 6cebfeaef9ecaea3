"""The contract of a backend: collections."""

import pytest

from weft.backend import Backend, open_collection
from weft.domain.collections import CollectionStatus, NewCollection
from weft.errors import (
    Conflict,
    InvalidInput,
    NotFound,
)
from weft.testing.backend_contract.support import COLLECTION, connect, create_collection


class CollectionContract:
    """Collections."""

    @pytest.mark.anyio
    async def test_created_collection_is_listed_and_found_by_id_and_name(
        self, backend: Backend
    ) -> None:
        made = await backend.collections.create(NewCollection(name="Team Docs"))
        assert made.readable_id.startswith("team-docs")
        assert made.status is CollectionStatus.NEEDS_SOURCE
        assert await backend.collections.get(made.readable_id) == made
        for text in ("team docs", "team-docs", "TEA"):
            assert await backend.collections.get(text) == made
        with pytest.raises(NotFound, match=r"Did you mean '(Team Docs|team-docs)"):
            await backend.collections.get("teem docs")
        assert (await backend.collections.list()).items == (made,)

    @pytest.mark.anyio
    async def test_collection_made_for_what_fails_goes_again_unless_it_is_used(
        self, backend: Backend
    ) -> None:
        with pytest.raises(NotFound):
            await _use_and_fail(backend, connects=False)
        assert (await backend.collections.list()).items == ()
        for connects in (True, False, False):
            with pytest.raises(NotFound):
                await _use_and_fail(backend, connects=connects)
            (kept,) = (await backend.collections.list()).items
            assert (kept.readable_id, kept.connection_count) == ("default", 1)

    @pytest.mark.anyio
    async def test_taken_readable_id_is_a_conflict(self, backend: Backend) -> None:
        await create_collection(backend)
        with pytest.raises(Conflict) as caught:
            await create_collection(backend)
        assert caught.value.field == "readable_id"

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("name", "readable_id", "field"),
        [("abc", None, "name"), ("x" * 65, None, "name"), ("Docs", "Not OK", "readable_id")],
    )
    async def test_bad_collection_field_is_named(
        self, backend: Backend, name: str, readable_id: str | None, field: str
    ) -> None:
        with pytest.raises(InvalidInput) as caught:
            await backend.collections.create(NewCollection(name=name, readable_id=readable_id))
        assert caught.value.field == field

    @pytest.mark.anyio
    async def test_renamed_collection_keeps_its_readable_id_and_its_content(
        self, backend: Backend
    ) -> None:
        await create_collection(backend)
        made = await connect(backend)
        renamed = await backend.collections.update(COLLECTION, name="Renamed Docs")
        assert (renamed.name, renamed.readable_id) == ("Renamed Docs", COLLECTION)
        assert await backend.collections.get(COLLECTION) == renamed
        assert (await backend.connections.get(made.id)).readable_collection_id == COLLECTION
        with pytest.raises(InvalidInput) as caught:
            await backend.collections.update(COLLECTION, name="x")
        assert caught.value.field == "name"

    @pytest.mark.anyio
    async def test_deleted_collection_takes_its_connections_along(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend)
        await backend.collections.delete(COLLECTION)
        with pytest.raises(NotFound):
            await backend.connections.get(made.id)
        with pytest.raises(NotFound):
            await backend.collections.get(COLLECTION)


async def _use_and_fail(backend: Backend, *, connects: bool) -> None:
    """Open the default collection for something that fails, after it was put into it or before."""
    async with open_collection(backend.collections):
        if connects:
            await connect(backend, readable_collection_id="default")
        raise NotFound("It failed.")
