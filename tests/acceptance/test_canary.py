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
from functools import partial
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest
from canary_calls import (
    COLLECTION,
    SWITCHED,
    WORD,
    Call,
    direct_auth,
    failing,
    list_misplaced,
    own_client,
    sources,
)
from canary_world import Structured, Web, World, burst, submit, successes_of
from echo_upstream import FAILURES, serve_echo
from weft_http import ACCEPT
from weft_process import MODERN_META, TOOLS, WAIT_SECONDS, Place, RawServer

pytestmark = pytest.mark.anyio

SENT = (
    *("direct token", "access token", "refresh token", "git token", "github token"),
    *("composio key", "pipedream secret", "named secret", "operator's client", "own client"),
    *("page token", "consumer key", "REST token", "command token"),
)
"""Secrets that must have reached the upstream, or else their absence would say nothing."""

JSON = {"content-type": "application/json"}
HALF_PAIR = r"\ud83d"
MCP_EVERY = 7
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
            await _over_http(world, web)
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
    """Connections that the command line makes, and what it refuses."""
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
    """Secrets where the protocol has names of its own."""
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


async def _over_http(world: World, web: Web) -> None:
    """The HTTP API, the pages for people, and MCP where credentials as arguments are denied."""
    async with web.client() as client, httpx.AsyncClient(timeout=60) as browser:
        browser.event_hooks = client.event_hooks
        await _rest(world, client)
        operators: Structured = {"oauth_browser": {"redirect_uri": "https://app.example/back"}}
        for given in (operators, own_client(world)):
            for mode in ("500", "400", "odd", "moved", "ok"):
                await _oauth2(world, client, browser, given, mode)
        for mode in ("401", "odd", "moved", "ok"):
            await _oauth1(world, client, browser, mode)
        await _page(world, client, browser)
        for path in ("/metrics", "/openapi.json", "/health", "/ready", "/"):
            await client.get(path)
        for token in (world.secret("wrong token"), f"weft_{WORD}"):
            for path in ("/mcp", "/metrics", "/source-connections"):
                headers = {"authorization": f"Bearer {token}"}
                assert (await client.get(path, headers=headers)).status_code == 401
        await _mcp(
            client, [call for call in list_misplaced(world, "By command ok") if call[0] in TOOLS]
        )


async def _mcp(client: httpx.AsyncClient, calls: Sequence[Call]) -> None:
    """Calls over MCP, each a request of its own; not all, for they are the same over stdio."""
    for number, (tool, arguments) in enumerate(calls[::MCP_EVERY]):
        params = {"name": tool, "arguments": arguments, "_meta": MODERN_META}
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        headers = {"mcp-method": "tools/call", "mcp-name": tool, **ACCEPT}
        headers |= {"mcp-protocol-version": "2026-07-28", **JSON}
        content = json.dumps(message)
        answer = await client.post("/mcp", content=content, headers=headers)
        # A frame with half of a surrogate pair, which UTF-8 cannot carry, is refused as a whole.
        assert answer.status_code == (400 if HALF_PAIR in content else 200), answer.text


async def _rest(world: World, client: httpx.AsyncClient) -> None:
    secret, up = world.secret, world.upstream
    target = {"short_name": "oauth_stub", "readable_collection_id": COLLECTION}
    good = {**target, "config": {"provider_url": up.at("ok")}}
    made = await client.post(
        "/source-connections",
        json={**good, "name": "By REST", "authentication": direct_auth(token=secret("REST token"))},
    )
    assert made.status_code == 200, made.text
    one = f"/source-connections/{made.json()['id']}"
    bodies = [{**target, **given} for _, given in failing(world)[:: len(FAILURES)]]
    bodies += [given for tool, given in list_misplaced(world, "x") if tool == "create_connection"]
    text = secret("misplaced")
    bodies += [{"authentication": auth["auth"]} for auth in bodies if "auth" in auth]
    async with anyio.create_task_group() as group:
        for body in bodies:
            post = partial(client.post, content=json.dumps(body), headers=JSON)
            group.start_soon(post, "/source-connections")
    for body in bodies[::9]:
        await client.patch(one, content=json.dumps(body), headers=JSON)
    for path in (
        f"/source-connections/{text}",
        f"/source-connections?collection={text}&limit={text}",
        f"/collections/{text}",
        f"/sources/{text}",
        f"{one}/jobs?limit={text}",
        f"/{text}",
    ):
        await client.get(path)
    await client.post(f"{one}/verify-oauth", json={"claim_token": text})
    await client.post(f"{one}/reinitiate-oauth", json={"redirect_url": f"javascript:{text}"})
    await client.post("/source-connections", content=f'{{"authentication": "{text}'.encode())
    await client.post(f"{one}/run")
    for path in ("", one, f"{one}/jobs"):
        await client.get(path or "/source-connections")


async def _oauth2(
    world: World, client: httpx.AsyncClient, browser: httpx.AsyncClient, auth: Structured, mode: str
) -> None:
    """Consent, and a token endpoint that answers so."""
    url = await _link(world, client, "oauth_stub", auth, mode)
    begun = await browser.get(url)
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    callback = f"{client.base_url}/source-connections/callback".replace("//source", "/source")
    params = {"state": state, "code": world.secret("code")}
    refused = {"state": state, "error": world.secret("code"), "error_description": WORD}
    await browser.get(callback, params={**params, "state": world.secret("state")})
    ended = await browser.get(callback, params=refused if mode == "400" else params)
    went = "status=success" in ended.headers.get("location", "") or ended.status_code == 200
    assert went == (mode == "ok"), ended.text


async def _oauth1(
    world: World, client: httpx.AsyncClient, browser: httpx.AsyncClient, mode: str
) -> None:
    own = {"consumer_key": world.secret("consumer key")}
    own["consumer_secret"] = world.secret("consumer secret")
    url = await _link(world, client, "oauth1_stub", {"oauth_browser": own}, mode)
    begun = await browser.get(url)
    if mode != "ok":
        assert begun.status_code >= 400
        return
    callback = f"{client.base_url}/source-connections/callback".replace("//source", "/source")
    params = {"oauth_token": "asked-token", "oauth_verifier": world.secret("verifier")}
    assert (await browser.get(callback, params=params)).status_code == 200, begun.text


async def _page(world: World, client: httpx.AsyncClient, browser: httpx.AsyncClient) -> None:
    """A person types credentials, at first where the source refuses them."""
    world.upstream.modes["page"] = "401"
    made = await client.post(
        "/source-connections",
        json={
            "short_name": "github",
            "readable_collection_id": COLLECTION,
            "config": {"repo_name": "m-page/repo"},
        },
    )
    url = made.json()["auth"]["auth_url"]
    values = {"personal_access_token": world.secret("page token")}
    assert (await submit(browser, url, values)).status_code >= 400
    await submit(browser, url, {**values, world.secret("page field"): "x"})
    await browser.post(url, data={"entry.personal_access_token": values["personal_access_token"]})
    world.upstream.modes["page"] = "ok"
    assert (await submit(browser, url, values)).status_code == 200


async def _link(
    world: World, client: httpx.AsyncClient, short_name: str, auth: Structured | None, mode: str
) -> str:
    body: Structured = {
        "short_name": short_name,
        "readable_collection_id": COLLECTION,
        "config": {"provider_url": world.upstream.at(mode), "api_url": world.upstream.at("ok")},
    }
    made = await client.post("/source-connections", json=body | ({"auth": auth} if auth else {}))
    assert made.status_code == 200, made.text
    return made.json()["auth"]["auth_url"]


async def _look_around(world: World) -> None:
    """Every verb that shows something."""
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
