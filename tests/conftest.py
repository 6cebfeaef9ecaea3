"""Fixtures shared by all tests, and the counts of the sources' listing faults in the summary."""

import gc
import os
from collections.abc import Generator

import pytest

# No process embeds beside the syncs of tests that are not about it. What they start inherits this.
os.environ["WEFT_EMBEDDINGS"] = "false"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Take no notice of thousands of tests, which live to the end, in any garbage collection."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (report for group in terminalreporter.stats.values() for report in group)
    found = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    rows = sorted(str(value) for name, value in found if name == "listing_faults")
    if rows:
        terminalreporter.section("listing faults")
        terminalreporter.write_line("\n".join(rows))
