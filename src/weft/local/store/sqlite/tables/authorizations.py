"""Authorisations of connections, on SQLite."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import apsw

from weft.domain.connections import AuthMethod
from weft.errors import Conflict
from weft.local.store.authorizations import (
    AuthProviderRow,
    AuthProviderStore,
    AuthSession,
    AuthSessionStore,
    OAuthClientRow,
    OAuthClientStore,
    TokenState,
    TokenStore,
)
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.tables.audit import Target, connection_target, write_audited
from weft.local.store.sqlite.tables.rows import Row, Table, find_first, has_row, rows, select
from weft.local.store.values import dumps, loads, micros, micros_or_none, moment, moment_or_none


class SqliteAuthSessions(Table, AuthSessionStore):
    async def begin(self, session: AuthSession) -> bool:
        values = asdict(session) | {
            "expires_at": micros(session.expires_at),
            "completed_at": micros_or_none(session.completed_at),
        }
        target = connection_target(session.organization_id, session.connection_id)
        return await write_audited(
            self._database, "begin_authorization", target, has_row, "auth_session_begin", values
        )

    async def of_connection(self, organization_id: str, connection_id: str) -> AuthSession | None:
        values = {"organization_id": organization_id, "connection_id": connection_id}
        return await self._database.peek(_session, "auth_session_of_connection", values)

    async def by_link(self, link: bytes) -> AuthSession | None:
        return await self._database.peek(_session, "auth_session_by_link", {"digest": link})

    async def by_state(self, state: bytes) -> AuthSession | None:
        return await self._database.peek(_session, "auth_session_by_state", {"digest": state})

    async def start(self, link: bytes, *, state: bytes, browser: bytes, sealed: str) -> bool:
        values = {"link": link, "state": state, "browser": browser, "sealed": sealed}
        return await self._database.write(has_row, "auth_session_start", values)

    async def use_state(self, state: bytes) -> bool:
        return await self._database.write(has_row, "auth_session_use_state", {"state": state})

    async def complete(self, connection_id: str, claim: bytes) -> bool:
        values = {"connection_id": connection_id, "claim": claim, "now": self._database.now()}
        return await self._database.write(has_row, "auth_session_complete", values)


class SqliteTokens(Table, TokenStore):
    async def lease(
        self, connection_id: str, seen: str | None, *, holder: str, duration: timedelta
    ) -> TokenState | None:
        now = self._database.clock()
        values = {
            "connection_id": connection_id,
            "holder": holder,
            "now": micros(now),
            "until": micros(now + duration),
        }
        # The lease must survive a power cut, as its holder may already have sent the refresh token.
        return await self._database.write(_lease, seen, values)

    async def store(
        self, connection_id: str, holder: str, sealed: str, expires_at: datetime | None
    ) -> bool:
        values = {
            "connection_id": connection_id,
            "holder": holder,
            "sealed": sealed,
            "expires_at": micros_or_none(expires_at),
        }
        return await self._database.write(_store, values)

    async def release(self, connection_id: str, holder: str) -> None:
        values = {"connection_id": connection_id, "holder": holder}
        await self._database.write_relaxed(has_row, "token_lease_release", values)


class SqliteOAuthClients(Table, OAuthClientStore):
    async def put(self, row: OAuthClientRow) -> None:
        values = asdict(row) | {"now": micros(row.created_at), "hosts": dumps(row.hosts)}
        del values["created_at"]
        target = Target("oauth_client", row.short_name, "")
        await write_audited(self._database, "set", target, has_row, "oauth_client_put", values)

    async def get(self, short_name: str) -> OAuthClientRow | None:
        values = {"short_name": short_name}
        return await self._database.peek(find_first, _to_client, values, "oauth_client_get")

    async def list(self) -> Sequence[OAuthClientRow]:
        return await self._database.read(select, _to_client, {}, "oauth_client_list")

    async def delete(self, short_name: str) -> bool:
        values = {"short_name": short_name}
        target = Target("oauth_client", short_name, "")
        return await write_audited(
            self._database, "delete", target, has_row, "oauth_client_delete", values
        )


class SqliteAuthProviders(Table, AuthProviderStore):
    async def insert(self, row: AuthProviderRow) -> None:
        values = asdict(row) | {
            "options": dumps(dict(row.options)),
            "hosts": dumps(row.hosts),
            "now": micros(row.created_at),
        }
        del values["created_at"]
        target = Target("auth_provider", row.readable_id, row.organization_id)
        await write_audited(self._database, "create", target, _insert_provider, values)

    async def get(self, organization_id: str, readable_id: str) -> AuthProviderRow | None:
        values = {"organization_id": organization_id, "readable_id": readable_id}
        return await self._database.peek(find_first, _to_provider, values, "auth_provider_get")

    async def list(self) -> Sequence[AuthProviderRow]:
        return await self._database.read(select, _to_provider, {}, "auth_provider_list")

    async def delete(self, organization_id: str, readable_id: str) -> bool:
        values = {"organization_id": organization_id, "readable_id": readable_id}
        target = Target("auth_provider", readable_id, organization_id)
        return await write_audited(
            self._database, "delete", target, has_row, "auth_provider_delete", values
        )


def _session(db: Session, tail: str, values: dict[str, Any]) -> AuthSession | None:
    return find_first(db, _to_session, values, "auth_session_columns", tail)


def _to_session(row: Row) -> AuthSession:
    return AuthSession(
        connection_id=row["connection_id"],
        organization_id=row["organization_id"],
        method=AuthMethod(row["method"]),
        link=row["link"],
        state=row["state"],
        browser=row["browser"],
        claim=row["claim"],
        sealed=row["sealed"],
        redirect_url=row["redirect_url"],
        syncs=bool(row["syncs"]),
        expires_at=moment(row["expires_at"]),
        completed_at=moment_or_none(row["completed_at"]),
    )


def _lease(db: Session, seen: str | None, values: dict[str, Any]) -> TokenState | None:
    row = next(rows(db, queries()["token_state"], values), None)
    if row is None:
        return None
    held = False
    if row["credentials"] == seen:
        taken = db.execute(queries()["token_lease_take"], values | {"no": row["no"]}).get
        held = taken is not None
    return TokenState(row["credentials"], moment_or_none(row["auth_expires_at"]), held)


def _store(db: Session, values: dict[str, Any]) -> bool:
    number = db.execute(queries()["token_store"], values).get
    if number is None:
        return False
    db.execute(queries()["token_lease_revoke"], {"no": number})
    return True


def _to_client(row: Row) -> OAuthClientRow:
    return OAuthClientRow(
        short_name=row["short_name"],
        client_id=row["client_id"],
        origin=row["origin"],
        sealed=row["sealed"],
        created_at=moment(row["created_at"]),
        hosts=tuple(json.loads(row["hosts"])),
    )


def _insert_provider(db: Session, values: dict[str, Any]) -> bool:
    try:
        return has_row(db, "auth_provider_insert", values)
    except apsw.ConstraintError:
        raise Conflict(
            "An auth provider with that name exists already.",
            field="name",
            hint="Choose another name, or remove that one first.",
        ) from None


def _to_provider(row: Row) -> AuthProviderRow:
    options = {name: str(value) for name, value in loads(row["options"]).items()}
    return AuthProviderRow(
        organization_id=row["organization_id"],
        readable_id=row["readable_id"],
        kind=row["kind"],
        options=options,
        sealed=row["sealed"],
        created_at=moment(row["created_at"]),
        hosts=tuple(json.loads(row["hosts"])),
    )
