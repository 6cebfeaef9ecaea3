"""Fixtures for tests of sources."""

import sys
from pathlib import Path

import pytest

from weft.sources.base import HttpFactory
from weft.sources.http import Clock, http_factory

# Pytest's import mode leaves this folder off the path, and the benches are shared by its tests.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def waits() -> list[float]:
    """The waits that the client of `http` was asked for, in seconds; none really happens."""
    return []


@pytest.fixture
def http(waits: list[float]) -> HttpFactory:
    """The guarded client, allowed to reach this machine."""

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return http_factory({"127.0.0.1"}, clock=Clock(sleep=sleep, now=lambda: 1_000_000.0))
