"""Reads the audit, and records refused attempts, which change nothing else."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from weft.domain.access.acting import current_actor
from weft.domain.access.audit import AuditEntry
from weft.errors import NotFound, WeftError
from weft.local.resolve import find_connection
from weft.local.store.audit import AuditStore
from weft.local.store.base import Store

REFUSED_EVERY_SECONDS = 60.0
_REMEMBERED = 1000

logger = logging.getLogger(__name__)


class LocalAudit:
    """The audit of one database, for operators to read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(
        self,
        *,
        organization_id: str,
        connection: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[AuditEntry]:
        """List entries of all organisations, newest first.

        ``connection`` is the name, id or id prefix of one of the organisation's connections, or the
        id of a deleted one. Raises NotFound if none fits, Ambiguous if several do.
        """
        wanted = None if connection is None else await self._resolve_id(organization_id, connection)
        return await self._store.audit.list(connection_id=wanted, since=since, limit=limit)

    async def _resolve_id(self, organization_id: str, connection: str) -> str:
        try:
            return (await find_connection(self._store, organization_id, connection)).id
        except NotFound:
            # A deleted connection is not found, but its rows are still there under its id.
            wanted = connection.strip().lower()
            if await self._store.audit.list(connection_id=wanted, since=None, limit=1):
                return wanted
            raise


class Refusals:
    """Records attempts that were refused; one object in each process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[tuple[str, ...], float] = {}

    async def record(
        self, store: AuditStore, organization_id: str, kind: str, target_id: str, reason: str
    ) -> None:
        """Record an attempt, at most one of a kind per minute, so that nobody fills the disk."""
        actor = current_actor()
        key = (organization_id, actor.principal, actor.operation, kind, target_id, reason)
        now = self._clock()
        if now - self._seen.get(key, -math.inf) < REFUSED_EVERY_SECONDS:
            return
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[key] = now
        entry = AuditEntry(
            at=datetime.now(UTC),
            organization_id=organization_id,
            principal=actor.principal,
            transport=actor.transport,
            operation=actor.operation,
            action="refused",
            target_kind=kind,
            target_id=target_id,
            arguments_digest=actor.digest(),
            outcome=reason,
        )
        try:
            await store.append(entry)
        except WeftError as error:
            # The attempt is still refused, and the caller must hear that.
            logger.warning("cannot record a refusal: %s", error)
