"""In front of a remote API that repeats all it is sent, neither its key nor credentials are seen.

The API answers to everything with one failure after the other, its errors in the words of Airweave.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import cast

import pytest

from tests.acceptance.canary.calls import Call, direct_auth, list_misplaced
from tests.acceptance.canary.world import Structured, Web, World, burst
from tests.acceptance.weft_process import TOOLS, Place
from tests.support.airweave.faulty import FaultyAirweave
from tests.support.secrets.echo_upstream import FAILURES, EchoUpstream, serve_echo
from weft.testing.airweave import Airweave
from weft.testing.scripted_http import HttpReply, HttpRequest, serve

pytestmark = pytest.mark.anyio

QUICK = tuple(mode for mode in FAILURES if mode not in ("500", "odd", "junk", "cut", "drop"))
SLOW = "odd"
"""One of the failures after which it is looked for what became of the request."""


@dataclass
class RemoteApi(EchoUpstream):
    """An API that fails in everything, or only in what changes something."""

    api: FaultyAirweave = field(default_factory=lambda: FaultyAirweave(Airweave()))
    reads: bool = True

    @property
    def known_id(self) -> str:
        return self.api.known.id

    async def reply(self, asked: HttpRequest) -> HttpReply:
        if self.reads and asked.method == "GET":
            return await self.api(asked)
        return self.answer(asked)


@pytest.fixture(scope="module")
async def world(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[World]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    api = RemoteApi()
    async with serve(api.reply) as api.site, serve_echo() as elsewhere:
        api.elsewhere = elsewhere.url
        world = World(place, api)
        api.api.world.key = world.secret("API key")
        world.temporary.mkdir()
        place.home.mkdir()
        world.settings |= {
            "WEFT_API_URL": api.url,
            "WEFT_API_KEY": world.secret("API key"),
            "WEFT_TOKEN": world.secret("operator's token"),
            "WEFT_LOG_LEVEL": "DEBUG",
            "TMPDIR": str(world.temporary),
        }
        await call_over_stdio(world)
        async with world.http(WEFT_LOG_FORMAT="json") as web:
            await call_over_http(world, web)
        await run_commands(world)
        world.hear("requests to the other host", elsewhere.list_received())
        yield world


async def test_no_run_of_a_secret_is_said_or_stored(world: World) -> None:
    leaks = world.leaks()
    assert not leaks, "\n".join(leaks[:20]) + f"\n{len(leaks)} leaks"


async def test_the_secrets_were_used(world: World) -> None:
    reached = world.canaries.find(world.upstream.list_received())
    assert {"API key", "direct token", "access token", "own client"} <= reached
    # The token is for those who call this server, and the misplaced go no further than it.
    assert not {"operator's token"} & reached


def list_calls(world: World) -> list[Call]:
    """Every tool, and credentials of every method."""
    api, secret = cast("RemoteApi", world.upstream), world.secret
    one, docs = {"connection_id": api.known_id}, {"readable_collection_id": "docs"}
    direct = direct_auth(personal_access_token=secret("direct token"))
    token = {"access_token": secret("access token"), "refresh_token": secret("refresh token")}
    own = {"client_id": "weft", "client_secret": secret("own client")}
    provider = {"provider_readable_id": "one", "provider_config": {"entity_id": "u"}}
    github = {"short_name": "github", "config": {"repo_name": "acme/notes"}, "auth": direct}
    auths: tuple[Structured, ...] = (
        {"oauth_token": token},
        {"oauth_browser": own},
        {"auth_provider": provider},
    )
    calls: list[Call] = [("create_connection", {**docs, **github})]
    calls += [
        ("create_connection", {"short_name": "notion", **docs, "auth": auth}) for auth in auths
    ]
    stub = direct_auth(stub_key=secret("direct token"))
    calls += [("authorize_connection", {**one, "auth": stub})]
    calls += [("update_connection", {**one, "auth": stub})]
    calls += [("update_connection", {**one, "name": "Another name"})]
    calls += [(tool, one) for tool in ("get_connection", "run_sync", "list_jobs")]
    calls += [("delete_connection", one), ("authorize_connection", one)]
    job = {"job_id": api.api.jobs[0].id}
    calls += [("get_job", job), ("cancel_job", job)]
    calls += [(tool, {}) for tool in ("list_sources", "list_connections", "list_collections")]
    calls += [("get_source", {"short_name": "github"}), ("search", {**docs, "query": "words"})]
    calls += [("create_collection", {"name": "Team documents", "readable_id": "docs"})]
    calls += [("update_collection", {**docs, "name": "Another name"})]
    return [*calls, ("delete_collection", docs)]


async def call_over_stdio(world: World) -> None:
    api = cast("RemoteApi", world.upstream)
    async with world.stdio(WEFT_INLINE_CREDENTIALS="allow") as server:
        for api.reads in (True, False):
            for api.default in QUICK:
                await burst(server, list_calls(world))
                await server.ask("resources/read", {"uri": f"weft://connections/{api.known_id}"})
        api.reads, api.default = True, SLOW
        await burst(server, list_calls(world)[:2])
        api.default = "422"
        wrong = [call for call in list_misplaced(world, api.known_id)[::5] if call[0] in TOOLS]
        await burst(server, wrong)


async def call_over_http(world: World, web: Web) -> None:
    api = cast("RemoteApi", world.upstream)
    body = {
        "short_name": "github",
        "readable_collection_id": "docs",
        "config": {"repo_name": "acme/notes"},
        "authentication": {"credentials": {"personal_access_token": world.secret("direct token")}},
    }
    async with web.client() as client:
        for api.default in QUICK:
            api.reads = True
            await client.post("/source-connections", json=body)
            await client.patch(f"/source-connections/{api.known_id}", json=body)
            api.reads = False
            for path in (
                "/source-connections",
                f"/source-connections/{api.known_id}",
                "/collections",
            ):
                await client.get(path)
        await client.get("/metrics")


async def run_commands(world: World) -> None:
    token = json.dumps({"personal_access_token": world.secret("direct token")})
    repo = ("--config", "repo_name=acme/notes", "--credentials-stdin")
    create = ("connections", "create", "github", "--collection", "docs", *repo)
    api = cast("RemoteApi", world.upstream)
    for api.default, api.reads in (("401", False), ("422", True)):
        await world.verbs({create: token, ("connections", "list"): "", ("promote", "--yes"): ""})
    await world.verbs({("doctor",): "", ("doctor", "--json"): ""})
