"""An engine with a source that tests script, for texts and calls that are hostile."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.local.harness import LocalHarness, open_harness


@pytest.fixture
async def harness(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[LocalHarness]:
    async with open_harness(tmp_path) as harness:
        await harness.create_collection()
        yield harness
