"""Fixtures of the local backend's tests."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import pytest

# Pytest's import mode leaves this folder off the path, and the bench is shared by its tests.
sys.path.insert(0, str(Path(__file__).parent))

from local_bench import LocalBench, opened

from weft.local.engine import Engine
from weft.local.store.base import Store
from weft.local.vault import KEY_BYTES, FixedKeys, Vault
from weft.sources.base import HttpFactory, SourceContext
from weft.testing.stub import stub_registry


@pytest.fixture
async def local(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[LocalBench]:
    async with opened(tmp_path / "home") as bench:
        await bench.collection()
        yield bench


@pytest.fixture
def idle_engine() -> Engine:
    """An engine for what needs neither a store nor a network: to touch either is an error."""
    return Engine(
        store=cast("Store", None),
        registry=stub_registry(),
        vault=Vault(FixedKeys(bytes(KEY_BYTES))),
        context=SourceContext(http=cast("HttpFactory", None)),
    )
