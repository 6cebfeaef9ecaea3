"""The engine that the tasks of a module share, and the table of what they took."""

import statistics
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.evaluation.measuring import Measured
from tests.evaluation.world import Stage, open_stage

HERE = Path(__file__).parent
MEASURED = pytest.StashKey[list[Measured]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MEASURED] = []


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Wider than elsewhere, because one engine serves all tasks of a module."""
    return "asyncio"


# No wider, or else no test after it in the same process could run an event loop of its own.
@pytest.fixture(scope="module")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[Stage]:
    async with open_stage(tmp_path_factory.mktemp("evaluation")) as opened:
        yield opened


@pytest.fixture
def measured(pytestconfig: pytest.Config) -> list[Measured]:
    return pytestconfig.stash[MEASURED]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table where this folder alone was asked for, as `make evaluate` does."""
    rows = config.stash[MEASURED]
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    if not rows or not all(path.is_relative_to(HERE) for path in asked):
        return
    width = max(len(row.name) for row in rows)
    terminalreporter.section("agent evaluation")
    terminalreporter.write_line(f"{'task':{width}}  calls  tokens read  ceiling")
    for row in rows:
        line = f"{row.name:{width}}  {row.calls:5}  {row.tokens:11}  {row.tokens_max:7}"
        terminalreporter.write_line(line)
    calls = [row.calls for row in rows]
    tokens = [row.tokens for row in rows]
    terminalreporter.write_line(
        f"{len(rows)} tasks: {statistics.median(calls):g} calls at the median and {max(calls)} at"
        f" most; {statistics.median(tokens):g} tokens read at the median and {max(tokens)} at most"
    )
