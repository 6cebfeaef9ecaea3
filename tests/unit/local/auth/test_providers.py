"""Composio and Pipedream: accounts that are asked for credentials at each run."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.oauth.accounts import KEY, AccountService
from tests.support.oauth.harness import OAuthHarness, open_oauth_harness
from tests.support.oauth.provider import OAuthProvider, serve_oauth_provider
from weft.domain.connections import (
    Auth,
    AuthProviderAuth,
    Connection,
    ConnectionChange,
    ConnectionStatus,
)
from weft.domain.jobs import JobStatus
from weft.errors import (
    AuthenticationFailed,
    ErrorCategory,
    InvalidInput,
    NotFound,
    Unsupported,
    WeftError,
)
from weft.local.auth.providers import LocalAuthProviders
from weft.testing.scripted_http import serve

pytestmark = pytest.mark.anyio

ORGANIZATION = "organization-1"
GONE = ErrorCategory.AUTH_PROVIDER_ACCOUNT_GONE
INVALID = ErrorCategory.AUTH_PROVIDER_CREDENTIALS_INVALID


@dataclass
class Providers:
    """A harness with both services configured."""

    harness: OAuthHarness
    service: AccountService
    upstream: OAuthProvider

    def token(self) -> str:
        return self.upstream.issue("someone").access_token

    async def create(
        self, readable_id: str = "composio-test", config: Mapping[str, Any] | None = None
    ) -> Connection:
        given: dict[str, Any] = {"entity_id": "user-123"} if config is None else dict(config)
        auth = AuthProviderAuth(provider_readable_id=readable_id, provider_config=given)
        return await self.harness.create(
            {"provider_url": self.upstream.url},
            auth=Auth(auth_provider=auth),
            sync_immediately=False,
        )


@pytest.fixture
async def providers(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[Providers]:
    service = AccountService()
    async with (
        serve(service.answer) as site,
        serve_oauth_provider() as upstream,
        open_oauth_harness(tmp_path / "home") as harness,
    ):
        service.site = site
        known = LocalAuthProviders(harness.local.engine)
        base: dict[str, str] = {"base_url": site.url}
        hosts = (upstream.url,)
        await known.add(ORGANIZATION, "composio", "composio-test", {"api_key": KEY}, base, hosts)
        await known.add(
            ORGANIZATION,
            "pipedream",
            "pipedream-test",
            {"client_id": "c1", "client_secret": KEY},
            {**base, "project_id": "proj_1", "environment": "development"},
            hosts,
        )
        yield Providers(harness, service, upstream)


@pytest.mark.parametrize("kind", ["composio", "pipedream"])
async def test_token_is_fetched_at_each_run(providers: Providers, kind: str) -> None:
    give = getattr(providers.service, kind)
    give(providers.token())
    made = await providers.create(f"{kind}-test")
    assert made.status is ConnectionStatus.ACTIVE
    assert made.auth.provider_readable_id == f"{kind}-test"
    assert made.provider_short_name == kind
    assert str(made.provider_settings_url).startswith("https://")
    providers.upstream.revoke()
    give(providers.token())
    assert (await providers.harness.run_sync(made)).status is JobStatus.COMPLETED


async def test_account_that_is_named_is_used(providers: Providers) -> None:
    providers.service.composio("not a token")
    providers.service.composio(providers.token(), id="ca_2")
    made = await providers.create(config={"account_id": "ca_2", "entity_id": "user-123"})
    assert made.status is ConnectionStatus.ACTIVE
    with pytest.raises(AuthenticationFailed) as caught:
        await providers.create(config={"account_id": "ca_2", "entity_id": "someone-else"})
    assert caught.value.category is GONE


async def test_newest_account_of_the_app_is_used(providers: Providers) -> None:
    providers.service.composio("old", created_at="2025-01-01T00:00:00Z")
    providers.service.composio(providers.token(), id="ca_2")
    providers.service.composio("other", id="ca_3", toolkit={"slug": "gmail"}, created_at="2027")
    assert (await providers.create()).status is ConnectionStatus.ACTIVE


async def test_account_of_another_app_is_given_to_no_source(providers: Providers) -> None:
    providers.service.composio(providers.token(), toolkit={"slug": "gmail"})
    with pytest.raises(AuthenticationFailed) as caught:
        await providers.create(config={"account_id": "ca_1"})
    assert caught.value.category is INVALID
    assert "another app" in caught.value.message


@pytest.mark.parametrize(
    ("fields", "category"),
    [
        ({"status": "EXPIRED"}, INVALID),
        ({"state": {"val": {"access_token": "ghp_abc..."}}}, INVALID),
        ({"state": {"val": {}}}, INVALID),
        ({"user_id": "someone-else"}, GONE),
    ],
)
async def test_composio_account_of_no_use_says_why(
    providers: Providers, fields: dict[str, Any], category: ErrorCategory
) -> None:
    providers.service.composio(providers.token())
    made = await providers.create()
    providers.service.composio(providers.token(), **fields)
    await assert_fails_with(providers, made, category)


@pytest.mark.parametrize(
    ("fields", "category"),
    [
        ({"dead": True}, GONE),
        ({"healthy": False}, INVALID),
        ({"credentials": None}, INVALID),
        ({"external_id": "someone-else"}, GONE),
    ],
)
async def test_pipedream_account_of_no_use_says_why(
    providers: Providers, fields: dict[str, Any], category: ErrorCategory
) -> None:
    providers.service.pipedream(providers.token())
    made = await providers.create("pipedream-test")
    providers.service.pipedream(providers.token(), **fields)
    await assert_fails_with(providers, made, category)


async def assert_fails_with(
    providers: Providers, connection: Connection, category: ErrorCategory
) -> None:
    job = await providers.harness.run_sync(connection)
    assert (job.status, job.error_category) == (JobStatus.FAILED, category)
    broken = await providers.harness.get(connection)
    assert broken.status is ConnectionStatus.NEEDS_REAUTH
    assert broken.error_category is category
    assert job.error_details


@pytest.mark.parametrize("kind", ["composio", "pipedream"])
async def test_operators_key_that_is_refused_says_so(providers: Providers, kind: str) -> None:
    getattr(providers.service, kind)(providers.token())
    made = await providers.create(f"{kind}-test")
    providers.service.key = "another by now"
    await assert_fails_with(providers, made, INVALID)
    shown = repr(await providers.harness.get(made))
    assert KEY not in shown
    assert "own words" not in shown


@pytest.mark.parametrize("kind", ["composio", "pipedream"])
async def test_service_that_is_down_is_tried_again_later(providers: Providers, kind: str) -> None:
    getattr(providers.service, kind)(providers.token())
    made = await providers.create(f"{kind}-test")
    providers.service.status = 500
    job = await providers.harness.local.backend.jobs.run(made.id)
    await providers.harness.local.run_claimed(await providers.harness.local.claim())
    assert (await providers.harness.local.backend.jobs.get(job.id)).status is JobStatus.PENDING
    assert (await providers.harness.get(made)).status is ConnectionStatus.ACTIVE


async def test_removed_provider_fails_its_connections_with_the_way_out(
    providers: Providers,
) -> None:
    providers.service.composio(providers.token())
    made = await providers.create()
    known = LocalAuthProviders(providers.harness.local.engine)
    await known.remove(ORGANIZATION, "composio-test")
    await assert_fails_with(providers, made, GONE)
    with pytest.raises(NotFound) as caught:
        await providers.create()
    assert caught.value.field == "auth.auth_provider.provider_readable_id"


async def test_provider_of_another_organisation_is_unknown(providers: Providers) -> None:
    known = LocalAuthProviders(providers.harness.local.engine)
    await known.add("organization-2", "composio", "theirs", {"api_key": KEY}, {})
    with pytest.raises(NotFound):
        await providers.create("theirs")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"entity_id": ""},
        {"entity_id": 5},
        {"entity_id": "user-123", "api_key": "k3y-canary-91"},
        {"account_id": "../../v3/toolkits"},
        {"account_id": "ca_1?x=1"},
    ],
)
async def test_provider_config_that_names_no_account_is_refused(
    providers: Providers, config: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await providers.create(config=config)
    assert str(caught.value.field).startswith("auth.auth_provider.provider_config")
    assert "canary" not in str(caught.value)


async def test_token_goes_to_no_endpoint_but_the_one_it_was_asked_for(
    providers: Providers,
) -> None:
    providers.service.composio(providers.token())
    made = await providers.create()
    assert providers.service.site is not None
    before = len(providers.service.site.requests)
    change = ConnectionChange(config={"api_url": "http://127.0.0.1:9"})
    moved = await providers.harness.local.backend.connections.update(made.id, change)
    assert moved.status is ConnectionStatus.NEEDS_REAUTH
    assert (await providers.harness.run_sync(moved)).error_category is INVALID
    assert len(providers.service.site.requests) == before


async def test_source_that_refuses_the_fetched_token_needs_the_provider(
    providers: Providers,
) -> None:
    providers.service.composio(providers.token())
    made = await providers.create()
    providers.upstream.revoke()
    await assert_fails_with(providers, made, INVALID)
    with pytest.raises(Unsupported):
        await providers.harness.authorization.begin(made.id)


async def test_token_that_is_refused_on_the_way_is_fetched_again(providers: Providers) -> None:
    providers.service.composio(providers.token())
    made = await providers.create()
    providers.upstream.expires_before = "/notes/n2"
    job = await providers.harness.local.backend.jobs.run(made.id)
    outcome = await providers.harness.local.run_claimed(await providers.harness.local.claim())
    assert outcome.status is JobStatus.PENDING
    providers.service.composio(providers.token())
    await providers.harness.local.run_claimed(await providers.harness.local.claim())
    found = await providers.harness.local.backend.jobs.get(job.id)
    assert found.status is JobStatus.COMPLETED
    assert await providers.harness.local.count_entities(made) == 2


async def test_no_secret_of_a_provider_is_stored_or_told_in_the_clear(
    providers: Providers, caplog: pytest.LogCaptureFixture
) -> None:
    token = providers.token()
    providers.service.composio(token)
    made = await providers.create()
    job = await providers.harness.run_sync(made)
    known = await LocalAuthProviders(providers.harness.local.engine).list()
    told = json.dumps([each.model_dump(mode="json") for each in (made, job, *known)]) + caplog.text
    data = b"".join(path.read_bytes() for path in providers.harness.local.home.glob("weft.db*"))
    for secret in (KEY, token):
        assert secret not in told
        assert secret.encode() not in data
    providers.upstream.revoke()
    with pytest.raises(WeftError) as caught:
        await providers.create()
    assert token not in str(caught.value)
