"""Real server processes and real clients."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

# Pytest's import mode leaves this folder off the path, and the helpers are shared by its tests.
sys.path.insert(0, str(Path(__file__).parent))

from weft_process import MODES, Agent, Place, connected


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Wider than elsewhere, because a server process is shared by the tests of a module."""
    return "asyncio"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.make(tmp_path)


@pytest.fixture(scope="module", params=list(MODES))
async def agent(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,
) -> AsyncGenerator[Agent]:
    """A client in each protocol era; one server process serves a module, so use own names."""
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with connected(place, MODES[request.param]) as agent:
        yield agent
    errors = [line for line in place.stderr.read_text().splitlines() if "Warning" in line]
    assert not errors
