"""Content that a program pushes to a real server is found by an agent's next search."""

import json
import subprocess
from collections.abc import AsyncGenerator

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.acceptance.weft_http import WEFT, HttpServer, create_key, http_server
from tests.acceptance.weft_process import Place, Structured

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[HttpServer]:
    async with http_server(Place.make(tmp_path_factory.mktemp("weft"))) as server:
        yield server


async def send(
    server: HttpServer, connection: str, body: object, token: str | None = None, query: str = ""
) -> httpx.Response:
    path = f"/v1/source-connections/{connection}/entities{query}"
    async with server.client(token) as client:
        return await client.post(path, json=body)


def make(name: str, text: str) -> Structured:
    return {"id": name, "title": name.title(), "text": text, "updated_at": "2026-05-01T12:00:00Z"}


async def test_agent_connects_and_finds_what_a_program_pushes(server: HttpServer) -> None:
    async with server.agent() as agent:
        found = await agent.ok("list_sources", query="push my own data")
        assert found.data["items"][0]["short_name"] == "ingest"
        made = await agent.ok("create_connection", short_name="ingest", name="Pushed things")
        connection = made.data["id"]
        assert f"POST /source-connections/{connection}/entities" in made.text
        answer = await send(
            server, connection, {"entities": [make("plan", "The zeppelin lands in May.")]}
        )
        assert answer.status_code == 200, answer.text
        job = answer.json()
        assert (job["status"], job["trigger"], job["entities_inserted"]) == ("completed", "push", 1)
        hits = (await agent.ok("search", query="zeppelin")).data["hits"]
        assert [hit["untrusted"]["title"] for hit in hits] == ["Plan"]
        assert (await agent.job(job["id"]))["entities_inserted"] == 1
        shown = await agent.ok("get_connection", connection_id=connection)
        assert "schedule: none, it holds what is pushed to it" in shown.text
        assert "nothing to pull" in await agent.expect_refusal("run_sync", connection_id=connection)

        begun = await send(
            server, connection, {"entities": [make("a", "one")], "replace": True, "more": True}
        )
        open_job = begun.json()["id"]
        crossing = await send(server, connection, {"entities": [make("b", "two")]})
        assert (crossing.status_code, crossing.json()["job_id"]) == (409, open_job)
        last = {"entities": [make("plan", "It lands in June.")], "job_id": open_job}
        ended = (await send(server, connection, last)).json()
        assert (ended["status"], ended["entities_updated"]) == ("completed", 1)

        audited = await anyio.run_process(
            [str(WEFT), "audit", "--json"], env=server.place.environment()
        )
        route = b"POST /source-connections/{source_connection_id}/entities"
        assert route in audited.stdout


async def test_bad_batch_names_the_entity_and_the_field(server: HttpServer) -> None:
    async with server.agent() as agent:
        connection = (await agent.ok("create_connection", short_name="ingest")).data["id"]
        cases: list[tuple[object, list[object]]] = [
            ({"entities": [make("a", "x"), {"id": "b", "text": "y"}]}, ["entities", 1, "title"]),
            ({"entities": [make("a", "x") | {"id": ""}]}, ["entities", 0, "id"]),
            (
                {"entities": [make("a", "x") | {"updated_at": "soon"}]},
                ["entities", 0, "updated_at"],
            ),
            ({"entities": [make("a", "x") | {"body": "z"}]}, ["entities", 0]),
            ({"entities": [make(str(n), "x") for n in range(5001)]}, ["entities"]),
            ({"entities": [make("a\u200b", "x")]}, ["entities", "0", "id"]),
            ({"delete": ["a", 7]}, ["delete", 1]),
            ({}, ["entities"]),
        ]
        for body, place in cases:
            answer = await send(server, connection, body)
            assert answer.status_code == 422, answer.text
            assert answer.json()["detail"][0]["loc"] == ["body", *place]
        counted = (await agent.ok("get_connection", connection_id=connection)).data
        assert counted["entities"]["total_entities"] == 0


async def test_roles_and_organisations_hold_for_pushes(server: HttpServer) -> None:
    async with server.agent() as agent:
        connection = (await agent.ok("create_connection", short_name="ingest")).data["id"]
    body = {"entities": [make("a", "x")], "replace": True}
    for name, role, organization, query, status in (
        ("reader", "read", "local", "", 403),
        ("writer", "write", "local", "", 200),
        ("deleter", "write", "local", "?apply_deletions=true", 403),
        ("stranger", "admin", "another", "", 404),
    ):
        key = await anyio.to_thread.run_sync(create_key, server.place, name, role, organization)
        answer = await send(server, connection, body, key, query)
        assert answer.status_code == status, answer.text


async def test_command_line_pushes_beside_a_server(
    server: HttpServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("content")
    (folder / "tea.md").write_text("# Tea\n\nNever above ninety degrees.\n")
    (folder / "cake.md").write_text("# Cake\n\nWith cardamom.\n")
    lines = folder.parent / "lines.jsonl"
    lines.write_text(json.dumps(make("note", "A walrus.")) + '\n\n{"delete": "tea.md"}\n')
    async with server.agent() as agent:
        made = await agent.ok("create_connection", short_name="ingest", name="By hand")

        def push(*arguments: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [str(WEFT), "push", "By hand", *arguments],
                env=server.place.environment(),
                input=typed,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )

        def counts(done: subprocess.CompletedProcess[str]) -> tuple[str, int, int, int]:
            assert done.returncode == 0, done.stderr
            job = json.loads(done.stdout)
            kinds = ("inserted", "deleted", "unchanged")
            first, second, third = (job[f"entities_{kind}"] for kind in kinds)
            return job["status"], first, second, third

        run = anyio.to_thread.run_sync
        assert counts(await run(push, str(folder))) == ("COMPLETED", 2, 0, 0)
        assert counts(await run(push, str(lines))) == ("COMPLETED", 1, 1, 0)
        assert counts(await run(push, str(folder), "--replace")) == ("COMPLETED", 1, 1, 1)
        bad = await run(
            lambda: push("-", typed='{"id": "a", "title": "b", "text": "c"}\n{"id": 7}\n')
        )
        assert bad.returncode == 2
        assert "Line 2: id" in bad.stderr
        hits = (await agent.ok("search", query="cardamom", connection_id=made.data["id"])).data
        assert len(hits["hits"]) == 1
