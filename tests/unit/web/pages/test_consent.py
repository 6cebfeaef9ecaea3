"""The way to a provider's consent and back, and where a person lands."""

import pytest

from tests.support.pages import CALLBACK, SECRET, START, Page, Sessions, fill_in, open_browser
from weft.domain.authorizations import AuthOutcome, ConsentStart
from weft.web.pages.html import is_safe_target

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_consent_ends_in_the_browser_that_began_it(prefix: str) -> None:
    sessions = Sessions()
    async with open_browser(sessions) as client:
        started = await client.get(prefix + START)
        assert started.status_code == 303
        assert started.headers["location"] == "https://provider.example/consent?state=s1"
        ended = await client.get(f"{prefix}{CALLBACK}?state=s1&code=c1")
        assert ended.status_code == 200
        assert "is connected" in ended.text
        await client.get(f"{prefix}{CALLBACK}?state=s1&code=c1")
    async with open_browser(sessions) as other:
        await other.get(f"{prefix}{CALLBACK}?state=s1&code=c1")
    params = {"state": "s1", "code": "c1"}
    assert sessions.called_back == [(params, "b-secret"), (params, None), (params, None)]


async def test_two_authorisations_in_one_browser_do_not_mix() -> None:
    sessions = Sessions()
    async with open_browser(sessions) as client:
        await client.get(START)
        sessions.begins = ConsentStart(url="https://p.example/?oauth_token=o1", browser="second")
        await client.get(START)
        await client.get(f"{CALLBACK}?state=s1&code=c1")
        await client.get(f"{CALLBACK}?oauth_token=o1&oauth_verifier=v")
    assert [secret for _, secret in sessions.called_back] == ["b-secret", "second"]


async def test_the_person_lands_where_the_connection_says() -> None:
    back = "https://app.example/done?status=success&source_connection_id=c1"
    sessions = Sessions(ends=AuthOutcome(ok=True, message="It works.", redirect_to=back))
    async with open_browser(sessions) as client:
        landed = await client.get(f"{CALLBACK}?state=s1&code=c1")
        assert (landed.status_code, landed.headers["location"]) == (303, back)
        page = Page((await fill_in(client, token=SECRET)).text)
    assert back in [attrs.get("href") for attrs in page.all("a")]
    assert f"2; url={back}" in [attrs.get("content") for attrs in page.all("meta")]


@pytest.mark.parametrize("scheme", ["javascript:alert(1)", "data:text/html,x", "file:///x", "//x"])
async def test_nobody_is_sent_where_a_script_runs(scheme: str) -> None:
    assert not is_safe_target(scheme)
    sessions = Sessions(ends=AuthOutcome(ok=True, message="It works.", redirect_to=scheme))
    async with open_browser(sessions) as client:
        for answer in (await client.get(f"{CALLBACK}?state=s1"), await fill_in(client, token="x")):
            assert answer.status_code == 200
            assert scheme not in answer.text


async def test_a_refusal_at_the_provider_is_told() -> None:
    sessions = Sessions(ends=AuthOutcome(ok=False, message="You refused consent."))
    async with open_browser(sessions) as client:
        answer = await client.get(f"{CALLBACK}?state=s1&error=access_denied")
    assert answer.status_code == 400
    assert "You refused consent." in answer.text
    assert "Ask for a new link" in answer.text


async def test_who_only_looks_ahead_uses_no_link_up() -> None:
    sessions = Sessions()
    async with open_browser(sessions) as client:
        assert (await client.head(START)).status_code == 200
        ahead = await client.get(START, headers={"sec-purpose": "prefetch;prerender"})
        assert ahead.status_code == 503
        assert (await client.head(f"{CALLBACK}?state=s1")).status_code == 200
    assert (sessions.started, sessions.called_back) == (0, [])


async def test_an_answer_that_names_a_thing_twice_is_refused() -> None:
    sessions = Sessions()
    async with open_browser(sessions) as client:
        answer = await client.get(f"{CALLBACK}?state=s1&code=a&code=b")
    assert answer.status_code == 400
    assert sessions.called_back == []
