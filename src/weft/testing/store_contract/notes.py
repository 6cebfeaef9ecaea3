"""Notes for a remote API: found until they expire, worked on by one, gone with their data keys."""

from dataclasses import replace
from datetime import timedelta

import pytest

from weft.local.store.base import Store
from weft.local.store.notes import NoteRow
from weft.local.store.vault import WrappedKey
from weft.testing.store_contract.support import ORGANIZATION, PassTime

HERE = "https://api.example.com"
HOUR = timedelta(hours=1)


async def make_note(store: Store, note_id: str = "n1", *, hours: int = 1) -> NoteRow:
    row = NoteRow(
        scope=HERE,
        kind="claim",
        id=note_id,
        organization_id=ORGANIZATION,
        owner=f"note {note_id}",
        sealed="sealed",
        link=note_id.encode(),
        expires_at=await store.now() + hours * HOUR,
    )
    await store.data_keys.add(WrappedKey(ORGANIZATION, row.owner, note_id, "m1", "wrapped"))
    await store.notes.put(row)
    return row


class NoteContract:
    """Keeping, leasing and dropping notes."""

    @pytest.mark.anyio
    async def test_note_is_found_in_its_scope_until_it_expires(
        self, store: Store, pass_time: PassTime
    ) -> None:
        notes, row = store.notes, await make_note(store)
        assert await notes.get(HERE, "claim", "n1") == row
        assert await notes.by_link(HERE, b"n1") == row
        assert list(await notes.list(HERE, "claim")) == [row]
        assert await notes.get("https://other.example", "claim", "n1") is None
        assert await notes.by_link("https://other.example", b"n1") is None
        assert list(await notes.list(HERE, "draft")) == []
        pass_time(HOUR)
        assert await notes.get(HERE, "claim", "n1") is None
        assert await notes.by_link(HERE, b"n1") is None
        assert list(await notes.list(HERE, "claim")) == []

    @pytest.mark.anyio
    async def test_replaced_note_has_another_link(self, store: Store) -> None:
        row = await make_note(store)
        await store.notes.put(replace(row, link=None, sealed="other"))
        assert await store.notes.by_link(HERE, b"n1") is None
        found = await store.notes.get(HERE, "claim", "n1")
        assert found is not None
        assert found.sealed == "other"

    @pytest.mark.anyio
    async def test_note_goes_with_its_data_key(self, store: Store, pass_time: PassTime) -> None:
        await make_note(store)
        assert await store.notes.drop(HERE, "claim", "n1")
        assert not await store.notes.drop(HERE, "claim", "n1")
        assert await store.data_keys.get(ORGANIZATION, "note n1") is None
        await make_note(store, "n2")
        pass_time(HOUR)
        await make_note(store, "n3")
        assert await store.data_keys.get(ORGANIZATION, "note n2") is None
        assert await store.data_keys.get(ORGANIZATION, "note n3") is not None

    @pytest.mark.anyio
    async def test_one_at_a_time_works_on_a_note(self, store: Store, pass_time: PassTime) -> None:
        notes, minute = store.notes, timedelta(minutes=1)
        place = (HERE, "claim", "n1")
        assert not await notes.lease(*place, holder="a", duration=minute)
        await make_note(store)
        assert await notes.lease(*place, holder="a", duration=minute)
        assert await notes.lease(*place, holder="a", duration=minute), "it extends its own"
        assert not await notes.lease(*place, holder="b", duration=minute)
        await notes.release(*place, holder="b")
        assert not await notes.lease(*place, holder="b", duration=minute)
        await notes.release(*place, holder="a")
        assert await notes.lease(*place, holder="b", duration=minute)
        pass_time(minute)
        assert await notes.lease(*place, holder="a", duration=minute), "the lease ran out"
