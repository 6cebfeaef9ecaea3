"""The catalogue of the local backend: what is installed."""

from collections.abc import Sequence

from weft.backend import Sources
from weft.domain.sources import SourceInfo
from weft.sources.registry import SourceRegistry


class LocalSources(Sources):
    """See Sources."""

    def __init__(self, registry: SourceRegistry) -> None:
        self._registry = registry

    async def list(self) -> Sequence[SourceInfo]:
        return [self._registry.get(name).info() for name in self._registry.names()]

    async def get(self, short_name: str) -> SourceInfo:
        return self._registry.get(short_name).info()
