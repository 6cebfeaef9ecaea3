"""The local backend on SQLite does what every backend must do."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from weft.assembly.backends import open_backend
from weft.backend import Backend
from weft.settings import Settings
from weft.testing.backend_contract import BackendContract
from weft.testing.stub import stub_registry


@pytest.fixture
async def backend(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[Backend]:
    settings = Settings(home=tmp_path / "home", sync_retries=0)
    async with open_backend(settings, registry=stub_registry()) as opened:
        yield opened


class TestLocalBackend(BackendContract):
    """Local, on SQLite."""
