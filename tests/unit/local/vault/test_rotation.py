"""Rotation: nothing becomes unreadable, whoever runs meanwhile and wherever it is interrupted."""

from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import anyio
import pytest

from tests.support.local.fixed_keys import FixedKeys
from tests.support.store.open import connect_here, open_store
from weft.domain.base import Json
from weft.errors import AuthenticationFailed, Conflict, StorageFailed
from weft.local.process_liveness import lock_file
from weft.local.store.vault import DataKeyStore, WrappedKey
from weft.local.vault.keys import KeySource, MasterKey
from weft.local.vault.rotation import forget_lost, rotate
from weft.local.vault.vault import Vault

pytestmark = pytest.mark.anyio

OWNERS = [f"owner-{number}" for number in range(250)]
BOUND = ("credentials", "https://api.example.com")


class Interrupted(Exception):
    """Stands for the end of the process."""


class InterruptedKeys(FixedKeys):
    """Keys whose process ends before or after they are replaced for the nth time."""

    def __init__(self, *keys: bytes, at: int, after: bool) -> None:
        super().__init__(*keys)
        self._left = at
        self._after = after

    def replace(self, keys: Sequence[MasterKey]) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Interrupted
        super().replace(keys)
        if self._left == 0:
            raise Interrupted


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[DataKeyStore]:
    opened = await open_store(tmp_path / "weft.db")
    try:
        yield opened.data_keys
    finally:
        await opened.close()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "rotation.lock"


async def _seal_all(vault: Vault, store: DataKeyStore, owners: Sequence[str]) -> dict[str, str]:
    return {owner: await vault.seal(store, "o", owner, {"owner": owner}, BOUND) for owner in owners}


async def _unseal_all(vault: Vault, store: DataKeyStore, texts: dict[str, str]) -> dict[str, Json]:
    return {owner: await vault.unseal(store, "o", owner, texts[owner], BOUND) for owner in texts}


async def test_all_opens_after_a_rotation_and_the_old_key_is_gone(
    store: DataKeyStore, lock: Path
) -> None:
    old = MasterKey.generate()
    source = FixedKeys(old.secret)
    running = Vault(source)
    texts = await _seal_all(running, store, OWNERS)
    done = await rotate(source, store, lock)
    assert (done.rewrapped, done.damaged, done.resumed) == (len(OWNERS), 0, False)
    assert [key.kid == old.kid for key in source.load()] == [False]
    wanted = {owner: {"owner": owner} for owner in OWNERS}
    # The vault that was running has only the old key in memory until it meets the new one's name.
    assert await _unseal_all(running, store, texts) == wanted
    assert await _unseal_all(Vault(source), store, texts) == wanted
    with pytest.raises(StorageFailed):
        await _unseal_all(Vault(FixedKeys(old.secret)), store, texts)


async def test_running_process_seals_by_the_new_key(store: DataKeyStore, lock: Path) -> None:
    source = FixedKeys(MasterKey.generate().secret)
    running = Vault(source)
    await _seal_all(running, store, OWNERS[:1])
    await rotate(source, store, lock)
    texts = await _seal_all(running, store, ["late"])
    key = await store.get("o", "late")
    assert key is not None
    assert key.master_kid == source.load()[0].kid
    assert await _unseal_all(Vault(source), store, texts) == {"late": {"owner": "late"}}


async def test_data_key_by_the_old_master_key_is_not_stored_once_a_rotation_began(
    store: DataKeyStore,
) -> None:
    source = FixedKeys(MasterKey.generate().secret)
    await _seal_all(Vault(source), store, OWNERS[:1])
    await store.begin_rotation("new")
    assert not await store.add(WrappedKey("o", "late", "kid", source.load()[0].kid, "text"))
    assert await store.get("o", "late") is None
    assert await store.add(WrappedKey("o", "late", "kid", "new", "text"))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2])
async def test_interrupted_rotation_leaves_all_readable_and_goes_on(
    store: DataKeyStore, lock: Path, at: int, after: bool
) -> None:
    source = InterruptedKeys(MasterKey.generate().secret, at=at, after=after)
    running = Vault(source)
    texts = await _seal_all(running, store, OWNERS)
    with pytest.raises(Interrupted):
        await rotate(source, store, lock)
    for vault in (running, Vault(source)):
        assert len(await _unseal_all(vault, store, texts)) == len(OWNERS)
    done = await rotate(source, store, lock)
    assert done.resumed == ((at, after) in {(1, True), (2, False)})
    assert len(source.load()) == 1
    for vault in (running, Vault(source)):
        assert len(await _unseal_all(vault, store, texts)) == len(OWNERS)


async def test_rotation_between_batches_is_read_by_old_and_new(
    store: DataKeyStore, lock: Path
) -> None:
    old, new = MasterKey.generate(), MasterKey.generate()
    running = Vault(FixedKeys(old.secret))
    texts = await _seal_all(running, store, OWNERS)
    both = FixedKeys(new.secret, old.secret)
    half = await store.find_wrapped_otherwise(new.kid, 100)
    assert len(half) == 100
    done = await rotate(both, store, lock)
    assert done.resumed
    # What was read before it was wrapped anew does not undo that.
    assert not await store.find_wrapped_otherwise(new.kid, 1)
    assert len(await _unseal_all(Vault(both), store, texts)) == len(OWNERS)


async def test_seals_and_rotations_at_once_lose_nothing(store: DataKeyStore, lock: Path) -> None:
    source = FixedKeys(MasterKey.generate().secret)
    running = Vault(source)
    texts: dict[str, str] = {}

    async def seal() -> None:
        for owner in OWNERS[:120]:
            texts.update(await _seal_all(running, store, [owner]))
            assert await _unseal_all(running, store, {owner: texts[owner]})

    async with anyio.create_task_group() as group:
        group.start_soon(seal)
        for _ in range(5):
            await rotate(source, store, lock)
    assert len(texts) == 120
    assert len(await _unseal_all(Vault(source), store, texts)) == 120


async def test_second_rotation_at_once_is_refused(store: DataKeyStore, lock: Path) -> None:
    lock.parent.mkdir()
    with lock.open("wb") as file:
        lock_file(file.fileno())
        with pytest.raises(Conflict, match="Another process"):
            await rotate(FixedKeys(MasterKey.generate().secret), store, lock)


@pytest.mark.parametrize("keys", [0, 1])
async def test_rotation_without_the_present_key_changes_nothing(
    store: DataKeyStore, lock: Path, keys: int
) -> None:
    source = FixedKeys(MasterKey.generate().secret)
    texts = await _seal_all(Vault(source), store, OWNERS[:3])
    other = FixedKeys(*[MasterKey.generate().secret for _ in range(keys)])
    before = other.load()
    with pytest.raises(StorageFailed, match="--forget-lost"):
        await rotate(other, store, lock)
    assert other.load() == before
    assert len(await _unseal_all(Vault(source), store, texts)) == 3


async def test_damaged_data_key_is_dropped_and_keeps_no_other_from_the_new_key(
    store: DataKeyStore, lock: Path, tmp_path: Path
) -> None:
    source = FixedKeys(MasterKey.generate().secret)
    texts = await _seal_all(Vault(source), store, OWNERS[:3])
    database = connect_here(str(tmp_path / "weft.db"))
    database.execute("UPDATE data_key SET wrapped = 'AAAA.AAAA' WHERE owner = ?", (OWNERS[1],))
    database.close()
    done = await rotate(source, store, lock)
    assert (done.rewrapped, done.damaged) == (2, 1)
    with pytest.raises(AuthenticationFailed):
        await _unseal_all(Vault(source), store, {OWNERS[1]: texts.pop(OWNERS[1])})
    assert len(await _unseal_all(Vault(source), store, texts)) == 2


@pytest.mark.parametrize("make", [FixedKeys, lambda: FixedKeys(MasterKey.generate().secret)])
async def test_lost_key_can_be_given_up(
    store: DataKeyStore, lock: Path, make: Callable[[], KeySource]
) -> None:
    texts = await _seal_all(Vault(FixedKeys(MasterKey.generate().secret)), store, OWNERS[:3])
    source = make()
    vault = Vault(source)
    with pytest.raises(StorageFailed):
        await vault.verify(store)
    assert await forget_lost(source, store, lock) == 3
    await vault.verify(store)
    with pytest.raises(AuthenticationFailed, match="again"):
        await _unseal_all(vault, store, texts)
    fresh = await _seal_all(vault, store, OWNERS[:3])
    assert len(await _unseal_all(vault, store, fresh)) == 3


async def test_giving_up_a_lost_key_keeps_what_the_present_ones_open(
    store: DataKeyStore, lock: Path
) -> None:
    source = FixedKeys(MasterKey.generate().secret)
    texts = await _seal_all(Vault(source), store, OWNERS[:3])
    assert await forget_lost(source, store, lock) == 0
    assert len(await _unseal_all(Vault(source), store, texts)) == 3
