"""Seals and unseals JSON objects; each owner has a data key of its own."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import anyio.to_thread

from weft.domain.base import Json
from weft.errors import AuthenticationFailed, KeyUnavailable
from weft.local.store.vault import DataKeyStore, WrappedKey
from weft.local.vault.envelope import is_sealed_by, new_data_key, seal, unseal, unwrap
from weft.local.vault.keys import KEY_FILE_NAME, KeyFile, KeySource, MasterKey

LOST_HINT = (
    "Look with `weft doctor`. Restore the key, or the setting that named it (WEFT_MASTER_KEY_FILE, "
    "WEFT_KEYRING, WEFT_MASTER_KEY). If it is lost for good, `weft keys rotate-master "
    "--forget-lost` drops what only it opens, and credentials are to be given again."
)
# A rotation may replace a key between two reads, but hardly twice.
_ATTEMPTS = 5


class Vault:
    """The master keys of this process. Other processes may rotate them at any time."""

    def __init__(self, source: KeySource) -> None:
        self.source = source
        self._keys: dict[str, MasterKey] = {}

    @classmethod
    def open(cls, folder: Path) -> "Vault":
        """Use the key file in ``folder``, which is created when something is first sealed.

        Raises KeyUnavailable when the file cannot be read, is damaged, or is readable by others.
        """
        return cls.over(KeyFile(folder / KEY_FILE_NAME))

    @classmethod
    def over(cls, source: KeySource) -> "Vault":
        """Use the keys of ``source``. Raises KeyUnavailable as the source does."""
        vault = cls(source)
        vault.load()
        return vault

    def load(self) -> Sequence[MasterKey]:
        """Read the master keys again. Blocks. Raises KeyUnavailable."""
        return self._remember(self.source.load())

    async def verify(self, store: DataKeyStore) -> None:
        """Raise KeyUnavailable if there are data keys but not the master key that opens them."""
        for _ in range(_ATTEMPTS):  # A rotation may end between the two reads.
            kid = await store.master_kid()
            if kid is None or await self._find_master(kid) is not None or not await store.any():
                return
        raise self._lost_error()

    async def require(self, kid: str) -> None:
        """Raise KeyUnavailable if there is no master key with that id."""
        if await self._find_master(kid) is None:
            raise self._lost_error()

    async def seal(
        self,
        store: DataKeyStore,
        organization_id: str,
        owner: str,
        secret: Json,
        bound_to: tuple[str, ...],
    ) -> str:
        """Encrypt so that it opens only for this owner and with the same ``bound_to``.

        Creates the owner's data key, and a first master key, if there is none. Raises
        KeyUnavailable when the master key is lost.
        """
        kid, key = await self._ensure_data_key(store, organization_id, owner)
        plain = json.dumps(secret, separators=(",", ":")).encode()
        return seal(kid, key, plain, (organization_id, owner, *bound_to))

    async def unseal(
        self,
        store: DataKeyStore,
        organization_id: str,
        owner: str,
        text: str,
        bound_to: tuple[str, ...],
    ) -> Json:
        """Decrypt. Raises AuthenticationFailed if the owner, the binding or the text has changed,
        KeyUnavailable when the master key is lost.
        """
        found = await self._load_data_key(store, organization_id, owner)
        if found is not None:
            kid, key = found
            plain = unseal(kid, key, text, (organization_id, owner, *bound_to))
            if plain is not None:
                return cast("Json", json.loads(plain))
        raise AuthenticationFailed(
            "The stored credentials cannot be opened: the key or the endpoint changed.",
            hint="Give the credentials again with authorize_connection.",
        )

    async def is_lost(
        self, store: DataKeyStore, organization_id: str, owner: str, text: str
    ) -> bool:
        """Tell whether the data key that sealed a text is gone, so that nothing opens it."""
        stored = await store.get(organization_id, owner)
        return stored is None or not is_sealed_by(stored.kid, text)

    async def _ensure_data_key(
        self, store: DataKeyStore, organization_id: str, owner: str
    ) -> tuple[str, bytes]:
        for _ in range(_ATTEMPTS):
            found = await self._load_data_key(store, organization_id, owner)
            if found is not None:
                return found
            master = await self._ensure_master(store)
            wrapped, _ = new_data_key(master, organization_id, owner)
            # The next round finds the stored key, whether ours or another process's.
            await store.add(wrapped)
        raise self._lost_error()

    async def _load_data_key(
        self, store: DataKeyStore, organization_id: str, owner: str
    ) -> tuple[str, bytes] | None:
        for _ in range(_ATTEMPTS):
            stored = await store.get(organization_id, owner)
            if stored is None:
                return None
            master = await self._find_master(stored.master_kid)
            if master is not None:
                return stored.kid, _unwrap(master, stored)
            # After we read it, a rotation may have rewrapped it and removed the old key.
        raise self._lost_error()

    async def _ensure_master(self, store: DataKeyStore) -> MasterKey:
        kid = await store.master_kid()
        if kid is not None:
            master = await self._find_master(kid)
            if master is not None:
                return master
            if await store.any():
                raise self._lost_error()
        keys = await anyio.to_thread.run_sync(self.source.load)
        if not keys:
            keys = await anyio.to_thread.run_sync(self.source.create)
        self._remember(keys)
        if kid is not None and kid not in self._keys:
            # Nothing is sealed, so the missing key is no loss.
            await store.forget(list(self._keys), keys[0].kid)
        return keys[0]

    async def _find_master(self, kid: str) -> MasterKey | None:
        if kid not in self._keys:
            await anyio.to_thread.run_sync(self.load)
        return self._keys.get(kid)

    def _remember(self, keys: Sequence[MasterKey]) -> Sequence[MasterKey]:
        self._keys = {key.kid: key for key in keys}
        return keys

    def _lost_error(self) -> KeyUnavailable:
        return KeyUnavailable(
            f"The master key in {self.source.where} is missing, or is not the one that the stored "
            "credentials were sealed with.",
            hint=LOST_HINT,
        )


def _unwrap(master: MasterKey, stored: WrappedKey) -> bytes:
    key = unwrap(master, stored)
    if key is None:
        raise AuthenticationFailed(
            "The stored data key cannot be opened: it was changed, or belongs elsewhere.",
            hint="Give the credentials again with authorize_connection.",
        )
    return key
