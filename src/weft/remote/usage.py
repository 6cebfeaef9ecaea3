"""Tells what the plan at a remote API allows, and what is used of it."""

from collections.abc import Mapping

from weft.backend import Usage
from weft.remote.api.client import ApiClient
from weft.wire.usage import read_usage


class RemoteUsage(Usage):
    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def get(self) -> Mapping[str, str]:
        return await self._client.get("/usage/dashboard", read_usage)
