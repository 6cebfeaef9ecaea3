"""The server that the tests of a module share."""

from collections.abc import AsyncGenerator

import pytest

from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import Place


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[HttpServer]:
    """One server for all tests: each has connections of its own names."""
    async with http_server(Place.make(tmp_path_factory.mktemp("weft"))) as server:
        yield server
