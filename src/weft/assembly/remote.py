"""Opens a remote API in place of the local engine."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from weft.backend import Backend
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID, Principal
from weft.errors import InvalidInput, NotPermitted, Unsupported
from weft.local.auth.secret_refs import resolve_secret_refs
from weft.local.engine import Engine
from weft.local.origins import normal_origin
from weft.local.remote_notes import RemoteNotes
from weft.remote.api.client import ApiClient, open_client
from weft.remote.api.timeouts import Timeouts
from weft.remote.auth_sessions import RemoteAuthSessions
from weft.remote.backend import RemoteBackend
from weft.remote.sources import RemoteAccounts
from weft.remote.usage import RemoteUsage
from weft.settings import Settings

if TYPE_CHECKING:
    from weft.web.gate.operator_token import Authenticate


async def inspect_api(settings: Settings) -> Mapping[str, str]:
    """Ask the remote API what its plan allows and what is used; empty if it has no plans."""
    async with _open_api(settings, Timeouts(attempts=1)) as client:
        try:
            return await RemoteUsage(client).get()
        except Unsupported:
            return {}


@asynccontextmanager
async def open_accounts(settings: Settings) -> AsyncGenerator[RemoteAccounts]:
    """Open the API's accounts at auth providers."""
    async with _open_api(settings, None) as client:
        yield RemoteAccounts(client)


@dataclass(frozen=True, slots=True)
class OpenRemote:
    """A remote API, for the one organisation that its key belongs to."""

    backend: RemoteBackend
    authenticators: "tuple[Authenticate, ...]" = ()
    """None but the operator's token: all callers act with the one key of the API."""

    def backend_for(self, principal: Principal) -> Backend:
        """Return the API. Raises NotPermitted for principals of other organisations, because all
        would act with the same key.
        """
        if not principal.is_local:
            raise NotPermitted(
                "This server stands in front of an API of the operator's own organisation.",
                hint="Only the operator can change that.",
            )
        return self.backend

    @property
    def auth_sessions(self) -> RemoteAuthSessions:
        """The pages where people enter credentials for the API."""
        return self.backend.auth_sessions

    async def record_refusal(self, principal: Principal, tool: str) -> None:
        """Do nothing: the audit is kept where the database is."""

    async def job_counts(self) -> Mapping[str, int]:
        """Return no counts: jobs are counted where they run."""
        return {}

    async def verify(self) -> None:
        """Do nothing: everything is stored elsewhere."""


@asynccontextmanager
async def open_remote(
    settings: Settings, engine: Engine, *, timeouts: Timeouts | None = None
) -> AsyncGenerator[OpenRemote]:
    """Open the API that the settings name; send no request yet. Raises InvalidInput if none.

    ``engine`` has the store, the vault and the pages of this machine.
    """
    async with _open_api(settings, timeouts) as client:
        scope = f"{normal_origin(client.origin)} {settings.api_organization or ''}".rstrip()
        yield OpenRemote(
            RemoteBackend(
                client,
                RemoteNotes(engine, scope),
                pages=engine.pages,
                resolve_secrets=partial(resolve_secret_refs, engine, LOCAL_ORGANIZATION_ID),
            )
        )


def _open_api(
    settings: Settings, timeouts: Timeouts | None
) -> AbstractAsyncContextManager[ApiClient]:
    if settings.api_url is None or settings.api_key is None:
        raise InvalidInput(
            "WEFT_API_URL and WEFT_API_KEY are not set.",
            field="WEFT_API_URL",
            hint="Set them to the address of the API and to its key.",
        )
    return open_client(
        settings.api_url,
        settings.api_key,
        organization=settings.api_organization,
        timeouts=timeouts,
    )
