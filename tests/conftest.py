"""Fixtures shared by all tests, and the counts of the sources' listing faults in the summary."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (report for group in terminalreporter.stats.values() for report in group)
    found = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    rows = sorted(str(value) for name, value in found if name == "listing_faults")
    if rows:
        terminalreporter.section("listing faults")
        terminalreporter.write_line("\n".join(rows))
