"""The pages reveal nothing to other sites, guessers and logs."""

import re

import httpx
import pytest

from tests.support.pages import (
    CALLBACK,
    LINK,
    SECRET,
    START,
    URL,
    Sessions,
    fill_in,
    open_browser,
    read_proof,
)
from weft.errors import NotFound
from weft.web.gate.metrics import Metrics
from weft.web.pages.html import POLICY
from weft.web.pages.routes import page_of

pytestmark = pytest.mark.anyio


async def test_a_form_of_another_browser_or_another_link_is_refused() -> None:
    sessions = Sessions()
    async with open_browser(sessions) as mine, open_browser(sessions) as other:
        foreign = await read_proof(other)
        entries = {"entry.token": SECRET}
        bad: list[tuple[httpx.AsyncClient, dict[str, str]]] = [
            (mine, {}),
            (mine, {"proof": ""}),
            (mine, {"proof": foreign}),
            (mine, {"proof": "é"}),
        ]
        for client, given in bad:
            await read_proof(client)
            answer = await client.post(LINK, data={**given, **entries})
            assert answer.status_code == 403, given
            assert SECRET not in answer.text
        kept = await read_proof(mine)
        mine.cookies.clear()
        assert (await mine.post(LINK, data={"proof": kept, **entries})).status_code == 403
    assert sessions.given == []


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("origin", "https://evil.example", 403),
        ("origin", "http://127.0.0.1:1", 403),
        ("origin", URL, 200),
        # What browsers send under our own referrer policy.
        ("origin", "null", 200),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 200),
    ],
)
async def test_a_form_that_another_site_sends_is_refused(
    header: str, value: str, status: int
) -> None:
    sessions = Sessions()
    async with open_browser(sessions) as client:
        data = {"proof": await read_proof(client), "entry.token": SECRET}
        answer = await client.post(LINK, data=data, headers={header: value})
    assert answer.status_code == status
    assert len(sessions.given) == (status == 200)


async def test_cookies_are_for_this_page_and_out_of_reach_of_scripts() -> None:
    async with open_browser(Sessions()) as client:
        (form,) = (await client.get(LINK)).headers.get_list("set-cookie")
        starts = (await client.get(START)).headers.get_list("set-cookie")
    assert "HttpOnly; Max-Age=600; Path=/authorize; SameSite=strict" in form
    paths = re.findall(r"Path=([^;]+);", " ".join(starts))
    assert paths == ["/source-connections", "/v1/source-connections"]
    assert all("HttpOnly" in each and "SameSite=lax" in each for each in starts)
    assert not any("Secure" in each for each in (form, *starts))
    async with open_browser(Sessions(), base="https://weft.example/team") as client:
        answers = [await client.get(LINK), await client.get(START)]
    for each in (c for answer in answers for c in answer.headers.get_list("set-cookie")):
        assert "Secure" in each
        assert "Path=/team/" in each


async def test_a_link_that_is_over_looks_like_one_that_never_was() -> None:
    sessions = Sessions(begins=NotFound("Expired."), ends=NotFound("Used."))
    async with open_browser(sessions) as client:
        answers = [
            await client.get("/authorize/other"),
            await client.get(f"/authorize/{'x' * 1000}"),
            await client.post("/authorize/other", data={"entry.token": SECRET}),
            await client.get("/source-connections/authorize/other"),
            await client.get(START),
            await client.get("/v1/source-connections/authorize/other"),
            await client.get(f"{CALLBACK}?state=other&code=c"),
            await fill_in(client, token=SECRET),
        ]
    assert {answer.status_code for answer in answers} == {410}
    assert len({answer.text for answer in answers}) == 1
    assert "no longer works" in answers[0].text


async def test_every_page_keeps_itself_to_itself() -> None:
    sessions = Sessions()
    async with open_browser(sessions) as client:
        for path in (LINK, "/authorize/other", START, f"{CALLBACK}?state=s1"):
            headers = (await client.get(path)).headers
            assert headers["content-security-policy"] == POLICY
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-content-type-options"] == "nosniff"
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
            assert (await client.request(method, LINK)).status_code == 401
        assert (await client.get(LINK, headers={"host": "evil.example"})).status_code == 421
    for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in POLICY
    assert "unsafe" not in POLICY


async def test_a_guesser_is_slowed_down() -> None:
    async with open_browser(Sessions(), rates=3) as client:
        codes = [(await client.get(f"/authorize/{n}")).status_code for n in range(4)]
        assert codes == [410, 410, 410, 429]
        assert "retry-after" in (await client.get(LINK)).headers


async def test_tokens_are_neither_logged_nor_counted(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    caplog.set_level("DEBUG", logger="weft")
    async with open_browser(Sessions(), metrics=metrics) as client:
        for path in (LINK, START, f"/v1{START}", f"{CALLBACK}?state=s3cr3t&code=c0d3"):
            await client.get(path)
    said = str([vars(record) for record in caplog.records if record.name.startswith("weft")])
    counted = metrics.render(jobs={}, requests_now=0, streams_now=0)
    assert "/v1/source-connections/authorize/{token}" in said
    for hidden in ("t0k3n", "s3cr3t", "c0d3", "b-secret"):
        assert hidden not in said + counted


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/authorize/abc", "/authorize/{token}"),
        ("/authorize/", None),
        ("/authorize", None),
        ("/authorize/a/b", None),
        ("/v1/authorize/abc", None),
        ("/source-connections/callback", "/source-connections/callback"),
        ("/v1/source-connections/authorize/x", "/v1/source-connections/authorize/{token}"),
        ("/source-connections/abc", None),
        ("/source-connections/authorize/", None),
    ],
)
def test_only_paths_of_pages_are_open(path: str, route: str | None) -> None:
    page = page_of(path)
    assert (page and page.template) == route


@pytest.mark.parametrize("path", [LINK, START, f"/v1{START}", CALLBACK, f"/v1{CALLBACK}"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"])
async def test_page_is_open_for_its_own_methods_only(path: str, method: str) -> None:
    async with open_browser(Sessions()) as client:
        assert (await client.request(method, path)).status_code == 401
        if path != LINK:
            assert (await client.post(path)).status_code == 401
