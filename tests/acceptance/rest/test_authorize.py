"""A connection is created over the HTTP API, and a person authorises it in a browser."""

import html
import re
from collections.abc import AsyncGenerator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.acceptance.weft_http import HttpServer, create_key, http_server
from tests.acceptance.weft_process import Place

pytestmark = pytest.mark.anyio

SECRET = "hunter2-hunter2"
BODY = {
    "short_name": "secret_stub",
    "readable_collection_id": "docs",
    "redirect_url": "https://app.example/back",
}


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[HttpServer]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with http_server(place) as server, server.client() as client:
        made = {"name": "Team documents", "readable_id": "docs"}
        assert (await client.post("/collections", json=made)).status_code == 200
        yield server


async def test_who_began_an_authorisation_confirms_it_once_the_person_has_finished(
    server: HttpServer,
) -> None:
    async with server.client() as client, httpx.AsyncClient(timeout=30) as browser:
        made = (await client.post("/source-connections", json=BODY)).json()
        one = f"/source-connections/{made['id']}"
        assert made["status"] == "pending_auth"
        first = made["auth"]["auth_url"]
        # Both are told once, to whoever began.
        shown = (await client.get(one)).json()["auth"]
        assert (shown["auth_url"], shown["claim_token"]) == (None, None)

        begun = (await client.post(f"{one}/reinitiate-oauth")).json()["auth"]
        assert begun["auth_url"] != first
        assert (await browser.get(first)).status_code == 410
        claim = {"claim_token": begun["claim_token"]}
        wrong = await client.post(f"{one}/verify-oauth", json={"claim_token": SECRET})
        assert (wrong.status_code, SECRET in wrong.text) == (403, False)
        assert (await client.post(f"{one}/verify-oauth", json=claim)).status_code == 409

        ended = await _submit(browser, begun["auth_url"])
        found = re.search(r'href="(https://app\.example/back[^"]*)"', ended.text)
        assert found is not None, ended.text
        back = urlsplit(html.unescape(found[1]))
        query = {"status": ["success"], "source_connection_id": [made["id"]]}
        assert parse_qs(back.query) == query

        verified = await client.post(f"{one}/verify-oauth", json=claim)
        assert verified.status_code == 200
        assert verified.json()["auth"]["authenticated"] is True
        assert SECRET not in verified.text
        again = await client.post(f"{one}/reinitiate-oauth")
        assert (again.status_code, again.json()["detail"]) == (
            400,
            "Connection is already authenticated",
        )


async def test_another_organisation_can_neither_confirm_nor_begin(server: HttpServer) -> None:
    key = create_key(server.place, "stranger", "admin", "other-org")
    async with server.client() as client, server.client(token=key) as stranger:
        made = (await client.post("/source-connections", json=BODY)).json()
        one = f"/source-connections/{made['id']}"
        claim = {"claim_token": made["auth"]["claim_token"]}
        assert (await stranger.post(f"{one}/verify-oauth", json=claim)).status_code == 404
        assert (await stranger.post(f"{one}/reinitiate-oauth")).status_code == 404


async def _submit(browser: httpx.AsyncClient, url: str) -> httpx.Response:
    """Give the credentials on the page as a browser does."""
    page = await browser.get(url)
    assert page.status_code == 200
    found = re.search(r'name="proof" value="([^"]+)"', page.text)
    assert found is not None
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return await browser.post(
        url, data={"proof": found[1], "entry.token": SECRET}, headers={"origin": origin}
    )
