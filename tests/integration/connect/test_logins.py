"""The services let Weft in by each way of OAuth, also when a token expires in the middle."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.oauth.accounts import KEY, AccountService
from tests.support.oauth.guarded import GuardedService
from tests.support.oauth.harness import (
    CLIENT_ID,
    CLIENT_SECRET,
    OAuthHarness,
    open_oauth_harness,
    token_of,
)
from tests.support.sources.scripted_services import SERVICES, Service
from weft.domain.connections import (
    Auth,
    AuthProviderAuth,
    Connection,
    ConnectionStatus,
    OAuthBrowserAuth,
    OAuthTokenAuth,
)
from weft.domain.jobs import Job, JobStatus
from weft.errors import InvalidInput, WeftError
from weft.local.auth.oauth_clients import LocalOAuthClients
from weft.local.auth.providers import LocalAuthProviders
from weft.net.client import http_factory
from weft.sources.base import OAuth2, SourceContext
from weft.sources.registry import SourceRegistry
from weft.sources.rest.source import RestSource
from weft.testing.http_faults import NO_WAIT, wait_not
from weft.testing.scripted_http import Site, serve

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]

SECRETS = (CLIENT_SECRET, KEY)
OWN_ORIGIN = ("github", "gitlab", "hubspot", "linear", "notion", "salesforce", "slack", "zendesk")
"""Those whose authorisation server the operator's setting moves together with the API."""

ACCOUNTS = (
    ("composio", "github", "github", {"access_token": "TOKEN", "scope": "repo"}),
    ("composio", "notion", "notion", {"access_token": "TOKEN", "workspace_name": "Tea"}),
    ("composio", "slack", "slack", {"access_token": "TOKEN", "authed_user": {"id": "U1"}}),
    ("composio", "google_drive", "googledrive", {"access_token": "TOKEN", "expires_in": 3599}),
    ("composio", "jira", "jira", {"access_token": "TOKEN", "scope": "read:jira-work"}),
    ("composio", "hubspot", "hubspot", {"access_token": "TOKEN", "refresh_token": "r"}),
    ("pipedream", "gmail", "gmail", {"oauth_access_token": "TOKEN", "oauth_uid": "1"}),
    ("pipedream", "slack", "slack_v2", {"oauth_access_token": "TOKEN", "oauth_uid": "U1"}),
    ("pipedream", "gitlab", "gitlab", {"oauth_access_token": "TOKEN", "oauth_refresh_token": "r"}),
    ("pipedream", "linear", "linear", {"oauth_access_token": "TOKEN", "oauth_uid": "1"}),
    ("pipedream", "salesforce", "salesforce_rest_api", {"oauth_access_token": "TOKEN"}),
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no source pause between requests."""
    monkeypatch.setattr(RestSource, "sleep", staticmethod(wait_not))


@dataclass
class Login:
    """A guarded service, and a Weft that may reach it."""

    name: str
    service: Service
    guarded: GuardedService
    harness: OAuthHarness
    site: Site

    def let_token_expire_on_the_way(self) -> None:
        """Let all tokens expire before the third request from now."""
        self.guarded.expires_before = self.guarded.asked + 3

    async def create(self, **fields: Any) -> Connection:
        given = {"short_name": self.name, "sync_immediately": False} | fields
        # Where there are more credentials, they are those of a token that is no OAuth's.
        config = {} if self.service.more else self.service.config or {}
        return await self.harness.create(config, **given)

    async def sync(self, made: Connection, *, force: bool = False) -> Job:
        job = await self.harness.run_sync(made, force=force)
        assert job.status is JobStatus.COMPLETED, job
        assert not any(secret in repr(job) for secret in SECRETS)
        return job


@asynccontextmanager
async def open_login(home: Path, name: str) -> AsyncGenerator[Login]:
    """Run the service with its authorisation server, and a Weft with all sources."""
    service = SERVICES[name]()
    key = service.secret if name == "linear" else f"Bearer {service.secret}"
    guarded = GuardedService(service.server, key)
    guarded.expire = guarded.provider.expire
    guarded.provider.register(
        CLIENT_ID, CLIENT_SECRET, "http://127.0.0.1:1/source-connections/callback"
    )
    registry = SourceRegistry()
    async with serve(guarded) as site:
        guarded.provider.site = site
        options = {f"{name}_api_url": f"{site.url}{service.path}"}
        kind = registry.get(name)
        spec = kind.oauth(kind.Config.model_validate(service.config or {}), options)
        assert isinstance(spec, OAuth2)
        guarded.token_path = urlsplit(spec.token_url).path
        context = SourceContext(http=http_factory({"127.0.0.1"}, clock=NO_WAIT), options=options)
        async with open_oauth_harness(home, registry=registry, context=context) as harness:
            yield Login(name, service, guarded, harness, site)


@pytest.mark.parametrize("name", OWN_ORIGIN)
async def test_token_of_consent_in_a_browser_is_refreshed_in_the_middle_of_a_sync(
    tmp_path: Path, name: str
) -> None:
    async with open_login(tmp_path, name) as login:
        made = await login.create()
        assert made.status is ConnectionStatus.PENDING_AUTH
        outcome = await login.harness.give_consent(login.guarded.provider, made)
        assert outcome.ok, outcome.message
        login.let_token_expire_on_the_way()
        first = await login.sync(made)
        assert login.guarded.provider.refreshes == 1
        again = await login.sync(made, force=True)
        assert again.entities_unchanged == first.entities_inserted > 0
        assert again.entities_deleted == 0


@pytest.mark.parametrize("name", ["hubspot", "notion", "slack"])
async def test_token_from_elsewhere_is_refreshed_with_the_operators_client(
    tmp_path: Path, name: str
) -> None:
    async with open_login(tmp_path, name) as login:
        clients = LocalOAuthClients(login.harness.local.engine)
        assert (await login.harness.local.backend.sources.get(name)).requires_byoc
        await clients.set(name, CLIENT_ID, CLIENT_SECRET)
        assert not (await login.harness.local.backend.sources.get(name)).requires_byoc
        token = login.guarded.provider.issue(CLIENT_ID)
        soon = login.harness.local.clock.now + timedelta(hours=1)
        auth = OAuthTokenAuth(
            access_token=token.access_token, refresh_token=token.refresh_token, expires_at=soon
        )
        made = await login.create(auth=Auth(oauth_token=auth))
        login.let_token_expire_on_the_way()
        assert (await login.sync(made)).entities_inserted > 0
        assert login.guarded.provider.refreshes == 1


@pytest.mark.parametrize(("kind", "name", "slug", "credentials"), ACCOUNTS)
async def test_token_of_an_auth_provider_is_fetched_again_in_the_middle_of_a_sync(
    tmp_path: Path, kind: str, name: str, slug: str, credentials: dict[str, Any]
) -> None:
    accounts = AccountService()
    async with serve(accounts.answer) as keeper, open_login(tmp_path, name) as login:

        def renew() -> None:
            login.guarded.provider.expire()
            token = login.guarded.provider.issue("someone").access_token
            found = {key: token if one == "TOKEN" else one for key, one in credentials.items()}
            if kind == "composio":
                accounts.composio("", toolkit={"slug": slug}, state={"val": found})
            else:
                accounts.pipedream("", app={"name_slug": slug}, credentials=found)

        renew()
        login.guarded.expire = renew
        await LocalAuthProviders(login.harness.local.engine).add(
            "organization-1",
            kind,
            "keeper",
            {"api_key": KEY} if kind == "composio" else {"client_id": "c", "client_secret": KEY},
            {"base_url": keeper.url}
            | (
                {} if kind == "composio" else {"project_id": "proj_1", "environment": "development"}
            ),
        )
        auth = AuthProviderAuth(
            provider_readable_id="keeper", provider_config={"entity_id": "user-123"}
        )
        made = await login.create(auth=Auth(auth_provider=auth))
        login.let_token_expire_on_the_way()
        assert (await login.sync(made)).entities_inserted > 0


@pytest.mark.parametrize(
    ("name", "field", "value", "host"),
    [
        ("zendesk", "subdomain", "{}", "https://{}.zendesk.com"),
        (
            "salesforce",
            "instance_url",
            "https://{}.my.salesforce.com",
            "https://{}.my.salesforce.com",
        ),
    ],
)
async def test_client_of_a_service_with_a_host_for_each_customer_is_for_one_of_them(
    tmp_path: Path, name: str, field: str, value: str, host: str
) -> None:
    fields: dict[str, Any] = {
        "short_name": name,
        "auth": Auth(oauth_browser=OAuthBrowserAuth()),
    }
    async with open_oauth_harness(tmp_path, registry=SourceRegistry()) as harness:
        clients = LocalOAuthClients(harness.local.engine)
        with pytest.raises(WeftError) as refused:
            await harness.create({field: value.format("acme")}, **fields)
        assert f"weft oauth-clients set {name}" in str(refused.value.hint)
        with pytest.raises(InvalidInput) as lacking:
            await clients.set(name, CLIENT_ID, CLIENT_SECRET)
        assert lacking.value.field == "provider_origin"
        await clients.set(name, CLIENT_ID, CLIENT_SECRET, host.format("acme"))
        made = await harness.create({field: value.format("acme")}, **fields)
        start = await harness.sessions.start(token_of(made))
        assert start.url.startswith(host.format("acme"))
        with pytest.raises(WeftError):
            await harness.create({field: value.format("evil")}, **fields)
