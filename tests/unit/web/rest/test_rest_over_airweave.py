"""The HTTP API over a remote backend answers for what only Airweave has: no sync, live search."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.applications import Starlette

from tests.support.airweave.scenarios import open_backend_at
from weft.domain.access.permissions import NO_CEILINGS
from weft.settings import Settings
from weft.testing.airweave import Airweave
from weft.web.gate.gate import guard
from weft.web.gate.metrics import Metrics
from weft.web.plan import build_gate
from weft.web.rest.routes import rest_routes

pytestmark = pytest.mark.anyio

CONNECTIONS = "/v1/source-connections"
FORMS: dict[str, dict[str, Any]] = {
    "waits for consent": {"short_name": "notion"},
    "never syncs by itself": {
        "short_name": "stub",
        "authentication": {"credentials": {"stub_key": "fake"}},
        "sync_immediately": False,
        "schedule": {"cron": None},
    },
    "is searched live": {
        "short_name": "slack",
        "authentication": {"access_token": "xoxp-good"},
    },
}


@pytest.fixture
def world() -> Airweave:
    return Airweave()


@pytest.fixture
async def http(
    world: Airweave, tmp_path: Path, anyio_backend: str
) -> AsyncGenerator[httpx.AsyncClient]:
    access = build_gate(Settings(home=tmp_path / "home"), None, None, Metrics())
    async with open_backend_at(world) as backend:
        app = guard(Starlette(routes=rest_routes(lambda _: backend, NO_CEILINGS)), access)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            made = await client.post(
                "/v1/collections", json={"name": "Docs", "readable_id": "docs"}
            )
            assert made.status_code == 200
            yield client


@pytest.mark.parametrize("form", FORMS)
async def test_connection_without_a_sync_is_created_shown_changed_and_deleted(
    http: httpx.AsyncClient, world: Airweave, form: str
) -> None:
    body = FORMS[form] | {"readable_collection_id": "docs", "name": "Without sync"}
    made = await http.post(CONNECTIONS, json=body)
    assert made.status_code == 200, made.text
    one = f"{CONNECTIONS}/{made.json()['id']}"
    shown = await http.get(one)
    changed = await http.patch(one, json={"name": "Renamed"})
    listed = await http.get(CONNECTIONS)
    deleted = await http.delete(one)
    assert [shown.status_code, changed.status_code, deleted.status_code] == [200, 200, 200]
    assert shown.json()["sync_id"] is None
    assert [item["name"] for item in listed.json()] == ["Renamed"]
    assert not world.connections


async def test_live_hit_without_a_sync_is_shown(http: httpx.AsyncClient) -> None:
    body = FORMS["is searched live"] | {"readable_collection_id": "docs"}
    assert (await http.post(CONNECTIONS, json=body)).status_code == 200
    found = await http.post("/v1/collections/docs/search/instant", json={"query": "house"})
    assert found.status_code == 200, found.text
    first = found.json()["results"][0]
    assert first["airweave_system_metadata"]["sync_id"] is None
    assert first["airweave_system_metadata"]["source_connection_id"] is None


async def test_job_is_shown_without_what_airweave_does_not_tell(
    http: httpx.AsyncClient, world: Airweave
) -> None:
    body = FORMS["never syncs by itself"] | {"readable_collection_id": "docs"}
    made = await http.post(CONNECTIONS, json=body | {"sync_immediately": True})
    world.clock.advance(60)
    (job,) = (await http.get(f"{CONNECTIONS}/{made.json()['id']}/jobs")).json()
    told = [job[name] for name in ("trigger", "full_sync", "created_at", "error_category")]
    assert told == [None, None, None, None]
    assert (job["entities_skipped"], job["entities_failed"]) == (1, 0)


async def test_push_is_refused_with_what_to_do(http: httpx.AsyncClient) -> None:
    body = {"entities": [{"id": "a", "title": "b", "text": "c"}]}
    refused = await http.post(f"{CONNECTIONS}/{uuid4()}/entities", json=body)
    assert refused.status_code == 400
    assert "Push to a Weft without WEFT_API_URL" in refused.json()["detail"]
