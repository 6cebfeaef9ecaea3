"""The HTTP API behind its gate, in this process: over a real engine, and over Airweave."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from tests.support.airweave.backend import Place, wait_until_synced
from tests.support.airweave.differences import expect_difference
from tests.support.airweave.stub import open_world
from tests.support.local.embedded import Embedded, open_embedded
from weft.assembly.remote import OpenRemote
from weft.backend import Backend
from weft.domain.access.permissions import NO_CEILINGS, Ceilings
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID, Principal, Role
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import Connection, NewConnection
from weft.local.backend import LocalBackend
from weft.remote.backend import RemoteBackend
from weft.web.build import KNOWN_PATHS, OPEN_PATHS, STREAM_PATHS, AppParts, build_app
from weft.web.gate.gate import Gate
from weft.web.gate.hosts import build_host_rules
from weft.web.gate.limits import Rates, Slots
from weft.web.gate.metrics import Metrics
from weft.web.rest.openapi import openapi_routes
from weft.web.rest.routes import rest_routes, template_of

PRINCIPALS = {
    **{role.value: Principal(LOCAL_ORGANIZATION_ID, role.value, role) for role in Role},
    "other": Principal("other-org", "other", Role.ADMIN),
}


CREDENTIALS = {"token": "good-token"}
"""Airweave wants credentials for every source, and here the stub takes any."""

DIFFERS = {
    "test_held_deletions_are_told_and_applied": "Airweave holds no deletions",
    "test_another_organisation_finds_nothing": "the key is of one organisation; others are refused",
}
"""Tests that show what Airweave's API cannot do, by the beginning of their names."""


class Host(Protocol):
    """Holds the connections that the API manages."""

    def backend_for(self, principal: Principal) -> Backend: ...

    async def sync(self, connection: Connection) -> None:
        """Run a sync to its end."""
        ...


@dataclass
class EngineHost:
    """The local engine."""

    engine: Embedded

    def backend_for(self, principal: Principal) -> Backend:
        return LocalBackend(self.engine.engine, self.engine.runner, principal.organization_id)

    async def sync(self, connection: Connection) -> None:
        await self.engine.sync(connection)


@dataclass
class AirweaveHost:
    """An organisation at Airweave, through the remote backend."""

    place: Place
    backend: RemoteBackend

    def backend_for(self, principal: Principal) -> Backend:
        return OpenRemote(self.backend).backend_for(principal)

    async def sync(self, connection: Connection) -> None:
        await self.backend.jobs.run(connection.id)
        await wait_until_synced(self.place.world, connection.id)


@dataclass
class Api:
    """The application, and what it is made of."""

    host: Host
    replaced: Backend | None = None
    metrics: Metrics = field(default_factory=Metrics)
    refused: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def backend_for(self, principal: Principal) -> Backend:
        if self.replaced is not None:
            return self.replaced
        return self.host.backend_for(principal)

    async def hear(self, principal: Principal, operation: str) -> None:
        self.refused.append((principal.name, operation))

    @asynccontextmanager
    async def client(
        self,
        token: str = "admin",
        *,
        ceilings: Ceilings = NO_CEILINGS,
        per_minute: int = 100_000,
        slots: int = 10,
    ) -> AsyncGenerator[httpx.AsyncClient]:
        parts = AppParts(
            mcp=_nothing,
            sse=_nothing,
            messages=_nothing,
            lifespan=_no_lifespan,
            job_counts=_no_counts,
            verify=_accept,
            rest=[*openapi_routes("1"), *rest_routes(self.backend_for, ceilings, self.hear)],
        )
        gate = Gate(
            hosts=build_host_rules("127.0.0.1", (), ()),
            authenticators=[_authenticate],
            open_paths=OPEN_PATHS,
            stream_paths=STREAM_PATHS,
            known_paths=KNOWN_PATHS,
            requests=Slots(slots),
            streams=Slots(10),
            rates=Rates(per_minute),
            metrics=self.metrics,
            rest_template_of=template_of,
        )
        transport = httpx.ASGITransport(build_app(parts, gate))
        headers = {"x-api-key": token}
        base = "http://127.0.0.1"
        async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as client:
            yield client

    async def connect(self, config: Json, **fields: Any) -> Connection:
        """Create a stub connection that does not sync yet."""
        values = {
            "short_name": "stub",
            "readable_collection_id": "docs",
            "config": config,
            "sync_immediately": False,
            "auth": {"direct": {"credentials": CREDENTIALS}},
        }
        backend = self.host.backend_for(PRINCIPALS["admin"])
        return await backend.connections.create(NewConnection.model_validate(values | fields))

    async def connection(self, **fields: Any) -> str:
        """The id of a new stub connection that has not synced."""
        return (await self.connect({"entities": 3}, **fields)).id

    async def sync(self, connection: Connection) -> None:
        """Run a sync to its end."""
        await self.host.sync(connection)


@pytest.fixture(params=["local", "airweave"])
async def api(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncGenerator[Api]:
    if request.param == "local":
        async with open_embedded(tmp_path) as engine:
            yield Api(EngineHost(engine))
        return
    expect_difference(request, DIFFERS)
    place = Place(open_world())
    async with place.open() as backend:
        await backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
        yield Api(AirweaveHost(place, backend))


@pytest.fixture
async def client(api: Api) -> AsyncGenerator[httpx.AsyncClient]:
    async with api.client() as client:
        yield client


async def _authenticate(token: str) -> Principal | None:
    return PRINCIPALS.get(token)


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("not a route of the API")


@asynccontextmanager
async def _no_lifespan() -> AsyncGenerator[None]:
    yield


async def _accept() -> None:
    pass


async def _no_counts() -> Mapping[str, int]:
    return {}
