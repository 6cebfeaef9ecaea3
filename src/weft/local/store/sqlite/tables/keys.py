"""API keys on SQLite."""

from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from weft.domain.access.keys import ApiKey
from weft.domain.access.principals import Role
from weft.errors import Conflict
from weft.local.store.keys import KeyStore
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.tables.audit import Stamp, Target, record, stamp, write_audited
from weft.local.store.sqlite.tables.rows import Row, Table, find_first, rows, select
from weft.local.store.values import micros, moment, moment_or_none


class SqliteKeys(Table, KeyStore):
    async def insert(self, key: ApiKey, digest: bytes) -> None:
        values = {
            "name": key.name,
            "organization_id": key.organization_id,
            "role": key.role.value,
            "digest": digest,
            "now": micros(key.created_at),
        }
        target = Target("api_key", key.name, key.organization_id)
        await write_audited(self._database, "create", target, _insert, values)

    async def list(self) -> Sequence[ApiKey]:
        return await self._database.read(select, _to_key, {}, "key_columns", "key_list")

    async def find(self, digest: bytes) -> ApiKey | None:
        values = {"digest": digest}
        return await self._database.peek(find_first, _to_key, values, "key_columns", "key_find")

    async def revoke(self, name: str) -> ApiKey | None:
        return await self._database.write(_revoke, name, stamp(self._database))

    async def job_counts(self) -> Mapping[str, int]:
        return await self._database.read(_job_counts)


def _insert(db: Session, values: dict[str, Any]) -> bool:
    try:
        db.execute(queries()["key_insert"], values)
        return True
    except apsw.ConstraintError:
        raise Conflict(
            "A key with that name exists already.",
            field="name",
            hint="Choose another name, or revoke that key first.",
        ) from None


def _revoke(db: Session, name: str, by: Stamp) -> ApiKey | None:
    found = find_first(db, _to_key, {"name": name}, "key_columns", "key_live")
    if found is None:
        return None
    db.execute(queries()["key_revoke"], {"name": name, "now": by.at})
    record(db, by, "revoke", Target("api_key", found.name, found.organization_id))
    return found


def _job_counts(db: Session) -> dict[str, int]:
    return {row["status"]: row["jobs"] for row in rows(db, queries()["job_counts"])}


def _to_key(row: Row) -> ApiKey:
    return ApiKey(
        name=row["name"],
        organization_id=row["organization_id"],
        role=Role(row["role"]),
        created_at=moment(row["created_at"]),
        revoked_at=moment_or_none(row["revoked_at"]),
    )
