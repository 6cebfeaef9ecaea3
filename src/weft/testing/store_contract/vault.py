"""Data keys and named secrets: no text opens once the key that sealed it is deleted."""

import pytest

from weft.local.store.base import Store
from weft.local.store.vault import SecretRow, WrappedKey
from weft.testing.store_contract.support import ORGANIZATION, make_connection


def make_key(owner: str, master_kid: str = "m1") -> WrappedKey:
    return WrappedKey(ORGANIZATION, owner, f"kid of {owner}", master_kid, "wrapped")


class VaultContract:
    """Adding, rewrapping and dropping keys."""

    @pytest.mark.anyio
    async def test_first_key_decides_the_master_key(self, store: Store) -> None:
        keys = store.data_keys
        assert (await keys.master_kid(), await keys.any()) == (None, False)
        assert await keys.add(make_key("a"))
        assert (await keys.master_kid(), await keys.any()) == ("m1", True)
        assert not await keys.add(make_key("b", "m2"))
        assert await keys.get(ORGANIZATION, "b") is None
        await keys.add(WrappedKey(ORGANIZATION, "a", "another", "m1", "other"))
        assert await keys.get(ORGANIZATION, "a") == make_key("a"), "the owner's first key stays"

    @pytest.mark.anyio
    async def test_rotation_wraps_every_key_anew(self, store: Store) -> None:
        keys = store.data_keys
        for owner in "abc":
            await keys.add(make_key(owner))
        await keys.begin_rotation("m2")
        assert not await keys.add(make_key("late"))
        while found := await keys.find_wrapped_otherwise("m2", 2):
            await keys.rewrap([make_key(key.owner, "m2") for key in found])
        assert await keys.get(ORGANIZATION, "c") == make_key("c", "m2")

    @pytest.mark.anyio
    async def test_keys_that_no_known_master_opens_are_forgotten(self, store: Store) -> None:
        keys = store.data_keys
        await keys.add(make_key("a"))
        await keys.begin_rotation("m2")
        await keys.add(make_key("b", "m2"))
        assert await keys.forget(["m2"], "m2") == 1
        assert await keys.get(ORGANIZATION, "a") is None
        assert await keys.get(ORGANIZATION, "b") is not None

    @pytest.mark.anyio
    async def test_key_goes_with_its_owner(self, store: Store) -> None:
        made = await make_connection(store)
        secret = SecretRow(ORGANIZATION, "s", ("github",), ("h",), "sealed", await store.now())
        await store.secrets.put(secret)
        for owner in (made.id, "secret owner", "third"):
            assert await store.data_keys.add(make_key(owner))
        await store.trash.delete_connection(ORGANIZATION, made.id)
        assert list(await store.secrets.list(ORGANIZATION)) == [secret]
        assert await store.secrets.get(ORGANIZATION, "s") == secret
        assert await store.secrets.delete(ORGANIZATION, "s", "secret owner")
        assert not await store.secrets.delete(ORGANIZATION, "s", "secret owner")
        await store.data_keys.drop(ORGANIZATION, "third")
        assert not await store.data_keys.any()
