"""Fixtures for tests of the guarded client."""

import pytest

from weft.net.client import Clock, http_factory
from weft.net.http_factory import HttpFactory


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
