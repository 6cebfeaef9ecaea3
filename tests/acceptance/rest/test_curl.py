"""curl, as Airweave's documentation writes it: only the base URL, the key and the ids are ours."""

import json
import shlex
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

import anyio
import pytest

from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import WAIT_SECONDS, Place
from tests.support.optional import needs_curl
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json, serve

pytestmark = [
    pytest.mark.anyio,
    needs_curl,
]

UNKNOWN_ID = "550e8400-e29b-41d4-a716-446655440000"
TOKEN = "ghp_abc123..."
CREATE = """curl -X POST https://api.airweave.ai/v1/source-connections \\
  -H "Authorization: Bearer $AIRWEAVE_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Airweave Docs Repo",
    "short_name": "github",
    "readable_collection_id": "technical-docs-a8x2k",
    "config": {
      "repo_name": "airweave-ai/airweave",
      "branch": "main"
    },
    "auth": {
      "direct": {
        "credentials": {
          "personal_access_token": "ghp_abc123..."
        }
      }
    },
    "sync_immediately": true
  }'"""
LIST = """curl https://api.airweave.ai/v1/source-connections \\
  -H "Authorization: Bearer $AIRWEAVE_API_KEY" """
RUN = """curl -X POST https://api.airweave.ai/v1/source-connections/{id}/run \\
  -H "Authorization: Bearer $AIRWEAVE_API_KEY" """
RUN_IN_REFERENCE = """curl -X POST "https://api.airweave.ai/v1/source-connections/{id}/run" \\
  -H "Authorization: Bearer YOUR_API_KEY" """
RUN_WITHOUT_KEY = """curl --request POST \\
  --url https://api.airweave.ai/v1/source-connections/{id}/run"""
KEYED = """-H "x-api-key: YOUR_API_KEY" -H "Content-Type: application/json" """
BASE = "https://api.airweave.ai"


class GitHub:
    """The repository of the documentation's example, as GitHub's API would serve it."""

    content = b"The heron stands in the reeds."

    def __call__(self, asked: HttpRequest) -> HttpReply:
        blob = b"blob %d\0%s" % (len(self.content), self.content)
        sha = sha1(blob, usedforsecurity=False).hexdigest()
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return as_json({"message": "Bad credentials"}, 401)
        match asked.path.removeprefix("/repos/airweave-ai/airweave"):
            case "":
                repository = {"full_name": "airweave-ai/airweave", "default_branch": "main"}
                return as_json({**repository, "pushed_at": "2026-02-01T00:00:00Z"})
            case "/branches/main" | "/branches/develop":
                return as_json({"commit": {"sha": "c1", "commit": {"tree": {"sha": "root"}}}})
            case "/git/trees/root":
                entry = {"path": "README.md", "type": "blob", "mode": "100644", "sha": sha}
                return as_json({"tree": [{**entry, "size": len(self.content)}]})
            case path if path == f"/git/blobs/{sha}":
                return HttpReply(body=self.content)
            case _:
                return as_json({"message": "Not Found"}, 404)


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs curl lines against one server."""

    server: HttpServer

    async def run(self, line: str, **ids: str) -> tuple[int, Any]:
        """The status and the JSON of the answer."""
        for name, value in ids.items():
            line = line.replace("{" + name + "}", value)
        for key in ("$AIRWEAVE_API_KEY", "YOUR_API_KEY"):
            line = line.replace(key, self.server.token)
        # A shell joins lines that end with a backslash; shlex does not.
        words = shlex.split(line.replace("\\\n", " ").replace(BASE, self.server.url))
        more = ["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"]
        done = await anyio.run_process([*words, *more])
        body, _, status = done.stdout.decode().rpartition("\n")
        return int(status), json.loads(body)

    async def job(self, connection_id: str, job_id: str, *statuses: str) -> dict[str, Any]:
        """The job, once it has one of the statuses."""
        line = f"curl {BASE}/source-connections/{{id}}/jobs?limit=10 {KEYED}"
        with anyio.fail_after(WAIT_SECONDS):
            while True:
                _, jobs = await self.run(line, id=connection_id)
                (found,) = [job for job in jobs if job["id"] == job_id]
                if found["status"] in statuses:
                    return found
                await anyio.sleep(0.02)

    async def stub(self, **config: object) -> str:
        """The id of a new stub connection that has not synced."""
        body = {
            "short_name": "stub",
            "readable_collection_id": "technical-docs-a8x2k",
            "sync_immediately": False,
            "config": config,
        }
        status, made = await self.run(
            f"curl -X POST {BASE}/source-connections/ {KEYED} -d '{json.dumps(body)}'"
        )
        assert status == 200, made
        return made["id"]


@pytest.fixture(scope="module")
async def shell(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[Shell]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with (
        serve(GitHub()) as hub,
        http_server(place, WEFT_GITHUB_API_URL=hub.url, WEFT_ALLOW_HOSTS="127.0.0.1") as server,
    ):
        shell = Shell(server)
        body = '{"name": "Technical Docs", "readable_id": "technical-docs-a8x2k"}'
        status, _ = await shell.run(f"curl -X POST {BASE}/collections {KEYED} -d '{body}'")
        assert status == 200
        yield shell


async def test_the_documented_lines_walk_through_a_connections_life(shell: Shell) -> None:
    status, made = await shell.run(CREATE)
    assert status == 200, made
    assert (made["name"], made["short_name"]) == ("Airweave Docs Repo", "github")
    assert made["auth"]["method"] == "direct"
    assert made["created_at"].endswith("Z")
    assert TOKEN not in json.dumps(made)
    connection_id = made["id"]
    first = await shell.job(connection_id, made["sync"]["last_job"]["id"], "completed", "failed")
    assert (first["status"], first["entities_created"], first["error_message"]) == (
        "completed",
        2,
        None,
    )

    status, listed = await shell.run(LIST)
    assert status == 200
    (item,) = [item for item in listed if item["id"] == connection_id]
    assert item["entity_count"] == 2

    # The lines of the guide, then those of the reference.
    for line in (RUN, RUN_IN_REFERENCE):
        status, job = await shell.run(line, id=connection_id)
        assert (status, job["source_connection_id"]) == (200, connection_id)
        assert {
            "id",
            "status",
            "started_at",
            "completed_at",
            "duration_seconds",
            "entities_inserted",
            "entities_updated",
            "entities_deleted",
            "entities_failed",
            "error",
            "error_details",
        } <= job.keys()
        await shell.job(connection_id, job["id"], "completed")

    body = (
        '{"name": "Updated Docs Repo", "config": {"repo_name": "airweave-ai/airweave", '
        '"branch": "develop"}, "schedule": {"cron": "0 0 * * *"}}'
    )
    status, changed = await shell.run(
        f"curl -X PATCH {BASE}/v1/source-connections/{{id}} {KEYED} -d '{body}'", id=connection_id
    )
    assert status == 200, changed
    assert (changed["name"], changed["config"]["branch"]) == ("Updated Docs Repo", "develop")
    assert changed["schedule"]["next_run"].endswith("T00:00:00Z")

    status, shown = await shell.run(
        f"curl {BASE}/source-connections/{{id}} {KEYED}", id=connection_id
    )
    assert (status, shown["entity_count"]) == (200, 2)
    assert shown["last_sync_at"].endswith("Z")

    delete = f"curl -X DELETE {BASE}/source-connections/{{id}} {KEYED}"
    status, deleted = await shell.run(delete, id=connection_id)
    assert (status, deleted["name"], deleted["entity_count"]) == (200, "Updated Docs Repo", 2)
    assert (await shell.run(delete, id=connection_id))[0] == 404


async def test_a_guides_continuous_schedule_keeps_its_cursor_field(shell: Shell) -> None:
    schedule = (
        '"schedule": {"cron": "0 2 * * *", "continuous": false, '
        '"cursor_field": "last_repository_pushed_at"}, "sync_immediately": false'
    )
    status, made = await shell.run(CREATE.replace('"sync_immediately": true', schedule))
    assert status == 200, made
    assert made["schedule"]["cursor_field"] == "last_repository_pushed_at"
    body = '{"schedule": {"continuous": true, "cursor_field": "last_repository_pushed_at"}}'
    status, changed = await shell.run(
        f"curl -X PATCH {BASE}/source-connections/{{id}} {KEYED} -d '{body}'", id=made["id"]
    )
    assert (status, changed["schedule"]["continuous"]) == (200, True)
    status, cleared = await shell.run(
        f"curl -X PATCH {BASE}/source-connections/{{id}} {KEYED} -d '{{\"schedule\": {{}}}}'",
        id=made["id"],
    )
    assert (status, cleared["schedule"]["cron"]) == (200, None)


async def test_a_running_sync_is_a_conflict_and_cancels_once(shell: Shell) -> None:
    connection_id = await shell.stub(entities=100_000, rate=200.0)
    status, job = await shell.run(RUN, id=connection_id)
    assert status == 200
    await shell.job(connection_id, job["id"], "running")
    status, refused = await shell.run(RUN, id=connection_id)
    assert (status, refused["job_id"]) == (409, job["id"])
    cancel = f"curl -X POST {BASE}/source-connections/{{id}}/jobs/{{job}}/cancel {KEYED}"
    status, cancelled = await shell.run(cancel, id=connection_id, job=job["id"])
    assert (status, cancelled["status"] in ("cancelling", "cancelled")) == (200, True)
    await shell.job(connection_id, job["id"], "cancelled")
    status, refused = await shell.run(cancel, id=connection_id, job=job["id"])
    assert (status, isinstance(refused["detail"], str)) == (409, True)
    status, _ = await shell.run(cancel, id=await shell.stub(), job=job["id"])
    assert status == 404


async def test_documented_errors_have_their_status_and_shape(shell: Shell) -> None:
    one = f"{BASE}/v1/source-connections"
    wrong = CREATE.replace(TOKEN, "ghp_wrong")
    lines: list[tuple[str, int]] = [
        (RUN, 404),
        (f"curl -X DELETE {one}/{{id}} {KEYED}", 404),
        (f"curl {one}/not-an-id {KEYED}", 422),
        (f"curl {one}?limit=1001 {KEYED}", 422),
        (f"curl -X POST {one} {KEYED} -d '{{}}'", 422),
        (f"curl -X POST {one} {KEYED} -d '{{bad'", 422),
        (wrong, 422),
        (CREATE.replace("technical-docs-a8x2k", "nothing-here"), 404),
        (CREATE.replace("Airweave Docs Repo", "abc"), 422),
        (f"curl -X PUT {one}/{{id}} {KEYED}", 405),
        (f"curl {BASE}/v2/source-connections {KEYED}", 404),
        (RUN_WITHOUT_KEY, 401),
        (RUN.replace("$AIRWEAVE_API_KEY", "wrong"), 401),
    ]
    for line, expected in lines:
        status, answer = await shell.run(line, id=UNKNOWN_ID)
        assert status == expected, line
        detail = answer["detail"]
        if status == 422:
            assert detail
            assert all(problem.keys() == {"loc", "msg", "type"} for problem in detail)
        else:
            assert isinstance(detail, str)
        assert "ghp_wrong" not in json.dumps(answer)
