"""The protocol of stored keys; see `base`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from weft.domain.access.keys import ApiKey


class KeyStore(Protocol):
    """Keys of principals, of which only digests are stored; and a count of all jobs."""

    async def insert(self, key: ApiKey, digest: bytes) -> None:
        """Add one. Raises Conflict when a live key has the name."""
        ...

    async def list(self) -> Sequence[ApiKey]:
        """List all, oldest first."""
        ...

    async def find(self, digest: bytes) -> ApiKey | None:
        """Find the live key with that digest."""
        ...

    async def revoke(self, name: str) -> ApiKey | None:
        """Refuse the key of that name from now on; None when there is none."""
        ...

    async def job_counts(self) -> Mapping[str, int]:
        """Count jobs by status, over all organisations."""
        ...
