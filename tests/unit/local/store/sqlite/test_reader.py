"""A read that nobody waits for is interrupted, and no other one is."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from tests.support.patience import PATIENCE_SECONDS, wait_until
from weft.errors import WeftError
from weft.local.engine import utc_now
from weft.local.store.sqlite.file.database import READERS, Database
from weft.local.store.sqlite.file.session import Session

pytestmark = pytest.mark.anyio

ENDLESS = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"
# SQLite by itself looks for a cancel after thousands of rows.
ROW_SECONDS = 0.02
CANCELS = 200

SlowWork = Callable[[Session, list[int]], object]


@pytest.fixture
async def database(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[Database]:
    opened = await Database.open(tmp_path / "weft.db", utc_now)
    yield opened
    await opened.close()


def read_slowly(db: Session, begun: list[int]) -> None:
    """Run one statement that never ends, with rows that each take a while."""

    def pause() -> int:
        begun.append(1)
        time.sleep(ROW_SECONDS)
        return 1

    cast("Any", db).create_scalar_function("pause", pause)
    list(db.execute(ENDLESS.format("sum(pause())")))


def read_much(db: Session, begun: list[int]) -> None:
    """Run short statements without end, inside a longer one."""
    for _ in db.execute(ENDLESS.format("x")):
        begun.append(1)
        db.execute("SELECT 1")


def read_one(db: Session, _: object = None) -> int:
    return int(db.execute("SELECT 1").get)


async def read(database: Database, work: SlowWork, begun: list[int]) -> None:
    await database.read(work, begun)


async def wait_until_begun(begun: list[int], count: int = 1) -> None:
    await wait_until(lambda: len(begun) >= count)


@pytest.mark.parametrize("work", [read_slowly, read_much])
async def test_cancelled_reads_free_all_readers(database: Database, work: SlowWork) -> None:
    begun: list[list[int]] = [[] for _ in range(READERS)]
    async with anyio.create_task_group() as tasks:
        for each in begun:
            tasks.start_soon(read, database, work, each)
        for each in begun:
            await wait_until_begun(each)
        tasks.cancel_scope.cancel()
    with anyio.fail_after(PATIENCE_SECONDS):
        for _ in range(READERS):
            assert await database.read(read_one) == 1


async def test_long_read_delays_no_other_while_a_reader_is_free(database: Database) -> None:
    begun: list[list[int]] = [[] for _ in range(READERS - 1)]
    async with anyio.create_task_group() as tasks:
        for each in begun:
            tasks.start_soon(read, database, read_slowly, each)
        with anyio.fail_after(PATIENCE_SECONDS):
            for _ in range(READERS * 2):
                assert await database.read(read_one) == 1
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("work", [read_slowly, read_much, read_one])
async def test_cancel_hits_no_other_read(database: Database, work: SlowWork) -> None:
    for number in range(READERS * 2 if work is read_slowly else CANCELS):
        begun: list[int] = []
        reading = asyncio.ensure_future(database.read(work, begun))
        for _ in range(number % 4):
            await anyio.lowlevel.checkpoint()
        if work is not read_one and number % 2:
            await wait_until_begun(begun)
        reading.cancel()
        with anyio.fail_after(PATIENCE_SECONDS):
            assert [await database.read(read_one) for _ in range(READERS)] == [1] * READERS


async def test_close_interrupts_what_is_still_read(tmp_path: Path) -> None:
    opened = await Database.open(tmp_path / "weft.db", utc_now)
    begun: list[int] = []
    readings = [asyncio.ensure_future(opened.read(read_slowly, begun)) for _ in range(READERS * 2)]
    await wait_until_begun(begun, READERS)
    with anyio.fail_after(PATIENCE_SECONDS):
        await opened.close()
        for reading in readings:
            with pytest.raises(WeftError):
                await reading
