"""Reads the catalogue of a remote API."""

import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from weft.backend import Sources
from weft.domain.connections import AuthMethod
from weft.domain.sources import FieldInfo, SourceInfo
from weft.errors import WeftError
from weft.remote.state.remote_state import RemoteState
from weft.wire.sources import read_accounts, read_source, read_sources

KEPT_SECONDS: Final = 300.0
"""The catalogue hardly ever changes, and every create reads it."""

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


class RemoteSources(Sources):
    def __init__(self, state: RemoteState) -> None:
        self._client = state.client
        self._kept: dict[str, tuple[float, SourceInfo]] = {}

    async def list(self) -> Sequence[SourceInfo]:
        found = await self._client.get("/sources", read_sources)
        return sorted(found, key=lambda source: source.short_name)

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

    async def _with_accounts(self, source: SourceInfo) -> SourceInfo:
        """Add the accounts at auth providers that can serve the source; none if the API refuses."""
        kinds = source.supported_auth_providers
        if source.keeps_pending or AuthMethod.AUTH_PROVIDER not in source.auth_methods:
            return source
        try:
            accounts = await self._client.get(
                "/auth-providers/connections", read_accounts, missing="provider"
            )
        except WeftError:
            return source
        ids = tuple(account.readable_id for account in accounts if account.short_name in kinds)
        return source.model_copy(update={"provider_readable_ids": ids})


def _with_unlisted(source: SourceInfo) -> SourceInfo:
    field = UNLISTED.get(source.short_name)
    if (
        field is None
        or source.keeps_pending
        or field.name in [f.name for f in source.config_fields]
    ):
        return source
    return source.model_copy(update={"config_fields": (*source.config_fields, field)})
