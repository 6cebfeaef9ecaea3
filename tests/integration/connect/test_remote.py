"""An agent at a Weft whose backend is another Weft connects the same sources, and as easily."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp.client import Client
from pydantic import SecretStr
from starlette.applications import Starlette

from tests.support.server.fakes import text_of
from tests.support.sources.scripted_services import SERVICES, Service
from weft.assembly.backends import open_engine
from weft.domain.access.permissions import NO_CEILINGS
from weft.remote.api.client import open_client
from weft.remote.backend import RemoteBackend
from weft.server.build import build_server
from weft.settings import Settings
from weft.testing.scripted_http import serve
from weft.testing.serving import serve_app
from weft.web.gate.gate import guard
from weft.web.gate.metrics import Metrics
from weft.web.plan import build_gate
from weft.web.rest.routes import rest_routes

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def open_remote(home: Path, name: str, service: Service) -> AsyncGenerator[Client]:
    """Run the service, a Weft that may reach it, and one in front of that."""
    async with serve(service.server) as site:
        url = f"{site.url}{service.path}"
        settings = Settings(
            home=home, sync_retries=0, allow_hosts=frozenset({"127.0.0.1"}), source_urls={name: url}
        )
        async with open_engine(settings) as opened:
            app = Starlette(routes=rest_routes(opened.backend_for, NO_CEILINGS))
            access = build_gate(settings, None, None, Metrics())
            key = SecretStr("contract-key-0123456789")
            async with (
                serve_app(guard(app, access)) as api,
                open_client(f"{api}/v1", key) as client,
                Client(build_server(lambda _: RemoteBackend(client), version="1")) as agent,
            ):
                yield agent


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("jira", "config.site is missing, or names something that cannot be read"),
        ("zendesk", "config.subdomain: subdomain is required"),
    ],
)
async def test_service_is_searchable_behind_another_weft_which_names_what_is_missing(
    tmp_path: Path, name: str, lacks: str
) -> None:
    service = SERVICES[name]()
    credentials = {service.secret_field: service.secret, **(service.more or {})}
    async with open_remote(tmp_path / "home", name, service) as agent:

        async def call(tool: str, **given: object) -> str:
            return text_of(await agent.call_tool(tool, given))

        auth = {"direct": {"credentials": credentials}}
        assert f"short_name: {name}" in await call("list_sources", query=service.wish)
        assert lacks in await call("create_connection", short_name=name, auth=auth)
        made = await call("create_connection", short_name=name, config=service.config, auth=auth)
        job = re.search(r"get_job\(job_id='([^']+)'", made)
        assert job is not None, made
        assert "COMPLETED" in await call("get_job", job_id=job[1], wait_seconds=30)
        assert "1. " in await call("search", query=service.finds)
