"""Data keys and named secrets on SQLite."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.audit import Stamp, Target, record, stamp, write_audited
from weft.local.store.sqlite.tables.rows import (
    Row,
    Table,
    find_first,
    has_row,
    read_value,
    rows,
    select,
)
from weft.local.store.values import dumps, micros, moment
from weft.local.store.vault import DataKeyStore, SecretRow, SecretStore, WrappedKey


class SqliteDataKeys(Table, DataKeyStore):
    async def master_kid(self) -> str | None:
        return await self._database.peek(read_value, "master_kid")

    async def any(self) -> bool:
        return await self._database.peek(has_row, "data_key_any")

    async def get(self, organization_id: str, owner: str) -> WrappedKey | None:
        values = {"organization_id": organization_id, "owner": owner}
        return await self._database.peek(_get_key, values)

    async def add(self, key: WrappedKey) -> bool:
        return await self._database.write(_add_key, asdict(key))

    async def drop(self, organization_id: str, owner: str) -> None:
        await self._database.write(drop_data_key, organization_id, owner)

    async def begin_rotation(self, master_kid: str) -> None:
        target = Target("master_key", master_kid, "")
        await write_audited(self._database, "rotate", target, _set_master, master_kid)

    async def find_wrapped_otherwise(self, master_kid: str, limit: int) -> Sequence[WrappedKey]:
        values = {"master_kid": master_kid, "limit": limit}
        return await self._database.read(
            select, lambda row: WrappedKey(**row), values, "data_key_wrapped_otherwise"
        )

    async def rewrap(self, keys: Sequence[WrappedKey]) -> None:
        await self._database.write(_rewrap, [asdict(key) for key in keys])

    async def forget(self, known: Collection[str], master_kid: str) -> int:
        target = Target("master_key", master_kid, "")
        return await write_audited(
            self._database, "forget", target, _forget, tuple(known), master_kid
        )


class SqliteSecrets(Table, SecretStore):
    async def put(self, row: SecretRow) -> None:
        values = asdict(row) | {
            "sources": dumps(row.sources),
            "hosts": dumps(row.hosts),
            "now": micros(row.modified_at),
        }
        del values["modified_at"]
        target = Target("secret", row.name, row.organization_id)
        await write_audited(self._database, "set", target, has_row, "secret_put", values)

    async def get(self, organization_id: str, name: str) -> SecretRow | None:
        values = {"organization_id": organization_id, "name": name}
        return await self._database.peek(find_first, _to_secret, values, "secret_get")

    async def list(self, organization_id: str) -> Sequence[SecretRow]:
        values = {"organization_id": organization_id}
        return await self._database.read(select, _to_secret, values, "secret_list")

    async def delete(self, organization_id: str, name: str, owner: str) -> bool:
        by = stamp(self._database)
        return await self._database.write(_delete_secret, organization_id, name, owner, by)


def drop_data_key(db: Session, organization_id: str, owner: str) -> None:
    """Delete a key, in the caller's transaction; what it sealed can never be opened again."""
    values = {"organization_id": organization_id, "owner": owner}
    db.execute(queries()["data_key_drop"], values)


def _get_key(db: Session, values: dict[str, Any]) -> WrappedKey | None:
    found = list(rows(db, queries()["data_key_get"], values))
    return WrappedKey(**values, **found[0]) if found else None


def _add_key(db: Session, values: dict[str, Any]) -> bool:
    db.execute(queries()["master_kid_begin"], {"master_kid": values["master_kid"]})
    if read_value(db, "master_kid") != values["master_kid"]:
        return False
    db.execute(queries()["data_key_add"], values)
    return True


def _set_master(db: Session, master_kid: str) -> bool:
    # A resumed rotation has already set it; do not record a second change.
    if read_value(db, "master_kid") == master_kid:
        return False
    db.execute(queries()["master_kid_set"], {"master_kid": master_kid})
    return True


def _rewrap(db: Session, keys: list[dict[str, Any]]) -> None:
    for values in keys:
        needed = {name: values[name] for name in ("kid", "master_kid", "wrapped")}
        db.execute(queries()["data_key_rewrap"], needed)


def _forget(db: Session, known: tuple[str, ...], master_kid: str) -> int:
    dropped = db.execute(queries()["data_key_drop_others"], {"master_kids": carray(known)})
    count = sum(1 for _ in dropped)
    db.execute(queries()["master_kid_set"], {"master_kid": master_kid})
    return count


def _delete_secret(db: Session, organization_id: str, name: str, owner: str, by: Stamp) -> bool:
    values = {"organization_id": organization_id, "name": name}
    if not has_row(db, "secret_delete", values):
        return False
    drop_data_key(db, organization_id, owner)
    record(db, by, "delete", Target("secret", name, organization_id))
    return True


def _to_secret(row: Row) -> SecretRow:
    return SecretRow(
        organization_id=row["organization_id"],
        name=row["name"],
        sources=tuple(json.loads(row["sources"])),
        hosts=tuple(json.loads(row["hosts"])),
        sealed=row["sealed"],
        modified_at=moment(row["modified_at"]),
    )
