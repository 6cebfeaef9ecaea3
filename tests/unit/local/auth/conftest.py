"""Fixtures of the tests of authentication."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

# Pytest's import mode leaves this folder off the path, and the bench is shared by its tests.
sys.path.insert(0, str(Path(__file__).parent))

from oauth_bench import CLIENT_ID, CLIENT_SECRET, OAuthBench, oauth_bench
from oauth_provider import OAuthProvider, providing


@pytest.fixture
async def bench(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[OAuthBench]:
    async with oauth_bench(tmp_path / "home") as made:
        yield made


@pytest.fixture
async def provider(anyio_backend: str) -> AsyncGenerator[OAuthProvider]:
    async with providing() as made:
        made.register(CLIENT_ID, CLIENT_SECRET)
        yield made
