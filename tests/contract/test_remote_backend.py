"""The remote backend over Weft's own HTTP API does what every backend must do."""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from weft.assembly.backends import open_engine
from weft.backend import Backend
from weft.domain.access.permissions import NO_CEILINGS
from weft.remote.api.client import open_client
from weft.remote.api.timeouts import Timeouts
from weft.remote.backend import RemoteBackend
from weft.settings import Settings
from weft.testing.backend_contract import BackendContract
from weft.testing.serving import serve_app
from weft.testing.stub import stub_registry
from weft.web.gate.gate import guard
from weft.web.gate.metrics import Metrics
from weft.web.plan import build_gate
from weft.web.rest.routes import rest_routes

KEY = SecretStr("contract-key-0123456789")


@pytest.fixture
async def backend(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[Backend]:
    settings = Settings(home=tmp_path / "home", sync_retries=0)
    async with open_engine(settings, registry=stub_registry()) as opened:
        app = Starlette(routes=rest_routes(opened.backend_for, NO_CEILINGS))
        # The gate lets everyone in as the operator: who may come in has its own tests.
        access = build_gate(settings, None, None, Metrics())
        async with (
            serve_app(guard(app, access)) as url,
            open_client(f"{url}/v1", KEY, timeouts=Timeouts(watch=0.02)) as client,
        ):
            yield RemoteBackend(client)


class TestRemoteBackend(BackendContract):
    """Remote, over Weft's own HTTP API."""

    LACKS: ClassVar[Mapping[str, str]] = {
        "connections.check": "Airweave's API has no route that checks a connection",
        "browse": "Airweave's API has no route that lists entities or what a sync changed",
        "search.entity": "Airweave's API has no route that shows an entity in full",
        "trash.restore": "Airweave's API deletes for good",
        "jobs.log": "Airweave's API tells of a job only the error that ended it",
    }
