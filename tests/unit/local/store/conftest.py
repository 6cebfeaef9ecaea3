"""Fixtures of the store's tests."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.store.bench import Bench, open_bench


@pytest.fixture
async def bench(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path / "weft.db") as made:
        yield made
