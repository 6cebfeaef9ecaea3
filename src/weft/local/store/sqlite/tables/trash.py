"""Deleted connections and collections on SQLite: out of sight, restored, or purged step by step."""

from array import array
from collections.abc import Collection as Ids
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import apsw

from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.jobs import JobStatus
from weft.errors import Conflict
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.audit import (
    Stamp,
    Target,
    connection_target,
    record,
    stamp,
)
from weft.local.store.sqlite.tables.collections import readable_id_conflict
from weft.local.store.sqlite.tables.jobs import count_end
from weft.local.store.sqlite.tables.rows import (
    Row,
    Table,
    has_row,
    read_value,
    rows,
    select,
    to_collection,
    to_connection,
)
from weft.local.store.sqlite.tables.vault import drop_data_key
from weft.local.store.trash import FOR_GOOD, TakenBack, TrashStore
from weft.local.store.values import MICROSECOND, moment_or_none

_ANY = "connection_columns", "connection_from_any"


class SqliteTrash(Table, TrashStore):
    async def delete_connection(
        self, organization_id: str, connection_id: str, *, keep_for: timedelta = FOR_GOOD
    ) -> Connection | None:
        values = {"organization_id": organization_id, "id": connection_id}
        by = stamp(self._database)
        return await self._database.write(_delete_connection, values, _until(by, keep_for), by)

    async def delete_collection(
        self, collection: Collection, connection_ids: Ids[str], *, keep_for: timedelta = FOR_GOOD
    ) -> Collection | None:
        by = stamp(self._database)
        known = frozenset(connection_ids)
        return await self._database.write(
            _delete_collection, collection, known, _until(by, keep_for), by
        )

    async def find_connections(
        self, organization_id: str, text: str | None = None, *, limit: int
    ) -> Sequence[Connection]:
        values = self._find_values(organization_id, text, limit)
        names = *_ANY, "connection_restorable"
        return await self._database.read(select, to_connection, values, *names)

    async def find_collections(
        self, organization_id: str, text: str | None = None, *, limit: int
    ) -> Sequence[Collection]:
        values = self._find_values(organization_id, text, limit)
        return await self._database.read(select, to_collection, values, "collection_restorable")

    def _find_values(self, organization_id: str, text: str | None, limit: int) -> dict[str, Any]:
        return {
            "organization_id": organization_id,
            "text": text,
            "limit": limit,
            "now": self._database.now(),
        }

    async def restore(self, found: Connection | Collection, readable_id: str) -> TakenBack | None:
        restore = _restore_connection if isinstance(found, Connection) else _restore_collection
        values = {
            "id": found.id,
            "organization_id": found.organization_id,
            "readable_id": readable_id,
            "now": self._database.now(),
        }
        return await self._database.write(restore, values, stamp(self._database))

    async def purge(self, limit: int) -> int:
        values = {"now": self._database.now(), "limit": limit}
        if not await self._database.read(has_row, "purge_any", {"now": values["now"]}):
            return 0
        return await self._database.write_relaxed(_purge, values, stamp(self._database))


def _until(by: Stamp, keep_for: timedelta) -> int | None:
    """Return the time until which something can be restored that is deleted now; None if never."""
    return by.at + keep_for // MICROSECOND if keep_for else None


def _delete_connection(
    db: Session, values: dict[str, Any], until: int | None, by: Stamp
) -> Connection | None:
    row = next(rows(db, queries()["trash_any_connection"], values | _reach(until)), None)
    if row is None:
        return None
    [found] = select(db, to_connection, values, *_ANY, "connection_by_id")
    _put_connection(db, row, until, by)
    return found.model_copy(update={"restorable_until": moment_or_none(until)})


def _delete_collection(
    db: Session, collection: Collection, known: frozenset[str], until: int | None, by: Stamp
) -> Collection | None:
    reach = _reach(until)
    number = read_value(db, "trash_any_collection", {"id": collection.id} | reach)
    if number is None:
        return None
    inside = {"no": number} | reach
    held = list(rows(db, queries()["trash_connections_of_collection"], inside))
    if any(row["is_live"] and row["id"] not in known for row in held):
        raise Conflict("The collection got a new connection meanwhile.", hint="Try again.")
    entities = read_value(db, "trash_count_entities", inside)
    for row in held:
        _put_connection(db, row, until, by)
    values = {"no": number, "now": by.at, "until": until}
    db.execute(queries()["trash_put_collection"], values)
    record(db, by, "delete", Target("collection", collection.id, collection.organization_id))
    counts = {"connection_count": len(held), "entity_count": entities}
    return collection.model_copy(update={**counts, "restorable_until": moment_or_none(until)})


def _reach(until: int | None) -> dict[str, bool]:
    return {"for_good": until is None}


def _put_connection(
    db: Session, row: Row, until: int | None, by: Stamp, action: str = "delete"
) -> None:
    """Put a connection out of sight, and end its job."""
    values = {"no": row["no"], "now": by.at}
    for job in rows(db, queries()["trash_end_jobs"], values):
        count_end(db, job["no"], row["no"], JobStatus.CANCELLED)
    db.execute(queries()["trash_put_connection"], values | {"until": until})
    db.execute(queries()["trash_drop_session"], {"no": row["no"]})
    if until is None:
        # A refresh that is under way may store nothing more.
        db.execute(queries()["token_lease_revoke"], {"no": row["no"]})
        drop_data_key(db, row["organization_id"], row["id"])
    record(db, by, action, connection_target(row["organization_id"], row["id"]))


def _restore_connection(db: Session, values: dict[str, Any], by: Stamp) -> TakenBack | None:
    collection = next(rows(db, queries()["trash_find_collection_of"], values), None)
    if collection is None:
        return None
    with_it = TakenBack(())
    if collection["deleted_at"] is not None:
        with_it = _take_collection(db, collection, values, by)
    taken_now = _take(db, "trash_take_connection", values, by)
    return TakenBack((*taken_now, *with_it.connection_ids), with_it.collection_id)


def _restore_collection(db: Session, values: dict[str, Any], by: Stamp) -> TakenBack | None:
    collection = next(rows(db, queries()["trash_find_collection"], values), None)
    return None if collection is None else _take_collection(db, collection, values, by)


def _take_collection(db: Session, collection: Row, values: dict[str, Any], by: Stamp) -> TakenBack:
    try:
        named = {"no": collection["no"], "readable_id": values["readable_id"]}
        db.execute(queries()["trash_take_collection"], named)
    except apsw.ConstraintError:
        raise readable_id_conflict() from None
    record(db, by, "restore", Target("collection", collection["id"], collection["organization_id"]))
    place = {**collection, "now": values["now"]}
    return TakenBack(_take(db, "trash_take_connections", place, by), collection["id"])


def _take(db: Session, query: str, values: dict[str, Any], by: Stamp) -> list[str]:
    found = list(rows(db, queries()[query], values))
    for row in found:
        record(db, by, "restore", connection_target(row["organization_id"], row["id"]))
    return [row["id"] for row in found]


def _purge(db: Session, values: dict[str, int], by: Stamp) -> int:
    row = next(rows(db, queries()["purge_connection"], {"now": values["now"]}), None)
    if row is None:
        return sum(1 for _ in db.execute(queries()["purge_collections"], values))
    if row["restorable_until"] is not None:
        # From here on nobody can restore it, whoever goes on with the purge.
        _put_connection(db, row, None, by, "purge")
    part = {"no": row["no"], "limit": values["limit"]}
    # In order, as the index writes a segment whenever a number is lower than the last.
    doomed = array("q", sorted(no for (no,) in db.execute(queries()["purge_entities"], part)))
    if doomed:
        for step in ("index_delete", "body_delete", "entity_delete"):
            db.execute(queries()[step], {"nos": carray(doomed)})
    if len(doomed) < values["limit"]:
        for step in ("purge_types", "purge_row"):
            db.execute(queries()[step], {"no": row["no"]})
    return max(len(doomed), 1)
