"""No secret is seen again: not in results, logs, files or command lines, in no encoding.

Real processes get a secret in every credential field of every method, and in every wrong place,
while the upstream repeats all it is sent in each way in which it can fail. Left out is what is no
secret: a search query in its own answer, names and descriptions that are valid, the id of a
request, the address of a resource in the error about it, the id of an OAuth client, links for
people, and a key where it is made.
"""

import base64
import json
import secrets
from collections.abc import AsyncGenerator, Sequence

import anyio
import pytest

from tests.acceptance.canary.calls import (
    COLLECTION,
    SWITCHED,
    WORD,
    Call,
    direct_auth,
    failing,
    list_misplaced,
    sources,
)
from tests.acceptance.canary.http import drive_http
from tests.acceptance.canary.world import World, burst, successes_of
from tests.acceptance.weft_process import WAIT_SECONDS, Place, RawServer
from tests.support.secrets.echo_upstream import serve_echo

pytestmark = pytest.mark.anyio

SENT = (
    *("direct token", "access token", "refresh token", "git token", "github token"),
    *("composio key", "pipedream secret", "named secret", "operator's client", "own client"),
    *("page token", "consumer key", "REST token", "command token"),
)
"""Secrets that must have reached the upstream, or else their absence would say nothing."""

SWITCHES = ("403", "429", "500", "moved", "junk", "401")


@pytest.fixture(scope="module")
async def world(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[World]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with serve_echo(modes={SWITCHED: "ok"}) as upstream, serve_echo() as elsewhere:
        upstream.elsewhere = elsewhere.url
        world = World(place, upstream)
        upstream.issued |= {
            name: world.secret(f"issued {name}")
            for name in ("access", "refresh", "provided", "pipedream", "oauth1_token")
        } | {name: world.secret(f"issued {name}") for name in ("oauth1_secret", "asked_secret")}
        world.temporary.mkdir()
        world.canaries.add("word", WORD)
        master = secrets.token_bytes(32)
        world.canaries.add("master key", master)
        world.canaries.add("master key in base64", base64.b64encode(master))
        world.settings |= _settings(world, base64.b64encode(master).decode())
        await _operate(world)
        async with anyio.create_task_group() as group:
            group.start_soon(_connect, world)
            group.start_soon(_over_stdio, world)
        async with world.http(WEFT_LOG_FORMAT="json") as web:
            await drive_http(world, web)
        await _look_around(world)
        yield world


async def test_no_run_of_a_secret_is_said_or_stored(world: World) -> None:
    assert len(world.said) > 50
    leaks = world.leaks()
    assert not leaks, "\n".join(leaks[:20]) + f"\n{len(leaks)} leaks"


async def test_the_secrets_were_used(world: World) -> None:
    reached = world.canaries.find(world.upstream.list_received())
    assert set(SENT) <= reached, set(SENT) - reached


async def test_the_logs_tell_of_what_was_driven(world: World) -> None:
    logged = world.place.stderr.read_text()
    assert "crashed" in logged
    for line in ("tool call tool=create_connection", '"INFO"'):
        assert line in logged


def _settings(world: World, master_key: str) -> dict[str, str]:
    return {
        "WEFT_MASTER_KEY": master_key,
        "WEFT_TOKEN": world.secret("operator's token"),
        "WEFT_LOG_LEVEL": "DEBUG",
        "WEFT_GITHUB_API_URL": world.upstream.url,
        "WEFT_ALLOW_HOSTS": "127.0.0.1",
        "WEFT_SYNC_CONCURRENCY": "16",
        "WEFT_SYNCS_PER_HOST": "16",
        "WEFT_SYNC_RETRIES": "0",
        "TMPDIR": str(world.temporary),
    }


async def _operate(world: World) -> None:
    """Store an operator's secrets, by prompt or standard input, rightly and wrongly."""
    secret, up = world.secret, world.upstream
    allowed = ("--source", "oauth_stub", "--source", "git", "--host", up.url)
    client = ("oauth-clients", "set", "oauth_stub", "--client-id", "weft")
    host = ("--host", up.url)
    composio, pipedream = (
        ("auth-providers", "add", kind, "--name", f"{kind}-one", "--base-url", up.url, *host)
        for kind in ("composio", "pipedream")
    )
    account = (*pipedream, "--client-id", "weft", "--project-id", "proj_1")
    await world.verbs(
        {
            ("collections", "create", "Team documents", "--id", COLLECTION): "",
            ("secret", "set", "named", *allowed): secret("named secret"),
            (*client, "--provider-origin", up.url): secret("operator's client"),
            composio: secret("composio key"),
            account: secret("pipedream secret"),
        }
    )
    code, made = await world.cli("keys", "create", "writer", "--role", "admin", "--json")
    assert code == 0
    # Shown this once, to whoever made it; nowhere else.
    world.said = [(where, data) for where, data in world.said if "keys create" not in where]
    world.canaries.add("key", json.loads(made)["key"].removeprefix("weft_"))


async def _connect(world: World) -> None:
    """Make connections on the command line, and let it refuse some."""
    up, token = world.upstream, json.dumps({"token": world.secret("command token")})
    create = ("connections", "create", "oauth_stub", "--collection", COLLECTION, "--no-sync")
    create = (*create, "--credentials-stdin")
    made = {
        (*create, "--config", f"provider_url={up.at(mode)}", "--name", f"By command {mode}"): token
        for mode in ("ok", "401", "odd")
    }
    config = ("--config", f"provider_url={up.at('ok')}")
    wrong = world.secret("refused by a command")
    allowed = ("--source", "oauth_stub", "--host", up.url)
    composio = ("auth-providers", "add", "composio", "--name", "composio-one")
    refused = {
        ("secret", "set", "bad name!", *allowed): wrong,
        ("secret", "set", "clear", "--source", "git", "--host", "http://example.com"): wrong,
        ("oauth-clients", "set", "web", "--client-id", "weft"): wrong,
        (*composio, "--base-url", up.url): wrong,
        (*create, *config): wrong,
        (*create, *config, "--description", "wrong"): json.dumps({wrong: [wrong], "token": wrong}),
    }
    await world.verbs(made | refused)


async def _over_stdio(world: World) -> None:
    async with world.stdio(WEFT_LOG_FORMAT="text") as server:
        crash = {"entities": 3, "fail_at": 1, "error": "crash"}
        target = {"short_name": "secret_stub", "readable_collection_id": COLLECTION}
        auth = direct_auth(token=world.secret("crashed with"))
        made = await burst(
            server,
            [("create_connection", {**target, "config": crash, "auth": auth})]
            + [("create_connection", given) for given in sources(world, SWITCHED)],
        )
        connections = [each["id"] for each in successes_of(made)]
        refused = [each["content"] for each in made if each["isError"]]
        assert not refused, refused
        await burst(server, failing(world))
        await burst(server, list_misplaced(world, connections[0]))
        await _protocol(world, server)
        for mode in SWITCHES:
            world.upstream.modes[SWITCHED] = mode
            await _sync_all(server, connections)
        world.upstream.modes[SWITCHED] = "ok"
        await _read_all(server, connections)
        query = world.secret("search query")
        before = len(server.lines)
        await server.call("search", readable_collection_id=COLLECTION, query=query)
        # The one answer that may hold what was looked for; logs and files may not.
        del server.lines[before:]


async def _sync_all(server: RawServer, connections: Sequence[str]) -> None:
    started = successes_of(
        await burst(server, [("run_sync", {"connection_id": c}) for c in connections])
    )
    waits = {"wait_seconds": WAIT_SECONDS, "log_lines": 100}
    ended = await burst(server, [("get_job", {"job_id": job["id"], **waits}) for job in started])
    assert all(job["status"] in ("FAILED", "COMPLETED") for job in successes_of(ended))
    await burst(server, [("check_connection", {"connection_id": c}) for c in connections])


async def _read_all(server: RawServer, connections: Sequence[str]) -> None:
    calls: list[Call] = [("get_connection", {"connection_id": each}) for each in connections]
    calls += [("list_jobs", {"connection_id": each}) for each in connections]
    calls += [(name, {}) for name in ("list_connections", "list_sources", "list_collections")]
    await burst(server, calls)
    for each in connections:
        for uri in (f"weft://connections/{each}", f"weft://connections/{each}/jobs"):
            await server.ask("resources/read", {"uri": uri})
    for uri in ("weft://connections", "weft://sources", f"weft://collections/{COLLECTION}"):
        await server.ask("resources/read", {"uri": uri})
    for listing in ("resources/list", "resources/templates/list", "prompts/list", "tools/list"):
        await server.ask(listing)


async def _protocol(world: World, server: RawServer) -> None:
    """Put secrets where the protocol has names of its own."""
    for text in (world.secret("in the protocol"), WORD):
        reference = {"type": "ref/resource", "uri": "weft://connections/{id}"}
        argument = {"name": "id", "value": text}
        for method, params in (
            ("resources/unsubscribe", {"uri": f"weft://connections/{text}"}),
            ("resources/read", {"uri": [text]}),
            ("resources/list", {"cursor": text}),
            ("prompts/get", {"name": text}),
            ("prompts/get", {"name": "connect_source", "arguments": {text: text}}),
            ("completion/complete", {"ref": reference, "argument": argument}),
            ("completion/complete", {"ref": {"type": text}, "argument": argument}),
            ("logging/setLevel", {"level": text}),
            ("tools/call", {"name": "get_job", "arguments": text}),
            ("tools/call", {"name": {"a": text}}),
            ("tasks/get", {"taskId": text}),
        ):
            await server.ask(method, params)
        for frame in (
            f'{{"jsonrpc":"2.0","id":7001,"method":"tools/call","params":"{text}"}}',
            f'{{"jsonrpc":"{text}","id":7001,"method":"ping"}}',
        ):
            await server.send(frame.encode())
            await server.answer(7001)
        await server.send(f'{{"jsonrpc":"2.0","id":7002,"method":"{text}'.encode())
        await server.ask("ping")
        before = len(server.lines)
        for method, params in (
            ("resources/read", {"uri": f"weft://connections/{text}"}),
            ("resources/read", {"uri": f"weft://jobs/{text}"}),
            ("resources/read", {"uri": text}),
            ("resources/subscribe", {"uri": f"weft://connections/{text}"}),
            (text, {}),
        ):
            await server.ask(method, params)
        # By the protocol the error itself names the resource or method that was asked for. So it
        # may, to whoever asked; logs and files may not.
        del server.lines[before:]


async def _look_around(world: World) -> None:
    """Run every verb that shows something."""
    shown: list[tuple[str, ...]] = [
        ("connections", "show", "By command ok"),
        ("sync", "By command ok"),
        ("jobs", "list"),
        ("secret", "list"),
        ("oauth-clients", "list"),
        ("auth-providers", "list"),
        ("keys", "list"),
        ("audit", "--limit", "100000"),
        ("doctor",),
    ]
    await world.verbs(dict.fromkeys(shown, ""))
