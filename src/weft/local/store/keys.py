"""The protocol of stored keys; see `base`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from weft.domain.keys import ApiKey


class KeyStore(Protocol):
    """Keys of principals; what is stored of a key is its digest. Also what is told of all jobs."""

    async def insert(self, key: ApiKey, digest: bytes) -> None:
        """Raises Conflict when a live key has the name."""
        ...

    async def list(self) -> Sequence[ApiKey]:
        """All, oldest first."""
        ...

    async def find(self, digest: bytes) -> ApiKey | None:
        """The live key with that digest."""
        ...

    async def revoke(self, name: str, now: datetime) -> ApiKey | None:
        """The key of that name is refused from now on; None when there is none."""
        ...

    async def job_counts(self) -> Mapping[str, int]:
        """How many jobs have each status, over all organisations."""
        ...
