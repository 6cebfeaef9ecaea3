"""The server admits callers over HTTP by their tokens, and refuses others."""

import json
import stat
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest

from tests.acceptance.weft_http import (
    ACCEPT,
    INITIALIZE,
    HttpServer,
    create_key,
    http_server,
    revoke_key,
)
from tests.acceptance.weft_process import TOOLS, Place
from tests.support.patience import PATIENCE_SECONDS
from weft.web.build import OPEN_PATHS

pytestmark = pytest.mark.anyio

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
CLOSED = ("/mcp", "/sse", "/messages", "/messages/", "/metrics", "/nothing", "/mcp/", "/health/x")


@dataclass(frozen=True, slots=True)
class Door:
    server: HttpServer
    keys: dict[str, str]


@pytest.fixture(scope="module")
async def door(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[Door]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with http_server(place, WEFT_LOG_LEVEL="INFO", WEFT_LOG_FORMAT="json") as server:
        keys = {
            "reader": create_key(place, "reader", "read"),
            "writer": create_key(place, "writer", "write"),
            "other": create_key(place, "other", "admin", "other-org"),
            "revoked": create_key(place, "revoked", "admin"),
        }
        revoke_key(place, "revoked")
        yield Door(server, keys | {"operator": server.token})


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_health_needs_no_token(door: Door, path: str) -> None:
    async with door.server.client(token="") as client:
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", CLOSED)
async def test_every_other_route_asks_for_a_token(door: Door, path: str, method: str) -> None:
    bad: list[dict[str, str]] = [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {door.server.token}"},
        {"authorization": f"Bearer {door.keys['revoked']}"},
        {"authorization": f"Bearer {door.keys['reader'][:-1]}"},
        {"x-api-key": "wrong"},
        {"x-api-key": door.keys["revoked"]},
        # A wrong token is not mended by a right key beside it.
        {"authorization": "Bearer wrong", "x-api-key": door.server.token},
    ]
    async with door.server.client(token="") as client:
        for headers in bad:
            answer = await client.request(method, path, headers={**ACCEPT, **headers})
            assert answer.status_code == 401, headers
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_what_a_page_has_no_method_for_asks_for_a_token(
    door: Door, prefix: str, method: str
) -> None:
    for path in ("authorize/run", "authorize/jobs", "authorize/x", "callback"):
        async with door.server.client(token="") as client:
            answer = await client.request(method, f"{prefix}/source-connections/{path}")
            assert answer.status_code == 401
        async with door.server.client() as client:
            answer = await client.request(method, f"{prefix}/source-connections/{path}")
            assert answer.status_code == 405
            assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_no_open_route_crashes_at_a_method_that_it_has_not(door: Door, method: str) -> None:
    async with door.server.client(token="") as client:
        for path in sorted(OPEN_PATHS):
            assert (await client.request(method, path)).status_code in {404, 405}


@pytest.mark.parametrize(
    ("who", "metrics", "ping", "nothing"),
    [
        ("operator", 200, 200, 404),
        ("reader", 200, 200, 404),
        ("writer", 200, 200, 404),
        ("other", 403, 200, 404),
    ],
)
async def test_routes_answer_whoever_may_use_them(
    door: Door, who: str, metrics: int, ping: int, nothing: int
) -> None:
    for headers in (
        {"authorization": f"Bearer {door.keys[who]}"},
        {"authorization": f"bearer  {door.keys[who]}"},
        {"x-api-key": door.keys[who]},
    ):
        async with door.server.client(token="", **headers) as client:
            assert (await client.get("/metrics")).status_code == metrics
            assert (await client.get("/nothing")).status_code == nothing
            assert (await client.post("/messages?session_id=0", json=PING)).status_code == 400
            unknown = f"/messages?session_id={'0' * 32}"
            assert (await client.post(unknown, json=PING)).status_code == 404
            handshake = {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            }
            message = {**PING, "method": "initialize", "params": handshake}
            answer = await client.post("/mcp", json=message, headers=ACCEPT)
            assert answer.status_code == ping


async def test_a_role_narrows_what_is_listed_and_what_is_done(door: Door) -> None:
    reads = {t for t in TOOLS if t.startswith(("list_", "get_", "search"))}
    deletes = {t for t in TOOLS if t.startswith("delete_")}
    offered = {"reader": reads, "writer": set(TOOLS) - deletes, "other": set(TOOLS)}
    for who, tools in offered.items():
        async with door.server.agent(token=door.keys[who]) as agent:
            listed = {tool.name for tool in (await agent.client.list_tools()).tools}
            assert listed == tools
            for tool in set(TOOLS) - tools:
                assert "role" in await agent.expect_refusal(tool)


async def test_a_key_that_is_revoked_is_refused_at_once(door: Door) -> None:
    key = create_key(door.server.place, "short-lived", "read")
    async with door.server.client(token=key) as client:
        assert (await client.get("/metrics")).status_code == 200
        revoke_key(door.server.place, "short-lived")
        assert (await client.get("/metrics")).status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost:evil", "localhost:80@evil.example", ""],
)
async def test_a_foreign_host_is_misdirected_on_every_route(door: Door, host: str) -> None:
    async with door.server.client(host=host) as client:
        for path in ("/health", "/ready", "/metrics", "/mcp", "/sse", "/nothing"):
            assert (await client.get(path)).status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost.evil.example", "file://"]
)
async def test_a_page_of_a_foreign_origin_is_refused_on_every_route(
    door: Door, origin: str
) -> None:
    async with door.server.client(origin=origin) as client:
        for path in ("/health", "/metrics", "/mcp", "/sse", "/messages"):
            assert (await client.get(path)).status_code == 403
            answer = await client.options(path, headers={"access-control-request-method": "POST"})
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers


async def test_a_page_of_this_machine_is_answered(door: Door) -> None:
    async with door.server.client(origin="http://localhost:3000") as client:
        assert (await client.get("/metrics")).status_code == 200


async def test_capital_letters_in_names_make_no_difference_on_any_route(door: Door) -> None:
    async with door.server.client(host="LocalHost", origin="http://LOCALHOST:3000") as client:
        assert (await client.get("/metrics")).status_code == 200
        hello = await client.post("/mcp", json=INITIALIZE, headers=ACCEPT)
    assert hello.status_code == 200


async def test_the_generated_token_is_for_its_owner_only_and_never_printed(door: Door) -> None:
    path = door.server.place.home / "http-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said = door.server.place.stderr.read_text()
    assert str(path) in said
    assert door.server.token not in said


async def test_logs_name_request_principal_tool_and_job_and_no_secret(door: Door) -> None:
    async with door.server.agent(token=door.keys["writer"]) as agent:
        collection = await agent.collection("logged")
        made = await agent.connection(collection, config={"entities": 1})
        job = await agent.sync(made["id"])
    said = door.server.place.stderr.read_text()
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    (call,) = [line for line in lines if line.get("job_id") == job["id"]]
    assert call["tool"] == "run_sync"
    assert call["principal"] == "key:writer"
    assert call["outcome"] == "ok"
    assert call["duration_ms"] > 0
    request = await wait_for_request(door.server.place, call["request_id"])
    assert (request["route"], request["status"]) == ("/mcp", 200)
    said = door.server.place.stderr.read_text()
    assert not any(secret in said for secret in door.keys.values())


async def wait_for_request(place: Place, request_id: str) -> dict[str, Any]:
    """Return a request's log line, which is written a moment after its answer."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            for line in place.stderr.read_text().splitlines():
                complete = line.startswith("{") and line.endswith("}")
                facts: dict[str, Any] = json.loads(line) if complete else {}
                if facts.get("message") == "request" and facts["request_id"] == request_id:
                    return facts
            await anyio.sleep(0.02)


async def test_metrics_count_jobs_calls_and_requests(door: Door) -> None:
    async with door.server.agent() as agent:
        collection = await agent.collection("counted")
        await agent.sync_new(collection, config={"entities": 1})
    async with door.server.client() as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for sample in (
        'weft_jobs{status="COMPLETED"} ',
        "weft_syncs_running 0",
        'weft_tool_calls_total{outcome="ok",tool="run_sync"} ',
        'weft_tool_call_seconds_bucket{le="+Inf",tool="run_sync"} ',
        'weft_http_requests_total{method="POST",route="/mcp",status="200"} ',
    ):
        assert sample in answer.text


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--host", "0.0.0.0", "--allowed-host", "weft.example"), "WEFT_HTTP_TLS_CERT"),
        (("--host", "0.0.0.0", "--trusted-proxy", "10.0.0.1"), "WEFT_HTTP_ALLOWED_HOSTS"),
        (
            (
                *("--host", "0.0.0.0", "--allowed-host", "weft.example"),
                *("--trusted-proxy", "10.0.0.1", "--no-auth"),
            ),
            "--no-auth",
        ),
        (("--tls-cert", "nothing.pem"), "WEFT_HTTP_TLS_KEY"),
        (("--tls-cert", "nothing.pem", "--tls-key", "nothing.pem"), "certificate"),
    ],
)
def test_an_exposed_server_does_not_start(
    place: Place, options: tuple[str, ...], named: str
) -> None:
    done = place.run_server("--http", "--port", "0", *options)
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_options_of_http_without_http_are_refused(place: Place) -> None:
    done = place.run_server("--host", "127.0.0.1")
    assert done.returncode == 2
    assert "--http" in done.stderr


async def test_no_auth_lets_this_machine_in_and_says_so(place: Place) -> None:
    async with http_server(place, "--no-auth") as server, httpx.AsyncClient() as client:
        answer = await client.get(f"{server.url}/metrics")
        assert answer.status_code == 200
        refused = await client.get(f"{server.url}/metrics", headers={"host": "evil.example"})
        assert refused.status_code == 421
    assert "Without authentication" in place.stderr.read_text()
    assert not (place.home / "http-token").exists()


async def test_a_given_token_is_used_and_no_file_made(place: Place) -> None:
    token = "a token that was given"
    async with (
        http_server(place, WEFT_TOKEN=token) as server,
        server.client(token=token) as client,
    ):
        assert (await client.get("/metrics")).status_code == 200
    assert not (place.home / "http-token").exists()
    assert token not in place.stderr.read_text()
