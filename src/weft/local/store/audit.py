"""The protocol of the stored audit; see `base`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from weft.domain.access.audit import AuditEntry


class AuditStore(Protocol):
    """Rows of the audit. A change writes its own row, in the same transaction."""

    async def append(self, entry: AuditEntry) -> None:
        """Record an event that changed nothing, such as a refusal."""
        ...

    async def list(
        self, *, connection_id: str | None, since: datetime | None, limit: int
    ) -> Sequence[AuditEntry]:
        """List rows of all organisations, or of one connection, deleted or not; newest first."""
        ...

    async def prune(self, kept: timedelta, limit: int) -> int:
        """Drop up to ``limit`` rows older than ``kept``; return how many."""
        ...
