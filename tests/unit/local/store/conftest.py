"""Fixtures of the store's tests."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

# Pytest's import mode leaves this folder off the path, and the bench is shared by its tests.
sys.path.insert(0, str(Path(__file__).parent))

from store_bench import Bench, opened


@pytest.fixture
async def bench(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[Bench]:
    async with opened(tmp_path / "weft.db") as made:
        yield made
