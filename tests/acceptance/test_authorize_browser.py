"""People authorise connections in a real browser: credentials are typed, consent is given."""

import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import anyio
import apsw
import httpx
import pytest
from anyio.abc import ByteReceiveStream
from anyio.streams.text import TextReceiveStream
from browsers import CHROMIUM, WAIT_MS
from browsers import browser as browser
from node_packages import node_program
from oauth_provider import OAuthProvider, providing
from playwright.async_api import Browser, Page, expect
from weft_http import HttpServer, http_server
from weft_process import WAIT_SECONDS, Agent, Place, Structured, connected

# A provider that nobody here wrote.
OIDC_PROVIDER, OIDC_PROVIDER_VERSION = "oidc-provider", "9.13.3"
FOREIGN_SCRIPT = Path(__file__).parents[1] / "support" / "foreign_provider.mjs"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

SECRET = "Vb8QyT3nWk6ZpR1m"
CLIENT = {"client_id": "weft", "client_secret": "Hq4dS9xLw2"}
SETTINGS = {
    "WEFT_ALLOW_HOSTS": "127.0.0.1",
    # The client of the provider is given with the connection.
    "WEFT_INLINE_CREDENTIALS": "allow",
    "WEFT_LOG_LEVEL": "DEBUG",
    "WEFT_LOG_FORMAT": "json",
}


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[HttpServer]:
    """One server for all tests: each has connections of its own names."""
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with http_server(place, **SETTINGS) as server:
        yield server


@asynccontextmanager
async def opened(browser: Browser) -> AsyncGenerator[Page]:
    """A page of a person with a browser of their own."""
    context = await browser.new_context()
    context.set_default_timeout(WAIT_MS)
    yield await context.new_page()
    await context.close()


async def pending(agent: Agent, name: str) -> Structured:
    """A connection that waits for credentials, and the link to where they are typed."""
    collection = await agent.collection(name)
    made = await agent.ok(
        "create_connection",
        short_name="secret_stub",
        readable_collection_id=collection,
        name=f"Stub of {name}",
        config={"entities": 3},
        # What is not authorised yet cannot be synced yet.
        sync_immediately=False,
    )
    assert made.data["status"] == "pending_auth"
    return made.data


async def has_status(agent: Agent, connection: Structured, status: str) -> Structured:
    """The connection in that state, which it may reach after a sync that is running."""
    found = ""
    with anyio.move_on_after(WAIT_SECONDS):
        while True:
            answer = await agent.ok("get_connection", connection_id=connection["id"])
            found = answer.text
            if answer.data["status"] == status:
                return answer.data
            assert answer.data["status"] == "syncing", found
            await anyio.sleep(0.05)
    pytest.fail(found)


async def typed(page: Page, secret: str) -> None:
    """Type the token, as a person with a keyboard does, and send it."""
    await page.get_by_label("Token", exact=True).press_sequentially(secret)
    await page.keyboard.press("Enter")


async def test_credentials_that_are_typed_make_the_connection_active(
    server: HttpServer, browser: Browser
) -> None:
    async with server.agent() as agent, opened(browser) as page:
        made = await pending(agent, "typed")
        link = made["auth"]["auth_url"]
        assert link.startswith(f"{server.url}/authorize/")
        await page.goto(link)
        await expect(page.get_by_role("heading", name="Connect Secret Stub")).to_be_visible()
        await expect(page.get_by_text("Stub of typed")).to_be_visible()

        await typed(page, "bad")
        await expect(page.get_by_role("alert")).to_contain_text("The stub's token was refused.")
        await expect(page.get_by_label("Token", exact=True)).to_have_value("")
        await has_status(agent, made, "pending_auth")

        await typed(page, SECRET)
        await expect(page.get_by_role("heading", name="is connected")).to_be_visible()
        await has_status(agent, made, "active")
        job = await agent.sync(made["id"])
        assert (job["status"], job["entities_inserted"]) == ("COMPLETED", 3)

        await page.goto(link)
        await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
    said = server.place.stderr.read_text()
    assert link.rpartition("/")[2] not in said
    assert SECRET not in said
    assert SECRET.encode() not in server.place.database.read_bytes()


async def test_a_link_stops_working_when_there_is_a_new_one(
    server: HttpServer, browser: Browser
) -> None:
    async with server.agent() as agent, opened(browser) as page:
        made = await pending(agent, "renewed")
        renewed = await agent.ok("authorize_connection", connection_id=made["id"])
        await page.goto(made["auth"]["auth_url"])
        await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
        await page.goto(renewed.data["auth"]["auth_url"])
        await typed(page, SECRET)
        await expect(page.get_by_role("heading", name="is connected")).to_be_visible()
        await has_status(agent, made, "active")


async def test_what_a_person_did_not_type_here_is_refused(
    server: HttpServer, browser: Browser
) -> None:
    """A form on another site, one without its proof, and an unknown link."""
    async with server.agent() as agent, opened(browser) as page:
        made = await pending(agent, "forged")
        link = made["auth"]["auth_url"]
        await page.goto(link)
        await page.evaluate("document.querySelector('[name=proof]').value = 'f0rged'")
        await typed(page, SECRET)
        await expect(page.get_by_role("alert")).to_contain_text("open for too long")
        elsewhere = f"<form method=post action='{link}'><input name=entry.token value=x><button>Go"
        await page.goto(f"data:text/html,{quote(elsewhere)}")
        await page.get_by_role("button").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await has_status(agent, made, "pending_auth")
        await page.goto(f"{server.url}/authorize/{'0' * 43}")
        await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
    async with httpx.AsyncClient() as other:
        answer = await other.post(link, data={"entry.token": SECRET})
        assert answer.status_code == 403
        misled = await other.get(link, headers={"host": "evil.example"})
        assert misled.status_code == 421


async def test_a_link_that_expires_under_the_hands_of_a_person_is_refused(
    server: HttpServer, browser: Browser
) -> None:
    async with server.agent() as agent, opened(browser) as page:
        made = await pending(agent, "expired")
        await page.goto(made["auth"]["auth_url"])
        expire_links(server.place)
        await typed(page, SECRET)
        await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
        await page.goto(made["auth"]["auth_url"])
        await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
        await has_status(agent, made, "pending_auth")


def expire_links(place: Place) -> None:
    """Let the ten minutes pass."""
    connection: Any = apsw.Connection(str(place.database))
    connection.set_busy_timeout(WAIT_MS)
    connection.execute("UPDATE auth_session SET expires_at = 1")
    connection.close()


async def test_a_server_on_stdio_opens_the_page_on_the_loopback(
    place: Place, browser: Browser
) -> None:
    async with connected(place, "auto") as agent, opened(browser) as page:
        made = await pending(agent, "loopback")
        link = made["auth"]["auth_url"]
        assert re.match(r"http://127\.0\.0\.1:\d+/authorize/", link)
        await page.goto(link)
        await typed(page, SECRET)
        await expect(page.get_by_role("heading", name="is connected")).to_be_visible()
        await has_status(agent, made, "active")
        async with httpx.AsyncClient() as other:
            assert (await other.get(link, headers={"host": "localhost"})).status_code == 421
    async with httpx.AsyncClient() as other:
        with pytest.raises(httpx.ConnectError):
            await other.get(link)
    # It ended in order, although the browser keeps its connections.
    assert not re.search("Traceback|Warning", place.stderr.read_text())


async def test_the_command_line_waits_for_the_browser(server: HttpServer, browser: Browser) -> None:
    """In a process of its own, beside a server on the same database."""
    async with server.agent() as agent, opened(browser) as page:
        made = await pending(agent, "waited")
        command = (sys.executable, "-m", "weft", "connections", "authorize", made["id"])
        environment = server.place.environment(**SETTINGS)
        async with await anyio.open_process(command, env=environment) as process:
            assert process.stderr is not None
            link = await printed(process.stderr, r"http://\S+/authorize/\S+\n")
            assert not link.startswith(server.url)
            await page.goto(link)
            await typed(page, SECRET)
            await expect(page.get_by_role("heading", name="is connected")).to_be_visible()
            with anyio.fail_after(WAIT_SECONDS):
                assert await process.wait() == 0
        await has_status(agent, made, "active")


async def printed(stream: ByteReceiveStream, wanted: str) -> str:
    """What a process prints, once it has printed it."""
    said = ""
    with anyio.fail_after(WAIT_SECONDS):
        async for text in TextReceiveStream(stream):
            said += text
            if found := re.search(wanted, said):
                return found[0].strip()
    pytest.fail(said)


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
    async with providing() as provider:
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
        yield Foreign(await printed(process.stdout, r"http://\S+\n"))
        process.terminate()


@pytest.mark.parametrize("software", ["authlib", "oidc-provider"])
async def test_consent_and_what_becomes_of_it(
    server: HttpServer, browser: Browser, software: str
) -> None:
    callback = f"{server.url}/source-connections/callback"
    async with (
        ours() if software == "authlib" else foreign(callback) as provider,
        server.agent() as agent,
        opened(browser) as page,
    ):
        collection = await agent.collection(f"consent-{provider.name}")
        made = await agent.ok(
            "create_connection",
            short_name="oauth_stub",
            readable_collection_id=collection,
            config={"provider_url": provider.url, "issuer": provider.url},
            auth={"oauth_browser": CLIENT},
        )
        connection = made.data
        assert connection["status"] == "pending_auth"
        await consented(page, connection["auth"]["auth_url"], provider)
        first = await has_status(agent, connection, "active")
        assert first["sync"]["successful_runs"] == 1
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
        await has_status(agent, connection, "needs_reauth")
        renewed = await agent.ok("authorize_connection", connection_id=connection["id"])
        await consented(page, renewed.data["auth"]["auth_url"], provider)
        await has_status(agent, connection, "active")
        assert (await agent.sync(connection["id"]))["status"] == "COMPLETED"


async def consented(page: Page, link: str, provider: Provider) -> None:
    """Open the link and consent, until Weft says that it worked."""
    await page.goto(link)
    assert page.url.startswith(provider.url)
    await provider.allow(page)
    await expect(page.get_by_role("heading", name="is connected")).to_be_visible()


async def test_consent_that_is_refused_is_told(server: HttpServer, browser: Browser) -> None:
    async with ours() as provider, server.agent() as agent, opened(browser) as page:
        collection = await agent.collection("refused")
        made = await agent.ok(
            "create_connection",
            short_name="oauth_stub",
            readable_collection_id=collection,
            config={"provider_url": provider.url, "issuer": provider.url},
            auth={"oauth_browser": CLIENT},
        )
        await page.goto(made.data["auth"]["auth_url"])
        await page.get_by_role("button", name="Deny").click()
        await expect(page.get_by_role("heading", name="Not connected")).to_be_visible()
        await has_status(agent, made.data, "pending_auth")


async def test_the_person_lands_where_the_connection_says(
    server: HttpServer, browser: Browser
) -> None:
    async with ours() as provider, server.agent() as agent, opened(browser) as page:
        collection = await agent.collection("landed")
        back = f"{provider.url}/landed?for=them"
        made = await agent.ok(
            "create_connection",
            short_name="oauth_stub",
            readable_collection_id=collection,
            config={"provider_url": provider.url, "issuer": provider.url},
            auth={"oauth_browser": {**CLIENT, "redirect_uri": back}},
        )
        await page.goto(made.data["auth"]["auth_url"])
        async with page.expect_request("**/landed**") as landed:
            await provider.allow(page)
        expected = f"{back}&status=success&source_connection_id={made.data['id']}"
        assert (await landed.value).url == expected
        await has_status(agent, made.data, "active")


async def test_consent_ends_only_in_the_browser_that_began_it(
    server: HttpServer, browser: Browser
) -> None:
    """Who is handed the provider's answer cannot tie the account to a connection of theirs."""
    async with ours() as provider, server.agent() as agent:
        collection = await agent.collection("bound")
        made = await agent.ok(
            "create_connection",
            short_name="oauth_stub",
            readable_collection_id=collection,
            config={"provider_url": provider.url, "issuer": provider.url},
            auth={"oauth_browser": CLIENT},
        )
        async with opened(browser) as begun, opened(browser) as other:
            await begun.goto(made.data["auth"]["auth_url"])
            await other.goto(provider.provider.consent(begun.url))
            await expect(other.get_by_role("heading")).not_to_contain_text("is connected")
            await has_status(agent, made.data, "pending_auth")
