"""The catalogue of the local backend: the installed sources."""

import logging
from collections.abc import Sequence

from weft.backend import Sources
from weft.domain.connections import AuthMethod
from weft.domain.sources import SourceInfo
from weft.errors import WeftError
from weft.local.engine import Engine
from weft.sources.registry import OTHER_WAYS

logger = logging.getLogger(__name__)


class LocalSources(Sources):
    other_ways = OTHER_WAYS

    def __init__(self, engine: Engine) -> None:
        self._registry = engine.registry
        self._clients = engine.store.oauth_clients

    async def list(self) -> Sequence[SourceInfo]:
        found: list[SourceInfo] = []
        for name in self._registry.names():
            try:
                found.append(self._registry.get(name).info())
            except WeftError as error:
                # One broken package must not hide all the others.
                logger.warning("left out of the catalogue: %s", error)
        return [await self._complete(info) for info in found]

    async def get(self, short_name: str) -> SourceInfo:
        return await self._complete(self._registry.get(short_name).info())

    async def _complete(self, info: SourceInfo) -> SourceInfo:
        """Say whether consent needs a client, which is as the operator has set it up here."""
        if AuthMethod.OAUTH_BROWSER not in info.auth_methods:
            return info
        lacks_client = await self._clients.get(info.short_name) is None
        return info.model_copy(update={"requires_byoc": lacks_client})
