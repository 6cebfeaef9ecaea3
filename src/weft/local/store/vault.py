"""The protocols of the vault's data keys and secrets; see `base`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """An owner's data key, which only the master key named ``master_kid`` opens."""

    organization_id: str
    owner: str
    kid: str
    master_kid: str
    wrapped: str


class DataKeyStore(Protocol):
    """Wrapped data keys, and the name of the master key that wraps new ones."""

    async def master_kid(self) -> str | None:
        """Return the name of the master key that wraps new data keys; None if there is none yet."""
        ...

    async def any(self) -> bool:
        """Return whether there are data keys, and so something sealed."""
        ...

    async def get(self, organization_id: str, owner: str) -> WrappedKey | None:
        """Get the key of one owner."""
        ...

    async def add(self, key: WrappedKey) -> bool:
        """Store it, unless the owner has one. The first key of all decides the master key.

        False, and nothing is stored, if new keys must use another master key.
        """
        ...

    async def drop(self, organization_id: str, owner: str) -> None:
        """Delete the owner's key: what it has sealed can never be opened again."""
        ...

    async def begin_rotation(self, master_kid: str) -> None:
        """Wrap new data keys by this master key from now on."""
        ...

    async def find_wrapped_otherwise(self, master_kid: str, limit: int) -> Sequence[WrappedKey]:
        """List up to ``limit`` keys that another master key has wrapped."""
        ...

    async def rewrap(self, keys: Sequence[WrappedKey]) -> None:
        """Store the keys with their new wrapping, if they are still there."""
        ...

    async def forget(self, known: Collection[str], master_kid: str) -> int:
        """Drop keys that none of the ``known`` master keys opens; return how many."""
        ...


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A named secret with its sealed value."""

    organization_id: str
    name: str
    sources: tuple[str, ...]
    hosts: tuple[str, ...]
    sealed: str
    modified_at: datetime


class SecretStore(Protocol):
    """Secrets that operators named."""

    async def put(self, row: SecretRow) -> None:
        """Store or replace it."""
        ...

    async def get(self, organization_id: str, name: str) -> SecretRow | None:
        """Get one of an organisation."""
        ...

    async def list(self, organization_id: str) -> Sequence[SecretRow]:
        """List all of an organisation, by name."""
        ...

    async def delete(self, organization_id: str, name: str, owner: str) -> bool:
        """Remove it with the data key of ``owner``; False if it was gone."""
        ...
