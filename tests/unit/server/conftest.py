"""A server over a backend in memory, and clients of both protocol eras."""

import pytest
from mcp.client import Client

from tests.support.server.fakes import Connect, FakeBackend
from tests.support.server.records import make_connection
from weft.server.app import WeftServer
from weft.server.build import build_server


@pytest.fixture
def backend() -> FakeBackend:
    fake = FakeBackend()
    fake.connections.rows["c1"] = make_connection("c1")
    return fake


@pytest.fixture
def server(backend: FakeBackend) -> WeftServer:
    return build_server(lambda _: backend.as_backend(), version="9.9")


@pytest.fixture(params=["legacy", "2026-07-28"])
def connect(request: pytest.FixtureRequest, server: WeftServer) -> Connect:
    return lambda: Client(server, mode=request.param)
