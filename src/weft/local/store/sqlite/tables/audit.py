"""The audit on SQLite: a change and its audit row are one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from weft.domain.access.acting import Actor, current_actor
from weft.domain.access.audit import DONE, AuditEntry
from weft.local.store.audit import AuditStore
from weft.local.store.sqlite.file.database import Database
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.tables.rows import Row, Table, has_row, select
from weft.local.store.values import micros, micros_or_none, moment

P = ParamSpec("P")
R = TypeVar("R")

_NO_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Target:
    """The object of a change, and the connection that it belongs to, if any.

    ``organization_id`` is empty for an object that belongs to all.
    """

    kind: str
    id: str
    organization_id: str
    connection_id: str | None = None


def connection_target(organization_id: str, connection_id: str) -> Target:
    """Return the target of a change of a connection."""
    return Target("connection", connection_id, organization_id, connection_id)


class SqliteAudit(Table, AuditStore):
    async def append(self, entry: AuditEntry) -> None:
        values = entry.model_dump() | {"at": micros(entry.at)}
        await self._database.write_relaxed(_insert, values)

    async def list(
        self, *, connection_id: str | None, since: datetime | None, limit: int
    ) -> Sequence[AuditEntry]:
        values: dict[str, Any] = {"since": micros_or_none(since), "limit": limit, "before": _NO_MAX}
        if connection_id is None:
            return await self._database.read(select, _to_entry, values, "audit_list")
        values["connection_id"] = connection_id
        return await self._database.read(select, _to_entry, values, "audit_list_of_connection")

    async def prune(self, kept: timedelta, limit: int) -> int:
        values = {"before": micros(self._database.clock() - kept), "limit": limit}
        if not await self._database.read(has_row, "audit_any_before", {"before": values["before"]}):
            return 0
        return await self._database.write_relaxed(_prune, values)


@dataclass(frozen=True, slots=True)
class Stamp:
    """The actor of a change, and the time by the store's clock."""

    actor: Actor
    at: int


def stamp(database: Database) -> Stamp:
    """Stamp a change. Call it on the caller's thread, because only that one knows the actor."""
    return Stamp(current_actor(), database.now())


async def write_audited(
    database: Database,
    action: str,
    target: Target,
    work: Callable[Concatenate[Session, P], R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Run ``work`` and record it, in one transaction, unless it returns False or None."""

    def run(db: Session, by: Stamp) -> R:
        result = work(db, *args, **kwargs)
        if not _is_nothing(result):
            record(db, by, action, target)
        return result

    return await database.write(run, stamp(database))


def record(db: Session, by: Stamp, action: str, target: Target) -> None:
    """Write a row within the caller's transaction."""
    values = {
        "at": by.at,
        "organization_id": target.organization_id,
        "principal": by.actor.principal,
        "transport": by.actor.transport,
        "operation": by.actor.operation,
        "action": action,
        "target_kind": target.kind,
        "target_id": target.id,
        "connection_id": target.connection_id,
        "arguments_digest": by.actor.digest(),
        "outcome": DONE,
    }
    _insert(db, values)


def _is_nothing(result: object) -> bool:
    return result is None or result is False


def _insert(db: Session, values: dict[str, Any]) -> None:
    db.execute(queries()["audit_insert"], values)


def _prune(db: Session, values: dict[str, Any]) -> int:
    return sum(1 for _ in db.execute(queries()["audit_prune"], values))


def _to_entry(row: Row) -> AuditEntry:
    values: dict[str, Any] = {key: value for key, value in row.items() if key != "no"}
    values["at"] = moment(row["at"])
    return AuditEntry(**values)
