"""The catalogue of the local backend: the installed sources."""

import logging
from collections.abc import Sequence

from weft.backend import Sources
from weft.domain.sources import SourceInfo
from weft.errors import WeftError
from weft.sources.registry import SourceRegistry

logger = logging.getLogger(__name__)


class LocalSources(Sources):
    def __init__(self, registry: SourceRegistry) -> None:
        self._registry = registry

    async def list(self) -> Sequence[SourceInfo]:
        found: list[SourceInfo] = []
        for name in self._registry.names():
            try:
                found.append(self._registry.get(name).info())
            except WeftError as error:
                # One broken package must not hide all the others.
                logger.warning("left out of the catalogue: %s", error)
        return found

    async def get(self, short_name: str) -> SourceInfo:
        return self._registry.get(short_name).info()
