"""Data of one organisation does not exist for another: the HTTP API, subscriptions, tasks."""

import warnings
from collections.abc import AsyncGenerator
from uuid import uuid4

import httpx
import pytest
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types import ResourceTemplateReference

from tests.acceptance.weft_http import TwoOrganizations, create_key, http_server
from tests.acceptance.weft_process import Place, Structured
from tests.support.server.task_client import get_task

pytestmark = pytest.mark.anyio

UNKNOWN = {"id": str(uuid4()), "job": str(uuid4()), "collection": "no-such-collection"}
CLAIM = {"claim_token": "c" * 40}
DIRECT = {"credentials": {"token": "any"}}


@pytest.fixture(scope="module")
async def two(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[TwoOrganizations]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with http_server(place, WEFT_INLINE_CREDENTIALS="allow") as server:
        owner = create_key(place, "owner", "admin", "first")
        stranger = create_key(place, "stranger", "admin", "second")
        async with server.agent(token=owner) as agent:
            collection = await agent.collection("owned-by-first")
            made = await agent.sync_new(collection, name="Secret plans", config={"entities": 3})
            waiting = await agent.connection(collection, short_name="secret_stub", name="Waiting")
        owned = {
            "id": made["id"],
            "job": made["sync"]["last_job"]["id"],
            "collection": collection,
            "waiting": waiting["id"],
        }
        yield TwoOrganizations(server, owner, stranger, owned)


def requests(known: Structured) -> list[tuple[str, str, Structured | None]]:
    """Every route that takes an id."""
    collection = f"/collections/{known['collection']}"
    search = {"query": "entity1"}
    made: list[tuple[str, str, Structured | None]] = [
        ("GET", collection, None),
        ("PATCH", collection, {"name": "Taken over"}),
        ("DELETE", collection, None),
        ("POST", f"{collection}/search/instant", search),
        ("POST", f"{collection}/search/classic", search),
    ]
    new = {"short_name": "stub", "readable_collection_id": known["collection"]}
    made.append(("POST", "/source-connections", new))
    for each in (known["id"], known.get("waiting", known["id"])):
        one = f"/source-connections/{each}"
        made += [
            ("GET", one, None),
            ("PATCH", one, {"description": "taken over"}),
            ("PATCH", one, {"config": {"entities": 1}}),
            ("PATCH", one, {"authentication": DIRECT}),
            ("DELETE", one, None),
            ("POST", f"{one}/run", None),
            ("POST", f"{one}/entities", {"entities": [{"id": "a", "title": "b", "text": "c"}]}),
            ("GET", f"{one}/jobs", None),
            ("POST", f"{one}/jobs/{known['job']}/cancel", None),
            ("POST", f"{one}/verify-oauth", CLAIM),
            ("POST", f"{one}/reinitiate-oauth", None),
        ]
    return made


async def test_every_route_with_an_id_is_tried(two: TwoOrganizations) -> None:
    async with two.server.client() as client:
        paths: Structured = (await client.get("/openapi.json")).json()["paths"]
    known = {"id": "{source_connection_id}", "job": "{job_id}", "collection": "{readable_id}"}
    tried = {(method, path) for method, path, _ in requests(known)}
    listed = {
        (method.upper(), path.rstrip("/"))
        for path, methods in paths.items()
        for method in methods
        if "{" in path and "{short_name}" not in path
    }
    assert listed <= tried, listed - tried


async def test_ids_of_another_organisation_answer_as_unknown_ones_do(two: TwoOrganizations) -> None:
    async with two.server.client(two.owner) as owner, two.server.client(two.stranger) as client:
        before = await _read_all(owner, two.owned)
        pairs = zip(requests(two.owned), requests(UNKNOWN), strict=True)
        for (method, path, body), (_, unknown, other) in pairs:
            foreign = await client.request(method, path, json=body)
            nothing = await client.request(method, unknown, json=other)
            assert foreign.status_code == nothing.status_code == 404, (method, path, foreign.text)
            assert foreign.text == nothing.text, (method, path)
        assert await _read_all(owner, two.owned) == before


async def test_lists_leave_out_what_others_have(two: TwoOrganizations) -> None:
    async with two.server.client(two.stranger) as client:
        for path in (
            "/source-connections",
            f"/source-connections?collection={two.owned['collection']}",
            "/collections",
            "/collections?search=owned",
        ):
            answer = await client.get(path)
            assert answer.status_code in (200, 404)
            assert two.owned["id"] not in answer.text
            assert answer.status_code == 404 or answer.json() == []
        assert (await client.get("/collections/count")).json() == 0


async def test_subscriptions_to_what_others_have_are_refused_as_unknown(
    two: TwoOrganizations,
) -> None:
    async with two.server.agent("http", "legacy", token=two.stranger) as agent:
        for kind in ("connections/{id}", "connections/{id}/jobs", "jobs/{job}"):
            told: list[tuple[int, str]] = []
            for known in (two.owned, UNKNOWN):
                uri = f"weft://{kind.format(**known)}"
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", MCPDeprecationWarning)
                    with pytest.raises(MCPError) as refused:
                        await agent.client.subscribe_resource(uri)  # pyright: ignore[reportDeprecated]
                told.append((refused.value.error.code, refused.value.error.message))
            assert told[0] == told[1]


async def test_tasks_of_others_are_unknown(two: TwoOrganizations) -> None:
    async with two.server.agent("http", "auto", token=two.stranger) as agent:
        told: list[tuple[int, str]] = []
        for known in (two.owned, UNKNOWN):
            with pytest.raises(MCPError) as refused:
                await get_task(agent.client, known["job"])
            told.append((refused.value.error.code, refused.value.error.message))
        assert told[0] == told[1]


async def test_completions_name_nothing_of_others(two: TwoOrganizations) -> None:
    reference = ResourceTemplateReference(type="ref/resource", uri="weft://connections/{id}")
    for token, count in ((two.stranger, 0), (two.owner, 1)):
        async with two.server.agent("http", "auto", token=token) as agent:
            argument = {"name": "id", "value": two.owned["id"][:8]}
            found = await agent.client.complete(reference, argument)
            assert len(found.completion.values) == count


async def _read_all(owner: httpx.AsyncClient, owned: Structured) -> list[Structured]:
    """Read all that the owner sees, except what time alone changes."""
    return [
        (await owner.get(path)).json()
        for path in (
            f"/source-connections/{owned['id']}",
            f"/source-connections/{owned['waiting']}",
            f"/source-connections/{owned['id']}/jobs",
            f"/collections/{owned['collection']}",
        )
    ]
