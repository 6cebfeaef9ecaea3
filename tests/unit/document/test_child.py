"""Foreign content is parsed where it can be limited and killed."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.support.patience import wait_until
from weft.document.child import (
    CPU_SECONDS_MAX,
    INLINE_BYTES_MAX,
    MEMORY_BYTES_MAX,
    THREAD_BYTES_MAX,
    TooCostly,
    run_parser,
    run_parser_in_thread,
)
from weft.errors import SourceUnavailable

pytestmark = pytest.mark.anyio

LONG = THREAD_BYTES_MAX + 1
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")


async def run_long(parse: Callable[..., Any], *args: Any) -> Any:
    return await run_parser(LONG, parse, *args)


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


async def test_only_long_content_leaves_the_process() -> None:
    assert await run_parser(INLINE_BYTES_MAX, os.getpid) == os.getpid()
    assert await run_parser(THREAD_BYTES_MAX, os.getpid) == os.getpid()
    assert await run_parser(LONG, os.getpid) != os.getpid()


async def test_one_process_reads_one_thing_after_another() -> None:
    assert await run_long(os.getpid) == await run_long(os.getpid)


async def test_worker_thread_has_its_content_read_in_the_same_process() -> None:
    child = await run_long(os.getpid)
    assert await anyio.to_thread.run_sync(run_parser_in_thread, LONG, os.getpid) == child
    assert await anyio.to_thread.run_sync(run_parser_in_thread, 9, os.getpid) == os.getpid()


async def test_errors_of_the_parser_are_raised_here() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await run_long(int, "x")
    with pytest.raises(SourceUnavailable) as raised:
        await run_long(exec, "from weft.errors import *; raise SourceUnavailable('a', hint='b')")
    assert (raised.value.message, raised.value.hint) == ("a", "b")


@posix_only
async def test_content_that_takes_all_memory_is_given_up_alone() -> None:
    for _ in range(2):
        with pytest.raises(TooCostly):
            await run_long(bytearray, 2 * MEMORY_BYTES_MAX)
        assert await run_long(len, "ok") == 2


@posix_only
async def test_content_that_takes_too_long_is_given_up_alone() -> None:
    with pytest.raises(TooCostly):
        await run_long(signal.raise_signal, signal.SIGXCPU)
    soft, _ = await run_long(eval, "__import__('resource').getrlimit(0)")
    used = await run_long(eval, "__import__('time').process_time()")
    assert 0 < soft <= used + 1 + CPU_SECONDS_MAX


@posix_only
async def test_crash_of_the_parser_is_an_error_and_not_a_loss() -> None:
    with pytest.raises(SourceUnavailable):
        await run_long(signal.raise_signal, signal.SIGKILL)
    child = await run_long(os.getpid)
    os.kill(child, signal.SIGKILL)
    assert await run_long(len, "ok") == 2


@pytest.mark.parametrize("in_thread", [False, True])
async def test_cancelling_kills_the_process(tmp_path: Path, in_thread: bool) -> None:
    started = tmp_path / "started"
    code = (
        "import os, pathlib\n"
        f"pathlib.Path({str(tmp_path / 'new')!r}).write_text(str(os.getpid()))\n"
        f"os.rename({str(tmp_path / 'new')!r}, {str(started)!r})\n"
        "while True: pass"
    )

    async def read() -> None:
        if in_thread:
            await anyio.to_thread.run_sync(run_parser_in_thread, LONG, exec, code)
        else:
            await run_long(exec, code)

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await wait_until(started.exists)
        group.cancel_scope.cancel()
    assert not is_running(int(started.read_text()))
    assert await run_long(len, "ok") == 2
