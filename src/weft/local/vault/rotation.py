"""Replaces the master key while other processes go on using it.

It may be killed at any time, and everything stays readable: the old key is kept until the new one
wraps every data key. Running it again continues where it stopped.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from weft.errors import Conflict, KeyUnavailable, StorageFailed
from weft.local.process_liveness import lock_file
from weft.local.store.vault import DataKeyStore, WrappedKey
from weft.local.vault.envelope import unwrap, wrap
from weft.local.vault.keys import KeySource, MasterKey
from weft.local.vault.vault import LOST_HINT

REWRAP_BATCH = 100


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation.

    ``damaged`` counts data keys that were dropped because no key opened them. ``resumed``: it
    finished an interrupted rotation.
    """

    rewrapped: int
    damaged: int
    resumed: bool


async def rotate(source: KeySource, store: DataKeyStore, lock: Path) -> Rotation:
    """Wrap all data keys by a new master key and forget the old one.

    Raises Conflict while another process rotates, KeyUnavailable when the current key is lost.
    """
    async with _hold_lock(lock):
        keys = list(await anyio.to_thread.run_sync(source.load))
        await _refuse_lost(keys, store)
        resumed = len(keys) > 1
        if not resumed:
            keys.insert(0, MasterKey.generate())
            await anyio.to_thread.run_sync(source.replace, keys)
        new, known = keys[0], {key.kid: key for key in keys}
        # From here on the store refuses data keys that are wrapped by the old key.
        await store.begin_rotation(new.kid)
        count = damaged = 0
        while stored := await store.find_wrapped_otherwise(new.kid, REWRAP_BATCH):
            pairs = [(key, _rewrap(key, known, new)) for key in stored]
            await store.rewrap([fresh for _, fresh in pairs if fresh is not None])
            for key, fresh in pairs:
                if fresh is None:
                    await store.drop(key.organization_id, key.owner)
                    damaged += 1
            count += len(stored)
        await anyio.to_thread.run_sync(source.replace, [new])
        return Rotation(count - damaged, damaged, resumed)


async def forget_lost(source: KeySource, store: DataKeyStore, lock: Path) -> int:
    """Drop the data keys that no available master key opens; return how many.

    Everything that they sealed is lost, as their master key is.
    """
    async with _hold_lock(lock):
        keys = await anyio.to_thread.run_sync(source.load)
        if not keys:
            keys = await anyio.to_thread.run_sync(source.create)
        return await store.forget([key.kid for key in keys], keys[0].kid)


def _rewrap(stored: WrappedKey, known: dict[str, MasterKey], new: MasterKey) -> WrappedKey | None:
    old = known.get(stored.master_kid)
    if old is None:
        raise KeyUnavailable("A data key was wrapped by a key that is not there.", hint=LOST_HINT)
    key = unwrap(old, stored)
    if key is None:
        return None
    return wrap(new, stored.organization_id, stored.owner, stored.kid, key)


async def _refuse_lost(keys: list[MasterKey], store: DataKeyStore) -> None:
    kid = await store.master_kid()
    if kid is not None and kid not in {key.kid for key in keys} and await store.any():
        raise KeyUnavailable("The present master key is not there.", hint=LOST_HINT)


@asynccontextmanager
async def _hold_lock(lock: Path) -> AsyncGenerator[None]:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StorageFailed(
            f"{lock} cannot be written: {error.strerror}.", hint="Restore its permissions."
        ) from None
    try:
        try:
            lock_file(descriptor)
        except OSError:
            raise Conflict(
                "Another process rotates the master key now.", hint="Wait until it has ended."
            ) from None
        yield
    finally:
        os.close(descriptor)
