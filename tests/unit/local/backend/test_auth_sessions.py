"""Authorisation in a browser: links, consent, and what comes back."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.oauth.harness import (
    BASE,
    CLIENT_ID,
    CLIENT_SECRET,
    RETURN_TO,
    OAuthHarness,
    open_oauth_harness,
    own_client,
    params_of,
    token_of,
)
from tests.support.oauth.oauth1_provider import serve_oauth1_provider
from tests.support.oauth.provider import OAuthProvider
from weft.domain.connections import ConnectionStatus
from weft.domain.jobs import JobStatus, JobTrigger
from weft.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    NotPermitted,
    Unsupported,
)

pytestmark = pytest.mark.anyio


async def test_consent_makes_the_connection_active_and_starts_its_first_sync(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url, "issuer": provider.url})
    assert made.status is ConnectionStatus.PENDING_AUTH
    assert made.auth.auth_url is not None
    assert made.auth.auth_url.startswith(f"{BASE}/source-connections/authorize/")
    outcome = await harness.give_consent(provider, made)
    assert outcome.ok
    assert outcome.redirect_to is not None
    assert params_of(outcome.redirect_to) == {
        "from": "weft",
        "status": "success",
        "source_connection_id": made.id,
    }
    ready = await harness.get(made)
    assert ready.auth.authenticated_at == harness.local.clock.now
    assert ready.auth.expires_at == harness.local.clock.now + timedelta(hours=1)
    job = ready.sync.last_job
    assert job is not None
    assert job.trigger is JobTrigger.INITIAL
    await harness.local.run_claimed(await harness.local.claim())
    assert await harness.local.count_entities(made) == len(provider.notes)
    assert (await harness.get(made)).status is ConnectionStatus.ACTIVE


async def test_sync_after_a_renewed_consent_is_not_called_the_first(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url})
    assert (await harness.give_consent(provider, made)).ok
    await harness.local.run_claimed(await harness.local.claim())
    await harness.local.engine.store.connections.mark(
        await harness.get(made), ConnectionStatus.NEEDS_REAUTH, None, None
    )
    again = await harness.authorization.begin(made.id)
    assert (await harness.give_consent(provider, again)).ok
    job = (await harness.get(made)).sync.last_job
    assert job is not None
    assert (job.status, job.trigger) == (JobStatus.PENDING, JobTrigger.MANUAL)


async def test_declined_first_sync_is_not_started(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider, sync_immediately=False)
    assert ready.status is ConnectionStatus.ACTIVE
    assert ready.sync.last_job is None


async def test_refused_consent_is_told_to_whoever_waits(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url})
    outcome = await harness.give_consent(provider, made, allow=False)
    assert not outcome.ok
    assert outcome.redirect_to is not None
    params = params_of(outcome.redirect_to)
    assert (params["status"], params["error"]) == ("error", "access_denied")
    waiting = await harness.get(made)
    assert waiting.status is ConnectionStatus.PENDING_AUTH
    assert waiting.error_message == "Consent was not given."
    again = await harness.authorization.begin(made.id)
    assert (await harness.give_consent(provider, again)).ok
    assert (await harness.get(made)).error_message is None


async def test_providers_own_words_reach_nobody(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url})
    start = await harness.sessions.start(token_of(made))
    state = params_of(start.url)["state"]
    said = {"state": state, "error": "<script>x", "error_description": "the provider's own words"}
    outcome = await harness.sessions.callback(said, start.browser)
    assert not outcome.ok
    for text in (outcome.message, str(outcome.redirect_to), repr(await harness.get(made))):
        assert "own words" not in text
        assert "<script>" not in text


async def test_code_that_the_provider_refuses_is_an_outcome(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url})
    provider.clients[CLIENT_ID].client_secret = "another by now"
    outcome = await harness.give_consent(provider, made)
    assert not outcome.ok
    assert "invalid_client" in outcome.message
    assert CLIENT_SECRET not in outcome.message
    assert (await harness.get(made)).status is ConnectionStatus.PENDING_AUTH


async def test_link_and_state_work_once(harness: OAuthHarness, provider: OAuthProvider) -> None:
    made = await harness.create({"provider_url": provider.url})
    token = token_of(made)
    start = await harness.sessions.start(token)
    with pytest.raises(NotFound):
        await harness.sessions.start(token)
    params = params_of(provider.consent(start.url))
    assert (await harness.sessions.callback(params, start.browser)).ok
    with pytest.raises(NotFound):
        await harness.sessions.callback(params, start.browser)


async def test_another_browser_cannot_finish(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url})
    start = await harness.sessions.start(token_of(made))
    params = params_of(provider.consent(start.url))
    for browser in (None, "", "someone else's"):
        with pytest.raises(NotFound):
            await harness.sessions.callback(params, browser)
    assert (await harness.sessions.callback(params, start.browser)).ok


async def test_links_and_states_expire(harness: OAuthHarness, provider: OAuthProvider) -> None:
    made = await harness.create({"provider_url": provider.url})
    assert made.auth.auth_url_expires == harness.local.clock.now + timedelta(minutes=10)
    harness.local.clock.pass_time(minutes=10)
    with pytest.raises(NotFound):
        await harness.sessions.start(token_of(made))
    again = await harness.authorization.begin(made.id)
    start = await harness.sessions.start(token_of(again))
    harness.local.clock.pass_time(minutes=10)
    with pytest.raises(NotFound):
        await harness.sessions.callback(params_of(provider.consent(start.url)), start.browser)


async def test_link_that_a_clock_ahead_made_does_not_outlive_the_others(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    harness.local.clock.pass_time(days=365)
    made = await harness.create({"provider_url": provider.url})
    harness.local.clock.pass_time(days=-365)
    with pytest.raises(NotFound):
        await harness.sessions.start(token_of(made))
    again = await harness.authorization.begin(made.id)
    harness.local.clock.pass_time(seconds=-30)
    assert await harness.sessions.start(token_of(again)), "set right a little, it is good"


async def test_new_link_replaces_those_before_and_keeps_client_and_return(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url})
    again = await harness.authorization.begin(made.id)
    assert again.auth.auth_url != made.auth.auth_url
    with pytest.raises(NotFound):
        await harness.sessions.start(token_of(made))
    outcome = await harness.give_consent(provider, again)
    assert outcome.ok
    assert str(outcome.redirect_to).startswith(RETURN_TO)


async def test_authorised_connection_is_authorised_again_with_its_own_client(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider)
    again = await harness.authorization.begin(ready.id)
    assert again.status is ConnectionStatus.ACTIVE
    assert (await harness.give_consent(provider, again)).ok
    assert len(provider.tokens) == 2


async def test_claim_token_confirms_once_the_person_has_finished(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url})
    claim = made.auth.claim_token
    assert claim is not None
    with pytest.raises(NotPermitted):
        await harness.authorization.verify(made.id, "guessed")
    with pytest.raises(Conflict):
        await harness.authorization.verify(made.id, claim)
    await harness.give_consent(provider, made)
    assert (await harness.authorization.verify(made.id, claim)).status is ConnectionStatus.ACTIVE
    assert claim not in json.dumps(made.model_dump(mode="json"))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "http://app.example/done",
        "https://user:word@app.example/",
        "//app.example",
        "https://",
        "https://app.example/\nx",
        "https://app.example\\@evil.example/",
        "data:text/html,x",
        "https://app.example/#fragment",
    ],
)
async def test_return_address_that_no_browser_should_open_is_refused(
    harness: OAuthHarness, provider: OAuthProvider, url: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await harness.create({"provider_url": provider.url}, auth=own_client(redirect_uri=url))
    assert caught.value.field == "auth.oauth_browser.redirect_uri"
    assert url not in str(caught.value)
    with pytest.raises(InvalidInput):
        await harness.create({"provider_url": provider.url}, redirect_url=url)


async def test_oauth_1_is_signed_and_survives_a_sync(harness: OAuthHarness) -> None:
    async with serve_oauth1_provider() as provider:
        auth = own_client(
            client_id=None,
            client_secret=None,
            consumer_key=provider.consumer_key,
            consumer_secret=provider.consumer_secret,
        )
        made = await harness.create(
            {"provider_url": provider.url}, short_name="oauth1_stub", auth=auth
        )
        refused = await harness.give_consent(provider, made, allow=False)
        assert not refused.ok
        again = await harness.authorization.begin(made.id)
        assert (await harness.give_consent(provider, again)).ok
        await harness.local.run_claimed(await harness.local.claim())
        assert await harness.local.count_entities(made) == 1


async def test_client_must_fit_the_providers_protocol(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    for auth in (own_client(consumer_key="k"), own_client(client_id=None)):
        with pytest.raises(InvalidInput) as caught:
            await harness.create({"provider_url": provider.url}, auth=auth)
        assert CLIENT_SECRET not in str(caught.value)


async def test_connection_without_credentials_to_give_has_no_link(harness: OAuthHarness) -> None:
    provided = await harness.local.connect(short_name="stub")
    assert provided.auth.auth_url is None


async def test_process_without_pages_makes_no_links_but_keeps_what_was_given(
    tmp_path: Path, provider: OAuthProvider
) -> None:
    home = tmp_path / "other"
    async with open_oauth_harness(home, pages=None) as silent:
        made = await silent.create({"provider_url": provider.url})
        assert made.auth.auth_url is None
        with pytest.raises(Unsupported):
            await silent.authorization.begin(made.id)
    async with reopen(home) as harness:
        again = await harness.authorization.begin(made.id)
        assert (await harness.give_consent(provider, again)).ok


async def test_database_holds_no_secret_of_a_whole_flow(
    harness: OAuthHarness, provider: OAuthProvider, caplog: pytest.LogCaptureFixture
) -> None:
    made = await harness.create({"provider_url": provider.url})
    start = await harness.sessions.start(token_of(made))
    back = params_of(provider.consent(start.url))
    await harness.sessions.callback(back, start.browser)
    (issued,) = provider.tokens
    secret = [CLIENT_SECRET, token_of(made), start.browser, back["state"], back["code"]]
    secret += [issued.access_token, str(issued.refresh_token), str(made.auth.claim_token)]
    data = b"".join(path.read_bytes() for path in harness.local.home.glob("weft.db*"))
    shown = repr(await harness.get(made)) + repr(start) + caplog.text
    for each in secret:
        assert each.encode() not in data
        assert each not in shown


def reopen(home: Path) -> Any:
    """The same state folder in another process; its collection is there already."""
    return open_oauth_harness(home, has_collection=True)
