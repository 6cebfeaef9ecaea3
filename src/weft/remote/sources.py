"""Reads the catalogue of a remote API."""

import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from weft.backend import Sources
from weft.domain.sources import SourceInfo
from weft.remote.state import RemoteState
from weft.wire.sources import read_source, read_sources

KEPT_SECONDS: Final = 300.0
"""The catalogue hardly ever changes, and every create reads it."""


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
        self._kept[short_name] = (time.monotonic() + KEPT_SECONDS, found)
        return found
