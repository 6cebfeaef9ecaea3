"""Drives the HTTP API, the pages for people and MCP over HTTP with secrets."""

import json
from collections.abc import Sequence
from functools import partial
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx

from tests.acceptance.canary.calls import (
    COLLECTION,
    WORD,
    Call,
    direct_auth,
    failing,
    list_misplaced,
    own_client,
)
from tests.acceptance.canary.world import Structured, Web, World, submit
from tests.acceptance.weft_http import ACCEPT
from tests.acceptance.weft_process import MODERN_META, TOOLS
from tests.support.secrets.echo_upstream import FAILURES

JSON = {"content-type": "application/json"}
HALF_PAIR = r"\ud83d"
MCP_EVERY = 7


async def drive_http(world: World, web: Web) -> None:
    """Drive the HTTP API, the pages, and MCP where credentials as arguments are denied."""
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
    """Call over MCP, each a request of its own; not all, for they are the same over stdio."""
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
    """Give consent before a token endpoint that answers so."""
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
    """Type credentials as a person does, at first where the source refuses them."""
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
