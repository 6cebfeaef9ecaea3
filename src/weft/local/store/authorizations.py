"""The store's protocols for authorising connections; see `base`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from weft.domain.connections import AuthMethod


@dataclass(frozen=True, slots=True)
class AuthSession:
    """A connection's latest authorisation in a browser.

    ``link``, ``state``, ``browser`` and ``claim`` are digests. ``syncs`` says whether a sync starts
    when it is complete.
    """

    connection_id: str
    organization_id: str
    method: AuthMethod
    link: bytes | None
    claim: bytes
    sealed: str | None
    redirect_url: str | None
    syncs: bool
    expires_at: datetime
    state: bytes | None = None
    browser: bytes | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TokenState:
    """The credentials of a connection as they are stored now.

    ``held`` says that the caller now holds the lease to refresh them.
    """

    sealed: str | None
    expires_at: datetime | None
    held: bool


@dataclass(frozen=True, slots=True)
class OAuthClientRow:
    """The operator's OAuth client for one source; its secret, sealed, is for ``origin`` alone.

    ``hosts`` are origins that may receive its tokens.
    """

    short_name: str
    client_id: str
    origin: str
    sealed: str | None
    created_at: datetime
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthProviderRow:
    """An account at a service that keeps credentials, its secrets sealed.

    ``hosts`` are origins that may receive the credentials it keeps.
    """

    organization_id: str
    readable_id: str
    kind: str
    options: Mapping[str, str]
    sealed: str
    created_at: datetime
    hosts: tuple[str, ...] = ()


class AuthSessionStore(Protocol):
    """Authorisations in a browser."""

    async def begin(self, session: AuthSession) -> bool:
        """Replace the connection's latest one; False when the connection is gone."""
        ...

    async def of_connection(self, organization_id: str, connection_id: str) -> AuthSession | None:
        """Get the connection's latest one."""
        ...

    async def by_link(self, link: bytes) -> AuthSession | None:
        """Get the one with that unused link."""
        ...

    async def by_state(self, state: bytes) -> AuthSession | None:
        """Get the one with that unused state."""
        ...

    async def start(self, link: bytes, *, state: bytes, browser: bytes, sealed: str) -> bool:
        """Use the link up; False when someone else did."""
        ...

    async def use_state(self, state: bytes) -> bool:
        """Use the state up; False when someone else did."""
        ...

    async def complete(self, connection_id: str, claim: bytes) -> bool:
        """End it because the person has finished, and drop link and state."""
        ...


class TokenStore(Protocol):
    """Tokens, which one process at a time refreshes."""

    async def lease(
        self, connection_id: str, seen: str | None, *, holder: str, duration: timedelta
    ) -> TokenState | None:
        """Take the lease if the stored credentials are still ``seen`` and nobody else holds it.

        Returns None when the connection is gone.
        """
        ...

    async def store(
        self, connection_id: str, holder: str, sealed: str, expires_at: datetime | None
    ) -> bool:
        """Store new tokens and give the lease back; False, and nothing stored, when it was lost."""
        ...

    async def release(self, connection_id: str, holder: str) -> None:
        """Give the lease back."""
        ...


class OAuthClientStore(Protocol):
    """The operator's OAuth clients."""

    async def put(self, row: OAuthClientRow) -> None:
        """Store or replace it."""
        ...

    async def get(self, short_name: str) -> OAuthClientRow | None:
        """Get the client for a source."""
        ...

    async def list(self) -> Sequence[OAuthClientRow]:
        """List all, by source."""
        ...

    async def delete(self, short_name: str) -> bool:
        """Remove it; False if it was gone."""
        ...


class AuthProviderStore(Protocol):
    """Accounts at services that keep credentials."""

    async def insert(self, row: AuthProviderRow) -> None:
        """Add one. Raises Conflict when the organisation has one of that id."""
        ...

    async def get(self, organization_id: str, readable_id: str) -> AuthProviderRow | None:
        """Get one of an organisation."""
        ...

    async def list(self) -> Sequence[AuthProviderRow]:
        """List those of all organisations, by id."""
        ...

    async def delete(self, organization_id: str, readable_id: str) -> bool:
        """Remove it; False if it was gone."""
        ...
