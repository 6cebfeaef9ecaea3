"""Every store does what a store must do: the embedded one, and one that holds no SQL at all."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.store.memory.store import MemoryStore
from tests.support.store.open import open_store
from weft.local.store.base import Store
from weft.testing.store_contract import PassTime, StoreContract


class Clock:
    """Moves only when a test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)
        self.seconds = 0.0

    def pass_time(self, amount: timedelta) -> None:
        """Move on."""
        self.now += amount
        self.seconds += amount.total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pass_time(clock: Clock) -> PassTime:
    return clock.pass_time


class TestSqliteStore(StoreContract):
    """The embedded store."""

    @pytest.fixture
    async def store(
        self, tmp_path: Path, clock: Clock, anyio_backend: str
    ) -> AsyncGenerator[Store]:
        opened = await open_store(tmp_path / "weft.db", lambda: clock.now, lambda: clock.seconds)
        yield opened
        await opened.close()


class TestMemoryStore(StoreContract):
    """A store of plain objects: the protocol asks for nothing that only SQLite has."""

    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        return MemoryStore(lambda: clock.now)
