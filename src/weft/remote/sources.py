"""Reads the catalogue of a remote API."""

from collections.abc import Sequence
from urllib.parse import quote

from weft.backend import Sources
from weft.domain.sources import SourceInfo
from weft.remote.state import RemoteState
from weft.wire.sources import read_source, read_sources


class RemoteSources(Sources):
    def __init__(self, state: RemoteState) -> None:
        self._client = state.client

    async def list(self) -> Sequence[SourceInfo]:
        found = await self._client.get("/sources", read_sources)
        return sorted(found, key=lambda source: source.short_name)

    async def get(self, short_name: str) -> SourceInfo:
        return await self._client.get(
            f"/sources/{quote(short_name, safe='')}", read_source, missing="short_name"
        )
