"""Authorisation reaches only the provider it is meant for, with the client that belongs to it."""

from typing import Any

import pytest

from tests.support.oauth.harness import CLIENT_ID, CLIENT_SECRET, OAuthHarness, params_of, token_of
from tests.support.oauth.provider import OAuthProvider
from weft.domain.connections import Auth, ConnectionChange, ConnectionStatus
from weft.errors import Conflict, ErrorCategory, NotFound
from weft.local.auth.oauth_clients import LocalOAuthClients

pytestmark = pytest.mark.anyio


OTHER = "http://127.0.0.1:9"


@pytest.mark.parametrize("in_body", [False, True])
async def test_client_authenticates_as_the_source_says(
    harness: OAuthHarness, provider: OAuthProvider, in_body: bool
) -> None:
    config: Any = {"provider_url": provider.url, "secret_in_body": in_body}
    made = await harness.create(config)
    assert (await harness.give_consent(provider, made)).ok
    assert provider.site is not None
    (asked,) = [asked for asked in provider.site.requests if asked.path == "/token"]
    assert ("authorization" in asked.headers) is not in_body
    assert (b"client_secret=" in asked.body) is in_body


async def test_operators_client_is_used_when_the_connection_brings_none(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    auth = Auth.model_validate({"oauth_browser": {}})
    with pytest.raises(Conflict, match="no OAuth client"):
        await harness.create({"provider_url": provider.url}, auth=auth)
    assert (await harness.local.backend.connections.list()).items == ()
    clients = LocalOAuthClients(harness.local.engine)
    await clients.set("oauth_stub", CLIENT_ID, CLIENT_SECRET, provider.url)
    made = await harness.create({"provider_url": provider.url}, auth=auth)
    assert (await harness.give_consent(provider, made)).ok


async def test_operators_client_goes_to_no_provider_that_a_configuration_names(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    clients = LocalOAuthClients(harness.local.engine)
    await clients.set("oauth_stub", CLIENT_ID, CLIENT_SECRET, "https://login.example.com")
    with pytest.raises(Conflict, match="no OAuth client"):
        await harness.create(
            {"provider_url": provider.url}, auth=Auth.model_validate({"oauth_browser": {}})
        )


async def test_answer_of_another_issuer_is_refused(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    config: Any = {"provider_url": provider.url, "issuer": "https://someone.else"}
    made = await harness.create(config)
    assert not (await harness.give_consent(provider, made)).ok
    provider.names_issuer = False
    made = await harness.create({"provider_url": provider.url, "issuer": provider.url})
    assert not (await harness.give_consent(provider, made)).ok
    assert provider.tokens == []


async def test_moved_provider_makes_link_client_and_tokens_void(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url})
    update = harness.local.backend.connections.update
    await update(made.id, ConnectionChange(config={"provider_url": OTHER}))
    with pytest.raises(NotFound):
        await harness.sessions.start(token_of(made))
    with pytest.raises(Conflict, match="no OAuth client"):
        await harness.authorization.begin(made.id)


@pytest.mark.parametrize("moved", [{"provider_url": OTHER}, {"api_url": OTHER}])
async def test_tokens_go_to_no_other_endpoint_than_they_were_given_for(
    harness: OAuthHarness, provider: OAuthProvider, moved: dict[str, Any]
) -> None:
    ready = await harness.connect(provider)
    changed = await harness.local.backend.connections.update(
        ready.id, ConnectionChange(config=moved)
    )
    assert changed.status is ConnectionStatus.NEEDS_REAUTH
    assert changed.error_category is ErrorCategory.OAUTH_CREDENTIALS_EXPIRED
    assert not changed.auth.authenticated
    job = await harness.local.run_sync(changed)
    assert job.error_category is ErrorCategory.OAUTH_CREDENTIALS_EXPIRED
    assert (await harness.get(changed)).status is ConnectionStatus.NEEDS_REAUTH


async def test_endpoint_that_moves_during_consent_gets_no_token(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url})
    start = await harness.sessions.start(token_of(made))
    params = params_of(provider.consent(start.url))
    change = ConnectionChange(config={"api_url": OTHER})
    await harness.local.backend.connections.update(made.id, change)
    with pytest.raises(NotFound):
        await harness.sessions.callback(params, start.browser)
    assert provider.tokens == []
