"""The life of a connection at Airweave by each method, through MCP; no secret is ever said."""

import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp_types import CallToolResult
from pydantic import SecretStr

from tests.support.airweave.backend import wait_until_synced
from tests.support.secrets.canary import Canaries
from tests.support.server.fakes import text_of
from weft.assembly.backends import open_any
from weft.server.build import build_server
from weft.settings import SecretMapping, Settings
from weft.testing.airweave import Airweave, airweave_app, authorize
from weft.testing.airweave.state import Provider
from weft.testing.serving import serve_app

pytestmark = pytest.mark.anyio


@dataclass
class Agent:
    """An agent at a Weft in front of Airweave; a person, and all that was said."""

    world: Airweave
    url: str
    home: Path
    mode: str
    canaries: Canaries = field(default_factory=Canaries)
    said: list[str] = field(default_factory=list[str])
    secrets: dict[str, SecretMapping] = field(default_factory=dict[str, SecretMapping])
    client: Client | None = None

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Run a Weft process, and talk to it until it ends."""
        settings = Settings(
            home=self.home,
            api_url=self.url,
            api_key=SecretStr(self.world.key),
            secrets=self.secrets,
            inline_credentials="deny",
        )
        async with open_any(settings) as opened:
            server = build_server(opened.backend_for, version="9.9", inline_credentials="deny")
            async with Client(server, mode=self.mode) as client:
                earlier, self.client = self.client, client
                yield
                self.client = earlier

    async def ask(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call a tool; whatever it answers is heard."""
        assert self.client is not None
        result = await self.client.call_tool(tool, arguments)
        self.said += [json.dumps(arguments), result.model_dump_json()]
        return result

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        result = await self.ask(tool, arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        return result.structured_content

    async def create(self, short_name: str, **given: object) -> dict[str, Any]:
        new = {"short_name": short_name, "readable_collection_id": "docs", **given}
        return await self.call("create_connection", **new)

    async def fill_in(self, link: str, **values: str) -> str:
        """Fill in a page of ours, and return where it leads on to, if anywhere."""
        async with httpx.AsyncClient() as browser:
            page = Page((await browser.get(link)).text)
            entries = {f"entry.{name}": text for name, text in values.items()}
            sent = await browser.post(link, data={"proof": page.proof, **entries})
            assert sent.status_code == 200, sent.text
            return Page(sent.text).follow

    async def read(self, uri: str) -> None:
        """Read a resource."""
        assert self.client is not None
        self.said.append((await self.client.read_resource(uri)).model_dump_json())

    def hear_claim(self, connection_id: str) -> None:
        """Watch for the claim token that the connection has now; each new link has another."""
        session = self.world.connections[connection_id].session
        assert session is not None
        self.canaries.add(f"claim token of {session.link_code}", session.claim_token)

    async def consent(self, link: str) -> None:
        async with httpx.AsyncClient() as browser:
            await authorize(browser, link)

    async def search_until_synced(self, shown_id: str) -> None:
        """Follow the first sync to its end, search, and delete the connection."""
        found = await self.call("get_connection", connection_id=shown_id)
        assert found["status"] in ("active", "syncing")
        await wait_until_synced(self.world, found["id"])
        await self.read(f"weft://connections/{found['id']}")
        jobs = await self.call("list_jobs", connection_id=found["id"])
        assert jobs["items"][0]["status"] == "COMPLETED"
        hits = await self.call("search", readable_collection_id="docs", query="house")
        assert hits["hits"]
        preview = await self.call("delete_connection", connection_id=found["id"])
        token = preview["confirmation_token"]
        await self.call("delete_connection", connection_id=found["id"], confirmation_token=token)
        assert self.world.connections == {}


class Page(HTMLParser):
    """A page's proof against forgery, and the link that it leads on to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.proof = self.follow = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: Mapping[str, str | None] = dict(attrs)
        if given.get("name") == "proof":
            self.proof = given["value"] or ""
        if tag == "a" and given.get("class") == "button":
            self.follow = given["href"] or ""


@pytest.fixture(params=["legacy", "2026-07-28"])
async def agent(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> AsyncGenerator[Agent]:
    caplog.set_level(logging.DEBUG)
    world = Airweave()
    async with serve_app(airweave_app(world)) as url:
        agent = Agent(world, url, tmp_path / "home", request.param)
        async with agent.run():
            await agent.call("create_collection", name="Docs", readable_id="docs")
        yield agent
    shown = "\n".join([*agent.said, caplog.text]).encode()
    assert agent.canaries.find(shown) == set()
    kept = b"".join(each.read_bytes() for each in agent.home.rglob("*") if each.is_file())
    assert agent.canaries.find(kept) == set()


async def test_direct_credentials_are_entered_on_the_page(agent: Agent) -> None:
    secret = f"ghp_good_{agent.canaries.make('token')}"
    async with agent.run():
        draft = await agent.create("github", config={"repo_name": "acme/docs"})
        assert draft["status"] == "pending_auth"
        assert agent.world.connections == {}
        await agent.fill_in(draft["auth"]["auth_url"], personal_access_token=secret)
        [made] = agent.world.connections.values()
        assert made.credentials == {"personal_access_token": secret}
        await agent.search_until_synced(draft["id"])


async def test_direct_credentials_are_a_named_secret(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"ghp_good_{agent.canaries.make('token')}"
    monkeypatch.setenv("WEFT_TEST_TOKEN", secret)
    agent.secrets["gh"] = SecretMapping(
        env="WEFT_TEST_TOKEN", sources=("github",), hosts=(agent.url,)
    )
    agent.secrets["other"] = SecretMapping(
        env="WEFT_TEST_TOKEN", sources=("github",), hosts=("api.github.com",)
    )
    config = {"repo_name": "acme/docs"}
    async with agent.run():
        arguments = {"short_name": "github", "readable_collection_id": "docs", "config": config}
        given = {"auth": {"direct": {"credentials": {"secret_ref": "other"}}}}
        refused = await agent.ask("create_connection", arguments | given)
        assert refused.is_error
        assert agent.url in text_of(refused), "it says which host the secret would go to"
        auth = {"direct": {"credentials": {"secret_ref": "gh"}}}
        made = await agent.create("github", config=config, auth=auth)
        assert agent.world.connections[made["id"]].credentials == {"personal_access_token": secret}
        await agent.search_until_synced(made["id"])


async def test_token_and_own_client_are_named_secrets(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {name: f"good-{agent.canaries.make(name)}" for name in ("access", "refresh", "client")}
    for name, value in values.items():
        monkeypatch.setenv(f"WEFT_TEST_{name}", value)
        agent.secrets[name] = SecretMapping(
            env=f"WEFT_TEST_{name}", sources=("notion", "gmail"), hosts=(agent.url,)
        )
    refs = {name: {"secret_ref": name} for name in values}
    token = {"access_token": refs["access"], "refresh_token": refs["refresh"]}
    async with agent.run():
        made = await agent.create("notion", auth={"oauth_token": token})
        kept = agent.world.connections[made["id"]].credentials
        assert kept == {"access_token": values["access"], "refresh_token": values["refresh"]}
        await agent.search_until_synced(made["id"])
        client = {"client_id": "our-id", "client_secret": refs["client"]}
        made = await agent.create("gmail", auth={"oauth_browser": client})
        assert made["auth"]["auth_url"].startswith(agent.url)
        kept = agent.world.connections[made["id"]].credentials
        assert kept == {"client_id": "our-id", "client_secret": values["client"]}
        await agent.consent(made["auth"]["auth_url"])
        await agent.search_until_synced(made["id"])


async def test_draft_is_authorised_with_a_named_secret(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_TEST_TOKEN", f"good-{agent.canaries.make('token')}")
    agent.secrets["token"] = SecretMapping(
        env="WEFT_TEST_TOKEN", sources=("notion",), hosts=(agent.url,)
    )
    async with agent.run():
        draft = await agent.create("notion", auth={"oauth_token": {}})
        auth = {"oauth_token": {"access_token": {"secret_ref": "token"}}}
        await agent.call("authorize_connection", connection_id=draft["id"], auth=auth)
        await agent.search_until_synced(draft["id"])


async def test_consent_is_completed_by_a_process_that_starts_later(agent: Agent) -> None:
    async with agent.run():
        made = await agent.create("notion")
        agent.hear_claim(made["id"])
    await agent.consent(made["auth"]["auth_url"])
    async with agent.run():
        await wait_until_synced(agent.world, made["id"])
        await agent.search_until_synced(made["id"])


async def test_process_that_goes_on_completes_what_another_began(agent: Agent) -> None:
    async with agent.run():
        async with agent.run():
            made = await agent.create("notion")
            agent.hear_claim(made["id"])
        await agent.consent(made["auth"]["auth_url"])
        await agent.search_until_synced(made["id"])


async def test_new_link_is_completed_by_the_next_process(agent: Agent) -> None:
    async with agent.run():
        made = await agent.create("notion")
        agent.hear_claim(made["id"])
    async with agent.run():
        again = await agent.call("authorize_connection", connection_id=made["id"])
        agent.hear_claim(made["id"])
        assert again["auth"]["auth_url"] != made["auth"]["auth_url"]
    await agent.consent(again["auth"]["auth_url"])
    async with agent.run():
        await wait_until_synced(agent.world, made["id"])
        await agent.search_until_synced(made["id"])


async def test_own_client_goes_its_way_though_each_step_is_in_another_process(
    agent: Agent,
) -> None:
    secret = agent.canaries.make("client secret")
    async with agent.run():
        draft = await agent.create("gmail")
    async with agent.run():
        again = await agent.call("authorize_connection", connection_id=draft["id"])
        link = again["auth"]["auth_url"]
        consent = await agent.fill_in(link, client_id="our-id", client_secret=secret)
    [made] = agent.world.connections.values()
    agent.hear_claim(made.id)
    assert made.credentials == {"client_id": "our-id", "client_secret": secret}
    await agent.consent(consent)
    async with agent.run():
        await wait_until_synced(agent.world, made.id)
        await agent.search_until_synced(draft["id"])


async def test_own_client_is_entered_on_the_page_which_leads_to_the_consent(agent: Agent) -> None:
    secret = agent.canaries.make("client secret")
    async with agent.run():
        shown = await agent.call("get_source", short_name="gmail")
        assert shown["requires_byoc"] is True
        draft = await agent.create("gmail")
        consent = await agent.fill_in(
            draft["auth"]["auth_url"], client_id="our-id", client_secret=secret
        )
        await agent.consent(consent)
        await agent.search_until_synced(draft["id"])


async def test_token_is_entered_on_the_page(agent: Agent) -> None:
    secret = f"good-{agent.canaries.make('token')}"
    async with agent.run():
        draft = await agent.create("notion", auth={"oauth_token": {}})
        await agent.fill_in(draft["auth"]["auth_url"], access_token=secret)
        await agent.search_until_synced(draft["id"])


async def test_auth_provider_is_named(agent: Agent) -> None:
    now = agent.world.clock.now()
    name = "composio-prod"
    agent.world.providers[name] = Provider("p1", "Composio", name, "composio", now, now)
    account = {"auth_config_id": "cfg", "account_id": "acc"}
    auth = {"provider_readable_id": "composio-prod", "provider_config": account}
    async with agent.run():
        made = await agent.create("notion", auth={"auth_provider": auth})
        await agent.search_until_synced(made["id"])


async def test_refused_credentials_are_given_again_on_a_page(agent: Agent) -> None:
    old, new = agent.canaries.make("old key"), agent.canaries.make("new key")
    async with agent.run():
        draft = await agent.create("stub", config={"seed": 14})
        await agent.fill_in(draft["auth"]["auth_url"], stub_key=old)
        [made] = agent.world.connections.values()
        await wait_until_synced(agent.world, made.id, "failed")
        found = await agent.call("get_connection", connection_id=draft["id"])
        assert found["status"] == "needs_reauth"
        await agent.call("update_connection", connection_id=made.id, config={"seed": 1})
        again = await agent.call("authorize_connection", connection_id=made.id)
        await agent.fill_in(again["auth"]["auth_url"], stub_key=new)
        assert made.credentials == {"stub_key": new}
        await agent.search_until_synced(made.id)
