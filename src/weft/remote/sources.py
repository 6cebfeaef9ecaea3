"""Reads the catalogue of a remote API."""

import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from weft.backend import Sources
from weft.domain.connections import AuthMethod
from weft.domain.sources import FieldInfo, SourceInfo
from weft.errors import InvalidInput, NotFound, WeftError
from weft.remote.api.client import ApiClient
from weft.remote.state.remote_state import RemoteState
from weft.wire.sources import UpstreamAccount, read_accounts, read_source, read_sources

KEPT_SECONDS: Final = 300.0
"""The catalogue hardly ever changes, and every create reads it."""

_ACCOUNT_FIELD: Final = "auth.auth_provider.provider_readable_id"

UNLISTED: Final = {
    "salesforce": FieldInfo(
        name="instance_url",
        title="Instance",
        type="string",
        description="Host of the instance, e.g. company.my.salesforce.com.",
        required=True,
        endpoint=True,
    )
}
"""Fields of sources that Airweave keeps and needs, though its catalogue does not list them."""


class RemoteAccounts:
    """The accounts at auth providers that an API keeps. Its own people make and delete them."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def list(self) -> Sequence[UpstreamAccount]:
        """List them, without their secrets."""
        path = "/auth-providers/connections"
        return await self._client.get(path, read_accounts, missing="provider")


class RemoteSources(Sources):
    other_ways = (
        "For any other, ask the operator of the API; or, without WEFT_API_URL, Weft itself syncs "
        "what its own sources read, such as a folder of exported files."
    )

    def __init__(self, state: RemoteState) -> None:
        self._client = state.client
        self._listed: tuple[float, Sequence[SourceInfo]] = (0.0, ())
        self._kept: dict[str, tuple[float, SourceInfo]] = {}

    async def list(self) -> Sequence[SourceInfo]:
        until, kept = self._listed
        # Airweave's takes 170 KB, and one who pages or tries words reads it several times.
        if kept and time.monotonic() < until:
            return kept
        found = await self._client.get("/sources", read_sources)
        kept = sorted(found, key=lambda source: source.short_name)
        self._listed = (time.monotonic() + KEPT_SECONDS, kept)
        return kept

    async def get(self, short_name: str) -> SourceInfo:
        until, kept = self._kept.get(short_name, (0.0, None))
        if kept is not None and time.monotonic() < until:
            return kept
        found = await self._client.get(
            f"/sources/{quote(short_name, safe='')}", read_source, missing="short_name"
        )
        found = await self._with_accounts(_with_unlisted(found))
        self._kept[short_name] = (time.monotonic() + KEPT_SECONDS, found)
        return found

    async def refuse_unfit_account(self, source: SourceInfo, readable_id: str) -> None:
        """Refuse an account at an auth provider that is not there, or whose provider the source
        does not work with. Nothing is refused where the API does not tell its accounts.
        """
        kinds = source.supported_auth_providers
        accounts = await self._list_accounts()
        if accounts is None or not kinds:
            return
        fitting = [account.readable_id for account in accounts if account.short_name in kinds]
        if readable_id in fitting:
            return
        hint = (
            f"These can serve it: {', '.join(fitting)}."
            if fitting
            else "No account there can serve it: ask the user to connect one of "
            f"{', '.join(kinds)} at Airweave, or use another method; get_source lists them."
        )
        if readable_id not in [account.readable_id for account in accounts]:
            text = "No account at an auth provider has that id."
            raise NotFound(text, field=_ACCOUNT_FIELD, hint=hint)
        raise InvalidInput(
            f"The source '{source.short_name}' does not work with that account's auth provider, "
            f"but with: {', '.join(kinds)}.",
            field=_ACCOUNT_FIELD,
            hint=hint,
        )

    async def _with_accounts(self, source: SourceInfo) -> SourceInfo:
        """Add the accounts at auth providers that can serve the source; none if the API refuses."""
        kinds = source.supported_auth_providers
        if source.keeps_pending or AuthMethod.AUTH_PROVIDER not in source.auth_methods:
            return source
        accounts = await self._list_accounts() or ()
        ids = tuple(account.readable_id for account in accounts if account.short_name in kinds)
        return source.model_copy(update={"provider_readable_ids": ids})

    async def _list_accounts(self) -> Sequence[UpstreamAccount] | None:
        """List the accounts at auth providers; None if the API does not tell them."""
        try:
            return await RemoteAccounts(self._client).list()
        except WeftError:
            return None


def _with_unlisted(source: SourceInfo) -> SourceInfo:
    field = UNLISTED.get(source.short_name)
    if (
        field is None
        or source.keeps_pending
        or field.name in [f.name for f in source.config_fields]
    ):
        return source
    return source.model_copy(update={"config_fields": (*source.config_fields, field)})
