"""Tokens of the operator's account or client go only to hosts that the operator has allowed.

The account is at A, whose tokens a connection's configuration would lead to B.
"""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.secrets.two_servers import TwoServers, config_at, open_two_servers
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.domain.base import Json
from weft.domain.connections import Auth, AuthProviderAuth, ConnectionChange, ConnectionStatus
from weft.domain.jobs import JobStatus
from weft.errors import AuthenticationFailed, ErrorCategory, NotFound, NotPermitted, WeftError
from weft.local.auth.oauth_clients import LocalOAuthClients
from weft.local.auth.providers import LocalAuthProviders

pytestmark = pytest.mark.anyio

ACCOUNT: Json = {"account_id": "m-ok"}
FIELDS = ("provider_url", "api_url")


def auth_from_provider() -> Auth:
    """Refer to the account "one"."""
    auth = AuthProviderAuth(provider_readable_id="one", provider_config=ACCOUNT)
    return Auth(auth_provider=auth)


async def add_account(two: TwoServers, *hosts: str, **options: str) -> None:
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
    async with open_two_servers(tmp_path) as two:
        await add_account(two)
        config = config_at("oauth_stub", two.b.url)
        with pytest.raises(NotPermitted, match="--host") as caught:
            await two.local.connect(config, short_name="oauth_stub", auth=auth_from_provider())
        assert "operator" in str(caught.value)
        assert caught.value.field == "auth.auth_provider"
        assert not two.a.list_received(), "the account was asked before it was refused"
        assert not two.b.list_received()
        (entry, *_) = await two.local.engine.store.audit.list(
            connection_id=None, since=None, limit=1
        )
        assert (entry.target_kind, entry.target_id) == ("auth_provider", "one")


async def test_what_an_account_keeps_goes_where_the_operator_allows(tmp_path: Path) -> None:
    async with open_two_servers(tmp_path) as two:
        await add_account(two, two.a.url, two.b.url)
        config = config_at("oauth_stub", two.b.url)
        made = await two.local.connect(config, short_name="oauth_stub", auth=auth_from_provider())
        assert two.at_b() == {"provided"}
        job = await two.local.sync(made)
        assert job.status is JobStatus.COMPLETED


@pytest.mark.parametrize("field", FIELDS)
async def test_an_account_is_not_led_away_by_a_change(tmp_path: Path, field: str) -> None:
    async with open_two_servers(tmp_path) as two:
        await add_account(two, two.a.url)
        connections, authorization = two.local.backend.connections, two.local.backend.authorization
        assert authorization is not None
        config = config_at("oauth_stub", two.a.url)
        made = await two.local.connect(config, short_name="oauth_stub", auth=auth_from_provider())
        heard = len(two.a.list_received())
        change = ConnectionChange(config={field: two.b.at("ok")}, auth=auth_from_provider())
        with pytest.raises(NotPermitted, match="--host"):
            await connections.update(made.id, change)
        moved = await connections.update(made.id, ConnectionChange(config={field: two.b.at("ok")}))
        with pytest.raises(NotPermitted, match="--host"):
            await authorization.authorize(moved.id, auth_from_provider())
        await two.use_everywhere(moved)
        assert len(two.a.list_received()) == heard
        assert not two.b.list_received()


async def test_a_host_that_is_no_longer_allowed_is_refused_before_the_account_is_asked(
    tmp_path: Path,
) -> None:
    async with open_two_servers(tmp_path) as two:
        await add_account(two, two.b.url)
        config = config_at("oauth_stub", two.b.url)
        made = await two.local.connect(config, short_name="oauth_stub", auth=auth_from_provider())
        await add_account(two, two.a.url)
        heard = len(two.a.list_received()), len(two.b.list_received())
        job = await two.local.sync(made)
        assert (job.status, job.error_category) == (JobStatus.FAILED, ErrorCategory.ACCESS_DENIED)
        assert "--host" in str(job.error_details)
        assert not (await two.local.backend.connections.check(made.id)).ok
        assert (len(two.a.list_received()), len(two.b.list_received())) == heard
        # It is the operator's to allow it again; nobody has to authorise anew.
        await add_account(two, two.b.url)
        assert (await two.local.sync(made)).status is JobStatus.COMPLETED


async def test_allowed_hosts_that_were_edited_in_the_file_open_nothing(tmp_path: Path) -> None:
    async with open_two_servers(tmp_path) as two:
        await add_account(two, two.a.url)
        two.local.rows("UPDATE auth_provider SET hosts = ?", json.dumps([two.b.url]))
        config = config_at("oauth_stub", two.b.url)
        with pytest.raises(AuthenticationFailed):
            await two.local.connect(config, short_name="oauth_stub", auth=auth_from_provider())
        assert not two.a.list_received()
        assert not two.b.list_received()


async def test_a_source_whose_endpoint_is_the_operators_needs_no_host(tmp_path: Path) -> None:
    async with open_two_servers(tmp_path, github_api_url="{b}") as two:
        await add_account(two, **{"app:github": "oauth_stub"})
        config = config_at("github", two.b.url)
        made = await two.local.connect(config, short_name="github", auth=auth_from_provider())
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
    async with open_two_servers(tmp_path) as two:
        await add_account(two, two.a.url, f"http://localhost:{two.a.url.rpartition(':')[2]}")
        ports = {"a": two.a.url.rpartition(":")[2], "b": two.b.url.rpartition(":")[2]}
        config: Json = {"provider_url": two.a.at("ok"), "api_url": trick.format(**ports)}
        with suppress(WeftError):  # Some lead to A indeed, and then nothing is wrong.
            await two.use_everywhere(
                await two.local.connect(config, short_name="oauth_stub", auth=auth_from_provider())
            )
        assert not two.at_b()


@pytest.mark.parametrize("method", ["oauth_browser", "oauth_token"])
async def test_an_operators_client_gets_no_token_for_a_host_that_a_configuration_names(
    tmp_path: Path, method: str
) -> None:
    async with open_two_servers(tmp_path) as two:
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
        assert not two.a.list_received()
        assert not two.b.list_received()
        await clients.set("oauth_stub", "weft", secret, two.a.url, [two.b.url])
        made = await two.local.connect(config, short_name="oauth_stub", auth=auth)
        if method == "oauth_token":
            assert made.status is ConnectionStatus.ACTIVE
            assert two.at_b() == {"issued access"}


async def test_a_token_of_the_operators_client_is_not_renewed_for_a_host_no_longer_allowed(
    tmp_path: Path,
) -> None:
    async with open_two_servers(tmp_path) as two:
        clients = LocalOAuthClients(two.local.engine)
        secret = two.secret("client secret")
        await clients.set("oauth_stub", "weft", secret, two.a.url, [two.b.url])
        config: Json = {"provider_url": two.a.at("ok"), "api_url": two.b.at("ok")}
        auth = two.auth("oauth_token", seconds=30)
        made = await two.local.connect(config, short_name="oauth_stub", auth=auth)
        await clients.set("oauth_stub", "weft", secret, two.a.url)
        heard = len(two.a.list_received()), len(two.b.list_received())
        job = await two.local.sync(made)
        assert (job.status, job.error_category) == (JobStatus.FAILED, ErrorCategory.ACCESS_DENIED)
        assert (len(two.a.list_received()), len(two.b.list_received())) == heard
        await clients.set("oauth_stub", "weft", secret, two.a.url, [two.b.url])
        assert (await two.local.sync(made)).status is JobStatus.COMPLETED


async def test_an_operators_client_and_secret_go_to_their_own_origin_only(tmp_path: Path) -> None:
    async with open_two_servers(tmp_path) as two:
        with pytest.raises(WeftError):
            await two.local.connect(
                config_at("oauth_stub", two.b.url),
                short_name="oauth_stub",
                auth=Auth.model_validate({"oauth_browser": {}}),
            )
        assert not two.b.list_received()
