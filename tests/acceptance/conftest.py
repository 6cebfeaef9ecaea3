"""Real server processes and real clients."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.acceptance.weft_http import OVER, HttpServer, connect_over, http_server
from tests.acceptance.weft_process import MODES, Agent, Place


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Wider than elsewhere, because a server process is shared by the tests of a module."""
    return "asyncio"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.make(tmp_path)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every module's agents come in both eras; the walk through all tools over every transport."""
    if "agent" in metafunc.fixturenames:
        over = OVER if metafunc.definition.path.name == "test_tools.py" else OVER[: len(MODES)]
        metafunc.parametrize("agent", over, indirect=True, scope="module")


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[HttpServer]:
    """A server with no settings of its own; it serves a module, so use own names."""
    async with http_server(Place.make(tmp_path_factory.mktemp("weft"))) as server:
        yield server


@pytest.fixture(scope="module")
async def agent(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,
) -> AsyncGenerator[Agent]:
    """A client; one server process serves a module, so use own names."""
    place = Place.make(tmp_path_factory.mktemp("weft"))
    # Tests give credentials as arguments over every transport, which HTTP denies by default.
    async with connect_over(place, request.param, WEFT_INLINE_CREDENTIALS="allow") as agent:
        yield agent
    assert not [line for line in place.stderr.read_text().splitlines() if _is_ours(line)]


# The SDK's SSE transport leaves streams unclosed when its client goes: not ours to mend.
_LEFT_BY_SDK = "anyio/streams/memory.py"
# Python adds this line to such a warning; the line before it names the place.
_ADDENDUM = "ResourceWarning: Enable tracemalloc"


def _is_ours(line: str) -> bool:
    """Tell whether a line of stderr is a warning that our own code caused."""
    return "Warning" in line and _LEFT_BY_SDK not in line and not line.startswith(_ADDENDUM)
