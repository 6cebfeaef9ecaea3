"""The HTTP API behind its gate, over a real engine in the test's own process."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from embedded import Embedded, open_embedded
from starlette.types import Receive, Scope, Send

from weft.backend import Backend
from weft.domain.access.permissions import NO_CEILINGS, Ceilings
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID, Principal, Role
from weft.local.backend import LocalBackend
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


@dataclass
class Api:
    """The application, and what it is made of."""

    engine: Embedded
    replaced: Backend | None = None
    metrics: Metrics = field(default_factory=Metrics)
    refused: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def backend_for(self, principal: Principal) -> Backend:
        if self.replaced is not None:
            return self.replaced
        return LocalBackend(self.engine.engine, self.engine.runner, principal.organization_id)

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

    async def connection(self, **fields: Any) -> str:
        """The id of a new stub connection that has not synced."""
        return (await self.engine.connect({"entities": 3}, **fields)).id


@pytest.fixture
async def api(tmp_path: Path) -> AsyncGenerator[Api]:
    async with open_embedded(tmp_path) as engine:
        yield Api(engine)


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
