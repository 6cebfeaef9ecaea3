"""Collections on SQLite."""

import uuid
from collections.abc import Sequence
from typing import Any

import apsw

from weft.domain.base import Page
from weft.domain.collections import Collection
from weft.errors import Conflict
from weft.local.store.base import CollectionStore
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.tables.audit import Target, write_audited
from weft.local.store.sqlite.tables.rows import (
    Table,
    has_row,
    read_page,
    row_before,
    rows,
    select,
    to_collection,
)

_LIST = "collection_list"


class SqliteCollections(Table, CollectionStore):
    async def insert(self, organization_id: str, *, readable_id: str, name: str) -> Collection:
        collection_id = str(uuid.uuid4())
        values = {
            "id": collection_id,
            "organization_id": organization_id,
            "readable_id": readable_id,
            "name": name,
            "now": self._database.now(),
        }
        target = Target("collection", collection_id, organization_id)
        return await write_audited(self._database, "create", target, _insert, values)

    async def find(self, organization_id: str, text: str) -> Sequence[Collection]:
        values = {"organization_id": organization_id, "text": text}
        return await self._database.read(_select, "collection_find", values)

    async def list(
        self, organization_id: str, *, cursor: str | None, limit: int
    ) -> Page[Collection]:
        values: dict[str, Any] = {"organization_id": organization_id, "limit": limit + 1}
        values["before"] = row_before(cursor, _LIST, values)
        return await self._database.read(
            read_page, to_collection, values, "collection_columns", _LIST
        )

    async def rename(self, collection: Collection, name: str) -> bool:
        values = {"id": collection.id, "name": name, "now": self._database.now()}
        return await self._database.write(has_row, "collection_rename", values)

    async def connection_ids(self, collection: Collection) -> Sequence[str]:
        return await self._database.read(_connection_ids, collection.id)


def number_of(db: Session, collection_id: str) -> int | None:
    """Look up the internal number of a collection; None when it is gone."""
    return db.execute(queries()["collection_no"], {"id": collection_id}).get


def readable_id_conflict() -> Conflict:
    """Return the error for a readable id that another collection has."""
    return Conflict(
        "A collection with that readable_id exists already.",
        field="readable_id",
        hint="Use the existing one, or choose another readable_id.",
    )


def _insert(db: Session, values: dict[str, Any]) -> Collection:
    try:
        db.execute(queries()["collection_insert"], values)
        return _select(db, "collection_by_id", values)[0]
    except apsw.ConstraintError:
        raise readable_id_conflict() from None


def _select(db: Session, tail: str, values: dict[str, Any]) -> list[Collection]:
    return select(db, to_collection, values, "collection_columns", tail)


def _connection_ids(db: Session, collection_id: str) -> list[str]:
    values = {"collection_no": number_of(db, collection_id)}
    return [row["id"] for row in rows(db, queries()["connection_ids_of_collection"], values)]
