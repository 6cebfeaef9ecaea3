"""Keys, secrets, authorisations and the audit of the store in memory."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tests.support.store.memory.state import State
from weft.domain.access.audit import AuditEntry
from weft.domain.access.keys import ApiKey
from weft.errors import Conflict
from weft.local.store.audit import AuditStore
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
from weft.local.store.keys import KeyStore
from weft.local.store.notes import NoteRow, NoteStore
from weft.local.store.vault import DataKeyStore, SecretRow, SecretStore, WrappedKey


class Part:
    """A part of the store."""

    def __init__(self, state: State) -> None:
        self._state = state


class MemoryAudit(Part, AuditStore):
    """See AuditStore."""

    async def append(self, entry: AuditEntry) -> None:
        self._state.audit.append(entry)

    async def list(
        self, *, connection_id: str | None, since: datetime | None, limit: int
    ) -> Sequence[AuditEntry]:
        found = [
            entry
            for entry in self._state.audit
            if connection_id in (None, entry.connection_id) and (since is None or entry.at >= since)
        ]
        return found[::-1][:limit]

    async def prune(self, kept: timedelta, limit: int) -> int:
        before = self._state.clock() - kept
        old = [entry for entry in self._state.audit if entry.at < before][:limit]
        self._state.audit = [entry for entry in self._state.audit if entry not in old]
        return len(old)


class MemoryKeys(Part, KeyStore):
    """See KeyStore."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._keys: list[tuple[bytes, ApiKey]] = []

    async def insert(self, key: ApiKey, digest: bytes) -> None:
        if any(each.name == key.name and not each.revoked_at for _, each in self._keys):
            raise Conflict("Taken.", field="name")
        self._keys.append((digest, key))

    async def list(self) -> Sequence[ApiKey]:
        return [key for _, key in self._keys]

    async def find(self, digest: bytes) -> ApiKey | None:
        live = (key for own, key in self._keys if own == digest and not key.revoked_at)
        return next(live, None)

    async def revoke(self, name: str) -> ApiKey | None:
        for place, (digest, key) in enumerate(self._keys):
            if key.name == name and not key.revoked_at:
                revoked = key.model_copy(update={"revoked_at": self._state.clock()})
                self._keys[place] = (digest, revoked)
                return key
        return None

    async def job_counts(self) -> Mapping[str, int]:
        return Counter(each.job.status.value for each in self._state.jobs.values())


class MemoryDataKeys(Part, DataKeyStore):
    """See DataKeyStore."""

    async def master_kid(self) -> str | None:
        return self._state.master_kid

    async def any(self) -> bool:
        return bool(self._state.data_keys)

    async def get(self, organization_id: str, owner: str) -> WrappedKey | None:
        return self._state.data_keys.get((organization_id, owner))

    async def add(self, key: WrappedKey) -> bool:
        self._state.master_kid = self._state.master_kid or key.master_kid
        if self._state.master_kid != key.master_kid:
            return False
        self._state.data_keys.setdefault((key.organization_id, key.owner), key)
        return True

    async def drop(self, organization_id: str, owner: str) -> None:
        self._state.data_keys.pop((organization_id, owner), None)

    async def begin_rotation(self, master_kid: str) -> None:
        self._state.master_kid = master_kid

    async def find_wrapped_otherwise(self, master_kid: str, limit: int) -> Sequence[WrappedKey]:
        keys = self._state.data_keys.values()
        return [key for key in keys if key.master_kid != master_kid][:limit]

    async def rewrap(self, keys: Sequence[WrappedKey]) -> None:
        for key in keys:
            place = (key.organization_id, key.owner)
            if place in self._state.data_keys and self._state.data_keys[place].kid == key.kid:
                self._state.data_keys[place] = key

    async def forget(self, known: Collection[str], master_kid: str) -> int:
        keys = self._state.data_keys
        kept = {place: key for place, key in keys.items() if key.master_kid in known}
        self._state.data_keys, self._state.master_kid = kept, master_kid
        return len(keys) - len(kept)


class MemorySecrets(Part, SecretStore):
    """See SecretStore."""

    async def put(self, row: SecretRow) -> None:
        self._state.secrets[row.organization_id, row.name] = row

    async def get(self, organization_id: str, name: str) -> SecretRow | None:
        return self._state.secrets.get((organization_id, name))

    async def list(self, organization_id: str) -> Sequence[SecretRow]:
        every = sorted(self._state.secrets.items())
        return [row for (organization, _), row in every if organization == organization_id]

    async def delete(self, organization_id: str, name: str, owner: str) -> bool:
        self._state.data_keys.pop((organization_id, owner), None)
        return self._state.secrets.pop((organization_id, name), None) is not None


class MemoryAuthSessions(Part, AuthSessionStore):
    """See AuthSessionStore."""

    async def begin(self, session: AuthSession) -> bool:
        if session.connection_id not in self._state.connections:
            return False
        self._state.sessions[session.connection_id] = session
        return True

    async def of_connection(self, organization_id: str, connection_id: str) -> AuthSession | None:
        found = self._state.sessions.get(connection_id)
        return found if found and found.organization_id == organization_id else None

    async def by_link(self, link: bytes) -> AuthSession | None:
        return next((each for each in self._state.sessions.values() if each.link == link), None)

    async def by_state(self, state: bytes) -> AuthSession | None:
        return next((each for each in self._state.sessions.values() if each.state == state), None)

    async def start(self, link: bytes, *, state: bytes, browser: bytes, sealed: str) -> bool:
        found = await self.by_link(link)
        return self._replace(found, link=None, state=state, browser=browser, sealed=sealed)

    async def use_state(self, state: bytes) -> bool:
        return self._replace(await self.by_state(state), state=None, browser=None)

    async def complete(self, connection_id: str, claim: bytes) -> bool:
        found = self._state.sessions.get(connection_id)
        if found is None or found.claim != claim:
            return False
        now = self._state.clock()
        return self._replace(found, link=None, state=None, browser=None, completed_at=now)

    def _replace(self, found: AuthSession | None, **changes: object) -> bool:
        if found is None:
            return False
        self._state.sessions[found.connection_id] = replace(found, **changes)  # pyright: ignore[reportArgumentType] (fields of it)
        return True


class MemoryTokens(Part, TokenStore):
    """See TokenStore."""

    async def lease(
        self, connection_id: str, seen: str | None, *, holder: str, duration: timedelta
    ) -> TokenState | None:
        found, now = self._state.connections.get(connection_id), self._state.clock()
        if found is None:
            return None
        lease = self._state.leases.get(connection_id)
        held = found.row.credentials == seen and (lease is None or lease[1] <= now)
        if held:
            self._state.leases[connection_id] = (holder, now + duration)
        return TokenState(found.row.credentials, found.row.auth_expires_at, held)

    async def store(
        self, connection_id: str, holder: str, sealed: str, expires_at: datetime | None
    ) -> bool:
        if not self._is_holder(connection_id, holder):
            return False
        found = (self._state.connections | self._state.deleted)[connection_id]
        found.row = replace(found.row, credentials=sealed, auth_expires_at=expires_at)
        await self.release(connection_id, holder)
        return True

    async def release(self, connection_id: str, holder: str) -> None:
        if self._is_holder(connection_id, holder):
            del self._state.leases[connection_id]

    def _is_holder(self, connection_id: str, holder: str) -> bool:
        lease = self._state.leases.get(connection_id)
        return lease is not None and lease[0] == holder


class MemoryOAuthClients(Part, OAuthClientStore):
    """See OAuthClientStore."""

    async def put(self, row: OAuthClientRow) -> None:
        self._state.clients[row.short_name] = row

    async def get(self, short_name: str) -> OAuthClientRow | None:
        return self._state.clients.get(short_name)

    async def list(self) -> Sequence[OAuthClientRow]:
        return [row for _, row in sorted(self._state.clients.items())]

    async def delete(self, short_name: str) -> bool:
        return self._state.clients.pop(short_name, None) is not None


class MemoryAuthProviders(Part, AuthProviderStore):
    """See AuthProviderStore."""

    async def insert(self, row: AuthProviderRow) -> None:
        if (row.organization_id, row.readable_id) in self._state.providers:
            raise Conflict("Taken.", field="name")
        self._state.providers[row.organization_id, row.readable_id] = row

    async def get(self, organization_id: str, readable_id: str) -> AuthProviderRow | None:
        return self._state.providers.get((organization_id, readable_id))

    async def list(self) -> Sequence[AuthProviderRow]:
        return [row for _, row in sorted(self._state.providers.items())]

    async def delete(self, organization_id: str, readable_id: str) -> bool:
        return self._state.providers.pop((organization_id, readable_id), None) is not None


class MemoryNotes(Part, NoteStore):
    """See NoteStore."""

    async def put(self, row: NoteRow) -> None:
        for old in [each for each in self._state.notes.values() if self._is_over(each)]:
            if old.owner != row.owner:
                self._remove(old)
        self._state.notes[row.scope, row.kind, row.id] = row

    async def get(self, scope: str, kind: str, note_id: str) -> NoteRow | None:
        found = self._state.notes.get((scope, kind, note_id))
        return None if found is None or self._is_over(found) else found

    async def by_link(self, scope: str, link: bytes) -> NoteRow | None:
        live = (each for each in self._state.notes.values() if not self._is_over(each))
        return next((each for each in live if (each.scope, each.link) == (scope, link)), None)

    async def list(self, scope: str, kind: str) -> Sequence[NoteRow]:
        own = (e for e in self._state.notes.values() if (e.scope, e.kind) == (scope, kind))
        live = [each for each in own if not self._is_over(each)]
        return sorted(live, key=lambda each: (each.expires_at, each.id))

    async def lease(
        self, scope: str, kind: str, note_id: str, *, holder: str, duration: timedelta
    ) -> bool:
        place, now = (scope, kind, note_id), self._state.clock()
        other, until = self._state.note_leases.get(place, (holder, now))
        if await self.get(*place) is None or (other != holder and until > now):
            return False
        self._state.note_leases[place] = (holder, now + duration)
        return True

    async def release(self, scope: str, kind: str, note_id: str, *, holder: str) -> None:
        place = (scope, kind, note_id)
        if self._state.note_leases.get(place, ("", None))[0] == holder:
            del self._state.note_leases[place]

    async def drop(self, scope: str, kind: str, note_id: str) -> bool:
        found = self._state.notes.get((scope, kind, note_id))
        if found is not None:
            self._remove(found)
        return found is not None

    def _remove(self, row: NoteRow) -> None:
        del self._state.notes[row.scope, row.kind, row.id]
        self._state.note_leases.pop((row.scope, row.kind, row.id), None)
        self._state.data_keys.pop((row.organization_id, row.owner), None)

    def _is_over(self, row: NoteRow) -> bool:
        return row.expires_at <= self._state.clock()
