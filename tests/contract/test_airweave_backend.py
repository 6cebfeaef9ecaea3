"""The remote backend over Airweave does what every backend must do, but for named differences."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from tests.support.airweave.differences import expect_difference
from tests.support.airweave.stub import open_world
from weft.backend import Backend
from weft.domain.access.permissions import NO_CEILINGS
from weft.domain.connections import Connection, NewConnection
from weft.remote.api.client import open_client
from weft.remote.api.timeouts import Timeouts
from weft.remote.backend import RemoteBackend
from weft.settings import Settings
from weft.testing.airweave import airweave_app
from weft.testing.backend_contract import BackendContract
from weft.testing.backend_contract.support import credentials
from weft.web.gate.gate import guard
from weft.web.gate.metrics import Metrics
from weft.web.plan import build_gate
from weft.web.rest.routes import rest_routes

KEY = SecretStr("key-of-the-front")
URL = "http://airweave.test"
TIMEOUTS = replace(Timeouts(), watch=0.01, watch_longest=0.05)

_FAILURE = "test_failure_has_a_diagnosis_and_keeps_what_was_stored"
_FOUR = "of the causes of a failure Airweave tells those that are about credentials"
_COUNTS = "Airweave does not count what is unchanged, and tells skipped from failed nowhere"
DIFFERS = {
    "test_all_words_first_then_any": "Airweave finds by meaning",
    "test_hits_are_paged_and_filtered": "two connections may hold entities of the same id",
    "test_continuous_connection_syncs_from_its_cursor": "Airweave tells nothing of cursors",
    "test_create_gives_documented_defaults": "Airweave does not tell why a job was started",
    "test_counts_are_true_to_the_entity": _COUNTS,
    "test_failed_and_skipped_entities_are_counted_and_logged": _COUNTS,
    "test_failed_entity_keeps_its_earlier_copy": _COUNTS,
    "test_connection_without_needed_credentials_waits": "Airweave keeps none; a page asks for them",
    "test_update_changes_only_what_is_given": "Airweave has no versions to count",
    "test_too_many_deletions_wait_for_somebodys_word": "Airweave holds no deletions",
    "test_emptied_source_takes_nothing_along": "Airweave holds no deletions",
    f"{_FAILURE}[access": _FOUR,
    f"{_FAILURE}[unavailable": _FOUR,
    f"{_FAILURE}[rate_limited": _FOUR,
    f"{_FAILURE}[crash": _FOUR,
}
"""Tests that show a difference, by the beginning of their names."""


@pytest.fixture(autouse=True)
def differences(request: pytest.FixtureRequest) -> None:
    expect_difference(request, DIFFERS)


class Connections:
    """Gives the stub the credentials that Airweave wants of every source."""

    def __init__(self, backend: RemoteBackend) -> None:
        self._create = backend.connections.create

    async def create(self, new: NewConnection) -> Connection:
        if new.auth is None and new.short_name == "stub":
            new = new.model_copy(update={"auth": credentials(token="any-token")})
        return await self._create(new)


@pytest.fixture
async def backend(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Backend]:
    world = open_world()
    transport = httpx.ASGITransport(airweave_app(world))
    key = SecretStr(world.key)
    async with open_client(URL, key, timeouts=TIMEOUTS, transport=transport) as client:
        opened = RemoteBackend(client)
        monkeypatch.setattr(opened.connections, "create", Connections(opened).create)
        yield opened


class TestAirweaveBackend(BackendContract):
    """Remote, over the stand-in of Airweave."""

    LACKS: ClassVar[Mapping[str, str]] = {
        "connections.move": "Airweave's API ignores another collection for a connection",
        "connections.check": "Airweave's API has no route that checks a connection",
        "browse": "Airweave's API has no route that lists entities or what a sync changed",
        "schedules": "Airweave's API reads a cron in UTC only, and cannot pause it",
        "search.entity": "Airweave's API has no route that shows an entity in full",
        "trash.restore": "Airweave's API deletes for good",
        "jobs.log": "Airweave's API tells of a job only the error that ended it",
    }


class TestAirweaveBehindWeft(TestAirweaveBackend):
    """Remote, over Weft's own HTTP API in front of the stand-in of Airweave."""

    @pytest.fixture
    async def backend(self, backend: Backend, tmp_path: Path) -> AsyncGenerator[Backend]:
        gate = build_gate(Settings(home=tmp_path), None, None, Metrics())
        app = guard(Starlette(routes=rest_routes(lambda _: backend, NO_CEILINGS)), gate)
        transport = httpx.ASGITransport(app)
        url = "http://127.0.0.1/v1"
        async with open_client(url, KEY, timeouts=TIMEOUTS, transport=transport) as client:
            yield RemoteBackend(client)
