"""Master keys in memory."""

from collections.abc import Sequence

from weft.local.vault.keys import KeySource, MasterKey


class FixedKeys(KeySource):
    """Keys in memory, for tests and tools."""

    def __init__(self, *keys: bytes) -> None:
        self.where = "memory"
        self._keys = tuple(MasterKey(key) for key in keys)

    def load(self) -> Sequence[MasterKey]:
        return self._keys

    def create(self) -> Sequence[MasterKey]:
        self._keys = self._keys or (MasterKey.generate(),)
        return self._keys

    def replace(self, keys: Sequence[MasterKey]) -> None:
        self._keys = tuple(keys)
