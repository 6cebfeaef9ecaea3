"""Secrets that were given for one endpoint go to no other, however a connection is moved there.

Two servers, A and B, keep every request. Credentials are given for A, and then the connection, or
A itself by redirects, leads to B: no request there may hold a run of a secret. Only what is given
anew for B reaches B, and the old secret nobody. What the operator's account or client gets goes to
B only when the operator has allowed that host.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio.lowlevel
import pytest
from canary import Canaries
from echo_upstream import EchoUpstream, echoing
from embedded import Embedded, embedded

from weft.domain.base import Json
from weft.domain.connections import (
    Auth,
    AuthProviderAuth,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    DirectAuth,
    OAuthTokenAuth,
)
from weft.domain.jobs import JobStatus
from weft.domain.principals import LOCAL_ORGANIZATION_ID
from weft.errors import AuthenticationFailed, ErrorCategory, NotFound, NotPermitted, WeftError
from weft.local.auth.oauth_clients import LocalOAuthClients
from weft.local.auth.providers import LocalAuthProviders
from weft.local.engine import Limits
from weft.local.scheduler import fire_due
from weft.sources.base import AnySource, SourceContext
from weft.sources.git import GitSource
from weft.sources.github import GitHubSource
from weft.sources.http import Clock, http_factory
from weft.sources.web import WebSource
from weft.testing.oauth_stub import OAuthStubSource

pytestmark = pytest.mark.anyio

SOURCES: Mapping[str, type[AnySource]] = {
    kind.short_name: kind for kind in (GitSource, GitHubSource, WebSource, OAuthStubSource)
}
LIMITS = Limits(retries=0)
REDIRECTS = ("moved", "moved-308", "moved-302")
NEW = "new"


@dataclass
class Two:
    """An engine, and the servers A and B."""

    local: Embedded
    a: EchoUpstream
    b: EchoUpstream
    canaries: Canaries = field(default_factory=Canaries)

    def secret(self, name: str) -> str:
        return self.canaries.by_name.get(name) or self.canaries.make(name)

    def auth(self, method: str, age: str = "old", *, seconds: int = 3600) -> Auth:
        """Credentials by method; old ones and new ones differ. OAuth tokens live so long."""
        if method == "direct":
            return Auth(direct=DirectAuth(credentials={"token": self.secret(f"{age} token")}))
        if method == "git":
            given: Json = {"access_token": self.secret(f"{age} token"), "username": "ada"}
            return Auth(direct=DirectAuth(credentials=given))
        return Auth(
            oauth_token=OAuthTokenAuth(
                access_token=self.secret(f"{age} access"),
                refresh_token=self.secret(f"{age} refresh"),
                expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
            )
        )

    def old_at_b(self) -> set[str]:
        """The names of the old secrets that reached B."""
        return {name for name in self.at_b() if not name.startswith(NEW)}

    def at_b(self) -> set[str]:
        return self.canaries.found(self.b.heard())

    def at_a(self) -> set[str]:
        return self.canaries.found(self.a.heard())

    async def tried(self, connection: Connection) -> None:
        """Everything that uses a connection's credentials; what it says does not matter."""
        connections = self.local.backend.connections
        for use in (connections.check, self._sync, connections.check):
            with suppress(WeftError):
                await use(connection.id)

    async def _sync(self, connection_id: str) -> None:
        await self.local.ended(await self.local.backend.jobs.run(connection_id))


@asynccontextmanager
async def two_servers(home: Path, **options: str) -> AsyncGenerator[Two]:
    """A and B, and an engine that may reach both."""
    async with echoing() as a, echoing() as b:
        a.elsewhere = b.url
        context = SourceContext(
            http=http_factory(["127.0.0.1", "localhost"], clock=Clock(sleep=_at_once)),
            allow_hosts=frozenset({"127.0.0.1", "localhost"}),
            options={name: value.format(a=a.url, b=b.url) for name, value in options.items()},
        )
        async with embedded(home, sources=SOURCES, context=context, limits=LIMITS) as local:
            yield Two(local, a, b)


async def _at_once(_seconds: float) -> None:
    await anyio.lowlevel.checkpoint()


def config_at(short_name: str, upstream_url: str, mode: str = "ok") -> Json:
    """The configuration that leads a source there."""
    if short_name == "git":
        return {"repo": f"{upstream_url}/m-{mode}/r.git"}
    if short_name == "github":
        return {"repo_name": f"m-{mode}/repo"}
    return {"provider_url": f"{upstream_url}/m-{mode}"}


CASES = [("git", "git"), ("oauth_stub", "direct"), ("oauth_stub", "oauth_token")]


@pytest.mark.parametrize(("short_name", "method"), CASES)
@pytest.mark.parametrize("way", ["plain", "localhost", "trailing dot", "upper case", "back again"])
async def test_a_moved_endpoint_gets_nothing_until_it_is_given_anew(
    tmp_path: Path, short_name: str, method: str, way: str
) -> None:
    async with two_servers(tmp_path) as two:
        connections = two.local.backend.connections
        made = await two.local.connect(
            config_at(short_name, two.a.url), short_name=short_name, auth=two.auth(method)
        )
        assert two.at_a()
        port = two.b.url.rpartition(":")[2]
        place = {
            "localhost": f"http://localhost:{port}",
            "trailing dot": f"http://localhost.:{port}",
            "upper case": f"HTTP://LOCALHOST:{port}",
        }.get(way, two.b.url)
        change = ConnectionChange(config=config_at(short_name, place))
        moved = await connections.update(made.id, change)
        assert moved.status is ConnectionStatus.NEEDS_REAUTH
        assert not moved.auth.authenticated
        await two.tried(moved)
        if way == "back again":
            # Credentials that were dropped do not come back with the endpoint.
            heard = len(two.a.heard())
            change = ConnectionChange(config=config_at(short_name, two.a.url))
            moved = await connections.update(made.id, change)
            await two.tried(moved)
            assert not moved.auth.authenticated
            assert not two.canaries.found(two.a.heard()[heard:])
            return
        assert not two.at_b()
        if way != "plain":
            return
        authorization = two.local.backend.authorization
        assert authorization is not None
        before = len(two.a.heard())
        again = await authorization.authorize(made.id, two.auth(method, NEW))
        assert again.status is ConnectionStatus.ACTIVE
        await two.tried(again)
        assert two.at_b()
        assert not two.old_at_b()
        assert not two.canaries.found(two.a.heard()[before:])


@pytest.mark.parametrize("mode", REDIRECTS)
@pytest.mark.parametrize(("short_name", "method"), CASES)
async def test_a_redirect_takes_no_secret_along(
    tmp_path: Path, short_name: str, method: str, mode: str
) -> None:
    async with two_servers(tmp_path) as two:
        two.a.modes["later"] = "ok"
        two.a.tells = False
        made = await two.local.connect(
            config_at(short_name, two.a.url, "later"), short_name=short_name, auth=two.auth(method)
        )
        two.a.modes["later"] = mode
        await two.tried(made)
        assert two.at_a()
        assert not two.at_b()
        if method == "direct" or mode == "moved-302":
            assert two.b.heard(), "the redirect was not followed at all, so this shows nothing"


@pytest.mark.parametrize("way", ["another", *REDIRECTS])
async def test_a_refresh_token_is_sent_to_no_other_provider(tmp_path: Path, way: str) -> None:
    async with two_servers(tmp_path) as two:
        two.a.tells = False
        two.a.modes["later"] = "ok"
        two.a.issued |= {name: two.secret(f"issued {name}") for name in ("access", "refresh")}
        clients = LocalOAuthClients(two.local.engine)
        await clients.set("oauth_stub", "weft", two.secret("client secret"), two.a.url)
        config: Json = {"provider_url": two.a.at("later"), "api_url": two.a.at("ok")}
        # What A issues lives so shortly that it is refreshed before each use.
        auth = two.auth("oauth_token", seconds=30)
        made = await two.local.connect(config, short_name="oauth_stub", auth=auth)
        assert {"old refresh", "client secret", "issued access"} <= two.at_a()
        heard = len(two.a.heard())
        if way == "another":
            # The API stays where it was: only whoever issues tokens is another one.
            change = ConnectionChange(config={"provider_url": two.b.at("ok")})
            made = await two.local.backend.connections.update(made.id, change)
            assert made.status is ConnectionStatus.NEEDS_REAUTH
        else:
            two.a.modes["later"] = way
        await two.tried(made)
        assert not two.at_b()
        if way != "another":
            assert "issued refresh" in two.canaries.found(two.a.heard()[heard:])


@pytest.mark.parametrize("method", ["direct", "oauth_token"])
async def test_another_github_that_the_operator_sets_gets_no_stored_token(
    tmp_path: Path, method: str
) -> None:
    token = "personal_access_token"
    async with two_servers(tmp_path, github_api_url="{a}") as two:
        auth = two.auth(method)
        if method == "direct":
            given: Json = {token: two.secret("old token")}
            auth = Auth(direct=DirectAuth(credentials=given))
        made = await two.local.connect(
            config_at("github", two.a.url), short_name="github", auth=auth
        )
        assert two.at_a()
        engine = two.local.engine
        options = {"github_api_url": two.b.url}
        object.__setattr__(
            engine, "context", SourceContext(http=engine.context.http, options=options)
        )
        await two.tried(made)
        assert not two.at_b()
        found = await two.local.backend.connections.get(made.id)
        assert found.status is ConnectionStatus.NEEDS_REAUTH


@pytest.mark.parametrize(
    "trick",
    [
        "http://127.0.0.1:{a}@127.0.0.1:{b}/m-ok",
        "http://127.0.0.1:{a}\\@127.0.0.1:{b}/m-ok",
        "http://127.0.0.1:{b}/m-ok?http://127.0.0.1:{a}",
        "http://127.0.0.1:{b}/m-ok#@127.0.0.1:{a}",
        "http://127.0.0.1:{b}\t/m-ok",
        "//127.0.0.1:{b}/m-ok",
        "http:127.0.0.1:{b}/m-ok",
        "http:///127.0.0.1:{b}/m-ok",
        "http://[::ffff:127.0.0.1]:{b}/m-ok",
        "http://127.1:{b}/m-ok",
        "http://127.0.0.1:{a}.:{b}/m-ok",
    ],
)
@pytest.mark.parametrize(("short_name", "method"), CASES)
async def test_no_spelling_of_an_address_passes_b_for_a(
    tmp_path: Path, short_name: str, method: str, trick: str
) -> None:
    async with two_servers(tmp_path) as two:
        connections = two.local.backend.connections
        made = await two.local.connect(
            config_at(short_name, two.a.url), short_name=short_name, auth=two.auth(method)
        )
        ports = {"a": two.a.url.rpartition(":")[2], "b": two.b.url.rpartition(":")[2]}
        place = trick.format(**ports)
        field = "repo" if short_name == "git" else "provider_url"
        change = ConnectionChange(config={field: f"{place}/r.git"})
        with suppress(WeftError):  # It may be refused, and the connection is as it was.
            made = await connections.update(made.id, change)
        await two.tried(made)
        assert not two.at_b()


async def test_a_schedule_does_not_send_a_secret_to_a_moved_endpoint(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as two:
        made = await two.local.connect(
            config_at("git", two.a.url), short_name="git", auth=two.auth("git")
        )
        change = ConnectionChange.model_validate(
            {"config": config_at("git", two.b.url), "schedule": {"cron": "* * * * *"}}
        )
        moved = await two.local.backend.connections.update(made.id, change)
        later = datetime.now(UTC) + timedelta(minutes=5)
        await fire_due(replace(two.local.engine, clock=lambda: later))
        jobs = await two.local.backend.jobs.list(made.id)
        for job in jobs.items:
            await two.local.ended(job)
        assert moved.status is ConnectionStatus.NEEDS_REAUTH
        assert not two.at_b()


async def test_an_operators_client_and_secret_go_to_their_own_origin_only(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as two:
        with pytest.raises(WeftError):
            await two.local.connect(
                config_at("oauth_stub", two.b.url),
                short_name="oauth_stub",
                auth=Auth.model_validate({"oauth_browser": {}}),
            )
        assert not two.b.heard()


ACCOUNT: Json = {"account_id": "m-ok"}
FIELDS = ("provider_url", "api_url")


def provided() -> Auth:
    """What the account "one" keeps."""
    auth = AuthProviderAuth(provider_readable_id="one", provider_config=ACCOUNT)
    return Auth(auth_provider=auth)


async def account(two: Two, *hosts: str, **options: str) -> None:
    """The operator's account at A, in place of any, whose tokens may go to these hosts."""
    two.a.issued["provided"] = two.secret("provided")
    known = LocalAuthProviders(two.local.engine)
    with suppress(NotFound):
        await known.remove(LOCAL_ORGANIZATION_ID, "one")
    key, given = two.secret("key"), {"base_url": two.a.url} | options
    await known.add(LOCAL_ORGANIZATION_ID, "composio", "one", {"api_key": key}, given, hosts)


async def test_what_an_account_keeps_goes_to_no_host_that_a_configuration_names(
    tmp_path: Path,
) -> None:
    async with two_servers(tmp_path) as two:
        await account(two)
        config = config_at("oauth_stub", two.b.url)
        with pytest.raises(NotPermitted, match="--host") as caught:
            await two.local.connect(config, short_name="oauth_stub", auth=provided())
        assert "operator" in str(caught.value)
        assert caught.value.field == "auth.auth_provider"
        assert not two.a.heard(), "the account was asked before it was refused"
        assert not two.b.heard()
        (entry, *_) = await two.local.engine.store.audit.list(
            connection_id=None, since=None, limit=1
        )
        assert (entry.target_kind, entry.target_id) == ("auth_provider", "one")


async def test_what_an_account_keeps_goes_where_the_operator_allows(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as two:
        await account(two, two.a.url, two.b.url)
        config = config_at("oauth_stub", two.b.url)
        made = await two.local.connect(config, short_name="oauth_stub", auth=provided())
        assert two.at_b() == {"provided"}
        job = await two.local.synced(made)
        assert job.status is JobStatus.COMPLETED


@pytest.mark.parametrize("field", FIELDS)
async def test_an_account_is_not_led_away_by_a_change(tmp_path: Path, field: str) -> None:
    async with two_servers(tmp_path) as two:
        await account(two, two.a.url)
        connections, authorization = two.local.backend.connections, two.local.backend.authorization
        assert authorization is not None
        config = config_at("oauth_stub", two.a.url)
        made = await two.local.connect(config, short_name="oauth_stub", auth=provided())
        heard = len(two.a.heard())
        change = ConnectionChange(config={field: two.b.at("ok")}, auth=provided())
        with pytest.raises(NotPermitted, match="--host"):
            await connections.update(made.id, change)
        moved = await connections.update(made.id, ConnectionChange(config={field: two.b.at("ok")}))
        with pytest.raises(NotPermitted, match="--host"):
            await authorization.authorize(moved.id, provided())
        await two.tried(moved)
        assert len(two.a.heard()) == heard
        assert not two.b.heard()


async def test_a_host_that_is_no_longer_allowed_is_refused_before_the_account_is_asked(
    tmp_path: Path,
) -> None:
    async with two_servers(tmp_path) as two:
        await account(two, two.b.url)
        config = config_at("oauth_stub", two.b.url)
        made = await two.local.connect(config, short_name="oauth_stub", auth=provided())
        await account(two, two.a.url)
        heard = len(two.a.heard()), len(two.b.heard())
        job = await two.local.synced(made)
        assert (job.status, job.error_category) == (JobStatus.FAILED, ErrorCategory.ACCESS_DENIED)
        assert "--host" in str(job.error_details)
        assert not (await two.local.backend.connections.check(made.id)).ok
        assert (len(two.a.heard()), len(two.b.heard())) == heard
        # It is the operator's to allow it again; nobody has to authorise anew.
        await account(two, two.b.url)
        assert (await two.local.synced(made)).status is JobStatus.COMPLETED


async def test_allowed_hosts_that_were_edited_in_the_file_open_nothing(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as two:
        await account(two, two.a.url)
        two.local.rows("UPDATE auth_provider SET hosts = ?", json.dumps([two.b.url]))
        config = config_at("oauth_stub", two.b.url)
        with pytest.raises(AuthenticationFailed):
            await two.local.connect(config, short_name="oauth_stub", auth=provided())
        assert not two.a.heard()
        assert not two.b.heard()


async def test_a_source_whose_endpoint_is_the_operators_needs_no_host(tmp_path: Path) -> None:
    async with two_servers(tmp_path, github_api_url="{b}") as two:
        await account(two, **{"app:github": "oauth_stub"})
        config = config_at("github", two.b.url)
        made = await two.local.connect(config, short_name="github", auth=provided())
        assert made.status is ConnectionStatus.ACTIVE
        assert two.at_b() == {"provided"}


@pytest.mark.parametrize(
    "trick",
    [
        "http://127.0.0.1:{a}@127.0.0.1:{b}/m-ok",
        "http://127.0.0.1:{a}\\@127.0.0.1:{b}/m-ok",
        "http://127.0.0.1:{b}\\@127.0.0.1:{a}/m-ok",
        "http://127.0.0.1:{b}/m-ok#@127.0.0.1:{a}",
        "http://127.0.0.1:{b}?@127.0.0.1:{a}/m-ok",
        "http://localhost.:{b}/m-ok",
        "HTTP://LOCALHOST:{b}/m-ok",
        "http://[::ffff:127.0.0.1]:{b}/m-ok",
        "http://127.0.0.1:{b}\t/m-ok",
        "http://127\u30020.0.1:{b}/m-ok",
    ],
)
async def test_no_spelling_passes_b_for_a_host_that_is_allowed(tmp_path: Path, trick: str) -> None:
    async with two_servers(tmp_path) as two:
        await account(two, two.a.url, f"http://localhost:{two.a.url.rpartition(':')[2]}")
        ports = {"a": two.a.url.rpartition(":")[2], "b": two.b.url.rpartition(":")[2]}
        config: Json = {"provider_url": two.a.at("ok"), "api_url": trick.format(**ports)}
        with suppress(WeftError):  # Some lead to A indeed, and then nothing is wrong.
            await two.tried(
                await two.local.connect(config, short_name="oauth_stub", auth=provided())
            )
        assert not two.at_b()


@pytest.mark.parametrize("method", ["oauth_browser", "oauth_token"])
async def test_an_operators_client_gets_no_token_for_a_host_that_a_configuration_names(
    tmp_path: Path, method: str
) -> None:
    async with two_servers(tmp_path) as two:
        two.a.issued |= {name: two.secret(f"issued {name}") for name in ("access", "refresh")}
        clients = LocalOAuthClients(two.local.engine)
        secret = two.secret("client secret")
        await clients.set("oauth_stub", "weft", secret, two.a.url)
        config: Json = {"provider_url": two.a.at("ok"), "api_url": two.b.at("ok")}
        auth = Auth.model_validate({"oauth_browser": {}})
        if method == "oauth_token":
            auth = two.auth("oauth_token", seconds=30)
        with pytest.raises(NotPermitted, match="--host") as caught:
            await two.local.connect(config, short_name="oauth_stub", auth=auth)
        assert "weft oauth-clients set oauth_stub" in str(caught.value.hint)
        assert not two.a.heard()
        assert not two.b.heard()
        await clients.set("oauth_stub", "weft", secret, two.a.url, [two.b.url])
        made = await two.local.connect(config, short_name="oauth_stub", auth=auth)
        if method == "oauth_token":
            assert made.status is ConnectionStatus.ACTIVE
            assert two.at_b() == {"issued access"}


async def test_a_token_of_the_operators_client_is_not_renewed_for_a_host_no_longer_allowed(
    tmp_path: Path,
) -> None:
    async with two_servers(tmp_path) as two:
        clients = LocalOAuthClients(two.local.engine)
        secret = two.secret("client secret")
        await clients.set("oauth_stub", "weft", secret, two.a.url, [two.b.url])
        config: Json = {"provider_url": two.a.at("ok"), "api_url": two.b.at("ok")}
        auth = two.auth("oauth_token", seconds=30)
        made = await two.local.connect(config, short_name="oauth_stub", auth=auth)
        await clients.set("oauth_stub", "weft", secret, two.a.url)
        heard = len(two.a.heard()), len(two.b.heard())
        job = await two.local.synced(made)
        assert (job.status, job.error_category) == (JobStatus.FAILED, ErrorCategory.ACCESS_DENIED)
        assert (len(two.a.heard()), len(two.b.heard())) == heard
        await clients.set("oauth_stub", "weft", secret, two.a.url, [two.b.url])
        assert (await two.local.synced(made)).status is JobStatus.COMPLETED


async def test_web_takes_no_credentials() -> None:
    assert not WebSource.info().auth_fields
