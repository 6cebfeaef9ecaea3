"""The catalogue of the local backend: the installed sources."""

import logging
from collections.abc import Sequence
from typing import Any

from weft.backend import Sources
from weft.domain.connections import AuthMethod
from weft.domain.sources import SourceInfo
from weft.errors import WeftError
from weft.local.auth.providers import BASE_URLS
from weft.local.engine import Engine
from weft.sources.registry import OTHER_WAYS

logger = logging.getLogger(__name__)


class LocalSources(Sources):
    other_ways = OTHER_WAYS

    def __init__(self, engine: Engine, organization_id: str) -> None:
        self._registry = engine.registry
        self._store = engine.store
        self._organization_id = organization_id

    async def list(self) -> Sequence[SourceInfo]:
        found: list[SourceInfo] = []
        for name in self._registry.names():
            try:
                found.append(self._registry.get(name).info())
            except WeftError as error:
                # One broken package must not hide all the others.
                logger.warning("left out of the catalogue: %s", error)
        return await self._complete(found)

    async def get(self, short_name: str) -> SourceInfo:
        [completed] = await self._complete([self._registry.get(short_name).info()])
        return completed

    async def _complete(self, found: Sequence[SourceInfo]) -> Sequence[SourceInfo]:
        """Say which clients and accounts there are, as the operator has set them up here."""
        clients = {row.short_name for row in await self._store.oauth_clients.list()}
        accounts = tuple(
            row.readable_id
            for row in await self._store.auth_providers.list()
            if row.organization_id == self._organization_id
        )
        completed: list[SourceInfo] = []
        for info in found:
            more: dict[str, Any] = {}
            if AuthMethod.OAUTH_BROWSER in info.auth_methods:
                more["requires_byoc"] = info.short_name not in clients
            if AuthMethod.AUTH_PROVIDER in info.auth_methods:
                more["supported_auth_providers"] = tuple(BASE_URLS)
                more["provider_readable_ids"] = accounts
            completed.append(info.model_copy(update=more))
        return completed
