"""People consent at a provider in a real browser, refuse to, and take their consent back."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import anyio
import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.acceptance.authorize.pages import open_page, wait_for_output, wait_for_status
from tests.acceptance.authorize.pages import server as server
from tests.acceptance.browsers import browser as browser
from tests.acceptance.weft_http import HttpServer
from tests.acceptance.weft_process import Agent, Structured
from tests.support.oauth.provider import OAuthProvider, serve_oauth_provider
from tests.support.optional import needs_chromium, node_program

# A provider that nobody here wrote.
OIDC_PROVIDER, OIDC_PROVIDER_VERSION = "oidc-provider", "9.13.3"
FOREIGN_SCRIPT = Path(__file__).parents[2] / "support" / "oauth" / "foreign_provider.mjs"

pytestmark = [
    pytest.mark.anyio,
    needs_chromium,
]

CLIENT = {"client_id": "weft", "client_secret": "Hq4dS9xLw2"}


class Provider(Protocol):
    """A provider of consent, whoever wrote it."""

    name: str
    url: str

    async def allow(self, page: Page) -> None:
        """Consent, as a person does on its pages."""
        ...

    async def expire(self) -> None:
        """Refuse the access tokens issued so far."""
        ...

    async def revoke(self) -> None:
        """Take everything back."""
        ...


@dataclass
class Ours(Provider):
    """The provider of the other tests, which is Authlib's server."""

    provider: OAuthProvider
    name: str = "authlib"

    def __post_init__(self) -> None:
        self.url = self.provider.url

    async def allow(self, page: Page) -> None:
        await page.get_by_role("button", name="Allow").click()

    async def expire(self) -> None:
        self.provider.expire()

    async def revoke(self) -> None:
        self.provider.revoke()


@dataclass
class Foreign(Provider):
    """npm's oidc-provider in a process of its own."""

    url: str
    name: str = "oidc-provider"

    async def allow(self, page: Page) -> None:
        name = page.get_by_placeholder("Enter any login")
        consent = page.get_by_role("button", name="Continue")
        await expect(name.or_(consent)).to_be_visible()
        if await name.is_visible():
            await name.fill("ada")
            await page.get_by_placeholder("and password").fill("any")
            await page.get_by_role("button", name="Sign-in").click()
        await consent.click()

    async def expire(self) -> None:
        await self._post("/test/expire")

    async def revoke(self) -> None:
        await self._post("/test/revoke")

    async def _post(self, path: str) -> None:
        async with httpx.AsyncClient() as client:
            assert (await client.post(self.url + path)).status_code == 200


@asynccontextmanager
async def ours() -> AsyncGenerator[Ours]:
    async with serve_oauth_provider() as provider:
        provider.register(CLIENT["client_id"], CLIENT["client_secret"])
        yield Ours(provider)


@asynccontextmanager
async def foreign(redirect_uri: str) -> AsyncGenerator[Foreign]:
    # Installing takes a while the first time, and the server goes on meanwhile.
    install = partial(node_program, OIDC_PROVIDER, OIDC_PROVIDER_VERSION)
    node, package = await anyio.to_thread.run_sync(install)
    command = [node, str(FOREIGN_SCRIPT), package, *CLIENT.values(), redirect_uri]
    async with await anyio.open_process(command) as process:
        assert process.stdout is not None
        yield Foreign(await wait_for_output(process.stdout, r"http://\S+\n"))
        process.terminate()


@pytest.mark.parametrize("software", ["authlib", "oidc-provider"])
async def test_consent_and_what_becomes_of_it(
    server: HttpServer, browser: Browser, software: str
) -> None:
    callback = f"{server.url}/source-connections/callback"
    async with (
        ours() if software == "authlib" else foreign(callback) as provider,
        server.agent() as agent,
        open_page(browser) as page,
    ):
        connection = await waiting(agent, provider, f"consent-{provider.name}")
        assert connection["status"] == "pending_auth"
        await consent(page, connection["auth"]["auth_url"], provider)
        first = await wait_for_status(agent, connection, "active")
        assert first["sync"]["successful_runs"] == 1
        collection = connection["readable_collection_id"]
        found = await agent.ok("search", readable_collection_id=collection, query="first note")
        assert "n1" in found.text

        # The access token expires: it is refreshed without anybody.
        await provider.expire()
        assert (await agent.sync(connection["id"]))["status"] == "COMPLETED"

        # Consent is taken back: the connection says so, and how to go on.
        await provider.revoke()
        await provider.expire()
        job = await agent.sync(connection["id"])
        assert (job["status"], job["error_category"]) == ("FAILED", "oauth_credentials_expired")
        await wait_for_status(agent, connection, "needs_reauth")
        renewed = await agent.ok("authorize_connection", connection_id=connection["id"])
        await consent(page, renewed.data["auth"]["auth_url"], provider)
        await wait_for_status(agent, connection, "active")
        assert (await agent.sync(connection["id"]))["status"] == "COMPLETED"


async def waiting(agent: Agent, provider: Provider, name: str, **client: str) -> Structured:
    """A connection in a collection of that name, and the link to the provider's consent."""
    made = await agent.ok(
        "create_connection",
        short_name="oauth_stub",
        readable_collection_id=await agent.collection(name),
        config={"provider_url": provider.url, "issuer": provider.url},
        auth={"oauth_browser": {**CLIENT, **client}},
    )
    return made.data


async def consent(page: Page, link: str, provider: Provider) -> None:
    """Open the link and consent, until Weft says that it worked."""
    await page.goto(link)
    assert page.url.startswith(provider.url)
    await provider.allow(page)
    await expect(page.get_by_role("heading", name="is connected")).to_be_visible()


async def test_consent_that_is_refused_is_told(server: HttpServer, browser: Browser) -> None:
    async with ours() as provider, server.agent() as agent, open_page(browser) as page:
        made = await waiting(agent, provider, "refused")
        await page.goto(made["auth"]["auth_url"])
        await page.get_by_role("button", name="Deny").click()
        await expect(page.get_by_role("heading", name="Not connected")).to_be_visible()
        await wait_for_status(agent, made, "pending_auth")


async def test_the_person_lands_where_the_connection_says(
    server: HttpServer, browser: Browser
) -> None:
    async with ours() as provider, server.agent() as agent, open_page(browser) as page:
        back = f"{provider.url}/landed?for=them"
        made = await waiting(agent, provider, "landed", redirect_uri=back)
        await page.goto(made["auth"]["auth_url"])
        async with page.expect_request("**/landed**") as landed:
            await provider.allow(page)
        expected = f"{back}&status=success&source_connection_id={made['id']}"
        assert (await landed.value).url == expected
        await wait_for_status(agent, made, "active")


async def test_consent_ends_only_in_the_browser_that_began_it(
    server: HttpServer, browser: Browser
) -> None:
    """Another person's browser cannot use the provider's answer."""
    async with ours() as provider, server.agent() as agent:
        made = await waiting(agent, provider, "bound")
        async with open_page(browser) as begun, open_page(browser) as other:
            await begun.goto(made["auth"]["auth_url"])
            await other.goto(provider.provider.consent(begun.url))
            await expect(other.get_by_role("heading")).not_to_contain_text("is connected")
            await wait_for_status(agent, made, "pending_auth")
