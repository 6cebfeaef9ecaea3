"""The type of the function that opens the guarded client, without importing httpx."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # Importing the HTTP stack takes longer than the rest of Weft: only sources that use it pay.
    import httpx


class HttpFactory(Protocol):
    """Opens the guarded HTTP client, the only way in which a source reaches the network."""

    def __call__(
        self,
        *,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
        auth: "httpx.Auth | None" = None,
    ) -> AbstractAsyncContextManager["httpx.AsyncClient"]:
        """Return a client whose credentials stay with the origin of ``base_url``."""
        ...
