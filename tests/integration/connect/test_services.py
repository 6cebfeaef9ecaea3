"""An agent that is asked to connect a service finds it by name, and searches it four calls later.

It knows nothing but what the tools tell it, has all sources to choose from, and is given the
credentials by its user. The services are scripted: see `tests/support/sources`.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources.agents import Agent, open_agent
from tests.support.sources.scripted_services import SERVICES, Service
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.registry import SourceRegistry
from weft.sources.rest.source import RestSource
from weft.testing.http_faults import NO_WAIT, wait_not
from weft.testing.scripted_http import serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no source pause between requests."""
    monkeypatch.setattr(RestSource, "sleep", staticmethod(wait_not))


@asynccontextmanager
async def open_service(home: Path, name: str, service: Service) -> AsyncGenerator[Agent]:
    """Run the service, and a Weft with all sources whose operator sends this one there."""
    registry = SourceRegistry()
    async with serve(service.server) as site:
        context = SourceContext(
            http=http_factory({"127.0.0.1"}, clock=NO_WAIT),
            options={f"{name}_api_url": f"{site.url}{service.path}"},
        )
        async with open_agent(home, *map(registry.get, registry.names()), context=context) as agent:
            yield agent


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", SERVICES)
async def test_service_is_searchable_in_four_calls_and_follows_what_changes(
    tmp_path: Path, name: str
) -> None:
    service = SERVICES[name]()
    async with open_service(tmp_path, name, service) as agent:
        await agent.call("list_sources", query=service.wish)
        told = agent.answers[-1]
        assert f"short_name: {name}" in told
        fields = [service.secret_field, *(service.config or {}), *(service.more or {})]
        assert all(f"- {field} (" in told for field in fields)
        credentials = {service.secret_field: service.secret, **(service.more or {})}
        assert "(array," not in told
        made = await agent.call(
            "create_connection",
            short_name=name,
            config=service.config or {},
            auth={"direct": {"credentials": credentials}},
        )
        job = await agent.follow()
        assert job["status"] == "COMPLETED", job
        await agent.call("search", query=service.finds)
        assert "1. " in agent.answers[-1]
        assert len(agent.answers) == 4
        assert service.secret not in "".join(agent.answers)

        again = await run(agent, made["id"])
        assert again["entities_inserted"] == again["entities_updated"] == 0
        assert again["entities_deleted"] == 0
        service.change()
        await run(agent, made["id"])
        await agent.call("search", query=service.finds_later)
        assert service.finds_later in agent.answers[-1].lower()


async def run(agent: Agent, connection_id: str) -> dict[str, Any]:
    """Sync once more by the tools; return the job, which must have ended well."""
    await agent.call("run_sync", connection_id=connection_id)
    job = await agent.follow()
    assert job["status"] == "COMPLETED", job
    return job
