"""Connections on SQLite."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from weft.domain.base import Json, Page
from weft.domain.connections import Connection, ConnectionStatus, ConnectionTotals
from weft.domain.schedules import Schedule
from weft.errors import ErrorCategory, NotFound
from weft.local.store.base import ConnectionRow, ConnectionStore
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.tables.audit import (
    Stamp,
    connection_target,
    record,
    stamp,
    write_audited,
)
from weft.local.store.sqlite.tables.rows import (
    Table,
    find_first,
    read_page,
    read_value,
    row_before,
    select,
    to_connection,
)
from weft.local.store.values import dumps, micros_or_none

_ID_PREFIX_MIN_CHARS = 3
COLUMNS = "connection_columns", "connection_from"
"""The start of every query that returns connections."""
_BY_ID = *COLUMNS, "connection_by_id"


class SqliteConnections(Table, ConnectionStore):
    async def insert(self, row: ConnectionRow) -> None:
        target = connection_target(row.organization_id, row.id)
        values = _values(row, self._database.now())
        await write_audited(self._database, "create", target, _insert, values)

    async def get(self, organization_id: str, connection_id: str) -> Connection | None:
        values = {"organization_id": organization_id, "id": connection_id}
        return await self._database.peek(find_first, to_connection, values, *_BY_ID)

    async def find(self, organization_id: str, text: str) -> Sequence[Connection]:
        return await self._database.peek(_find, organization_id, text)

    async def list(
        self,
        organization_id: str,
        *,
        readable_collection_id: str | None,
        short_name: str | None,
        status: ConnectionStatus | None,
        needs_attention: bool = False,
        cursor: str | None,
        limit: int,
    ) -> Page[Connection]:
        values: dict[str, Any] = {"organization_id": organization_id, "limit": limit + 1}
        filters = {
            "readable_collection_id": readable_collection_id,
            "short_name": short_name,
            "status": status,
            "needs_attention": needs_attention or None,
        }
        if any(value is not None for value in filters.values()):
            tail, look = "connection_list_filtered", self._database.read
            values |= filters
        else:
            tail, look = "connection_list", self._database.peek
        values["before"] = row_before(cursor, tail, values)
        return await look(read_page, to_connection, values, *COLUMNS, tail)

    async def totals(
        self, organization_id: str, *, readable_collection_id: str | None, short_name: str | None
    ) -> ConnectionTotals:
        values = {
            "organization_id": organization_id,
            "readable_collection_id": readable_collection_id,
            "short_name": short_name,
        }
        [row] = await self._database.read(select, dict[str, Any], values, "connection_totals")
        return ConnectionTotals.model_validate(row)

    async def update(
        self,
        row: ConnectionRow,
        *,
        expected_version: int,
        new_config: bool,
        set_state: bool,
        set_auth: bool,
    ) -> bool:
        by = stamp(self._database)
        values = _values(row, by.at) | {
            "expected_version": expected_version,
            "new_config": new_config,
            "set_state": set_state,
            "set_auth": set_auth,
        }
        return await self._database.write(_update, values, by)

    async def credentials(self, organization_id: str, connection_id: str) -> str | None:
        values = {"organization_id": organization_id, "id": connection_id}
        return await self._database.peek(read_value, "connection_credentials", values)

    async def mark(
        self,
        found: Connection,
        state: ConnectionStatus,
        error_category: ErrorCategory | None,
        error_message: str | None,
    ) -> None:
        values = {
            "state": state,
            "error_category": error_category,
            "error_message": error_message,
        }
        await self._database.write(_mark, found, values, stamp(self._database))


def is_as_read(db: Session, number: int, config: Json, authenticated_at: datetime | None) -> bool:
    """Return whether the connection still has that configuration and authorisation.

    If not, the outcome of a job or a check says nothing about the connection as it is now.
    """
    values = {
        "no": number,
        "config": dumps(config),
        "authenticated_at": micros_or_none(authenticated_at),
    }
    return bool(db.execute(queries()["connection_is_as_read"], values).get)


def _values(row: ConnectionRow, now: int) -> dict[str, Any]:
    schedule = row.schedule or Schedule()
    columns = {field.name: getattr(row, field.name) for field in fields(row)}
    del columns["schedule"]
    return columns | {
        "config": dumps(row.config),
        "authenticated_at": micros_or_none(row.authenticated_at),
        "auth_expires_at": micros_or_none(row.auth_expires_at),
        "has_schedule": row.schedule is not None,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "continuous": schedule.continuous,
        "cursor_field": schedule.cursor_field,
        "next_run_at": micros_or_none(schedule.next_run),
        "paused": schedule.paused,
        "paused_until": micros_or_none(schedule.paused_until),
        "now": now,
    }


def _insert(db: Session, values: dict[str, Any]) -> bool:
    db.execute(
        queries()["connection_insert"], values | {"collection_no": _collection_no(db, values)}
    )
    return True


def _collection_no(db: Session, values: dict[str, Any]) -> int:
    number = db.execute(queries()["collection_no_by_readable_id"], values).get
    if number is None:
        raise NotFound("The collection was deleted meanwhile.", field="readable_collection_id")
    return number


def _select(db: Session, tail: str, values: dict[str, Any]) -> list[Connection]:
    return select(db, to_connection, values, *COLUMNS, tail)


def _find(db: Session, organization_id: str, text: str) -> list[Connection]:
    values = {"organization_id": organization_id, "text": text, "id": text.lower()}
    found = _select(db, "connection_by_id", values) or _select(db, "connection_by_name", values)
    if not found and len(text) >= _ID_PREFIX_MIN_CHARS:
        found = _select(db, "connection_by_prefix", values | {"text": text.lower()})
    return found


def _update(db: Session, values: dict[str, Any], by: Stamp) -> bool:
    before = db.execute(queries()["connection_authenticated_at"], values).get
    values |= {"collection_no": _collection_no(db, values)}
    number = db.execute(queries()["connection_update"], values).get
    if number is None:
        return False
    if values["new_config"]:
        db.execute(queries()["connection_reset_checkpoint"], {"no": number})
        db.execute(queries()["type_forget_emptied"], {"no": number})
    if values["set_auth"]:
        db.execute(queries()["token_lease_revoke"], {"no": number})
    if values["set_auth"] and values["authenticated_at"] is not None:
        db.execute(queries()["auth_session_overtaken"], {"no": number, "now": values["now"]})
    authorized = values["authenticated_at"] not in (None, before)
    action = "authorize" if authorized else "update"
    record(db, by, action, connection_target(values["organization_id"], values["id"]))
    return True


def _mark(db: Session, found: Connection, values: dict[str, Any], by: Stamp) -> None:
    row = db.execute(queries()["connection_no_and_state"], {"id": found.id}).fetchone()
    if row is None:
        return
    number, state = row
    if not is_as_read(db, number, found.config, found.auth.authenticated_at):
        return
    db.execute(queries()["connection_mark"], values | {"no": number})
    if state != values["state"]:
        record(db, by, str(values["state"]), connection_target(found.organization_id, found.id))
