"""Secrets that were given for one endpoint go to no other, however a connection is moved there.

Credentials are given for A, and then the connection, or A itself by redirects, leads to B: no
request there may hold a run of a secret. Only what is given anew for B reaches B, and the old
secret nobody.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.secrets.two_servers import NEW, config_at, open_two_servers
from weft.domain.base import Json
from weft.domain.connections import Auth, ConnectionChange, ConnectionStatus, DirectAuth
from weft.errors import WeftError
from weft.local.auth.oauth_clients import LocalOAuthClients
from weft.local.jobs.scheduler import fire_due
from weft.sources.base import SourceContext
from weft.sources.web.source import WebSource

pytestmark = pytest.mark.anyio

REDIRECTS = ("moved", "moved-308", "moved-302")
CASES = [("git", "git"), ("oauth_stub", "direct"), ("oauth_stub", "oauth_token")]


@pytest.mark.parametrize(("short_name", "method"), CASES)
@pytest.mark.parametrize("way", ["plain", "localhost", "trailing dot", "upper case", "back again"])
async def test_a_moved_endpoint_gets_nothing_until_it_is_given_anew(
    tmp_path: Path, short_name: str, method: str, way: str
) -> None:
    async with open_two_servers(tmp_path) as two:
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
        await two.use_everywhere(moved)
        if way == "back again":
            # Credentials that were dropped do not come back with the endpoint.
            heard = len(two.a.list_received())
            change = ConnectionChange(config=config_at(short_name, two.a.url))
            moved = await connections.update(made.id, change)
            await two.use_everywhere(moved)
            assert not moved.auth.authenticated
            assert not two.canaries.find(two.a.list_received()[heard:])
            return
        assert not two.at_b()
        if way != "plain":
            return
        authorization = two.local.backend.authorization
        assert authorization is not None
        before = len(two.a.list_received())
        again = await authorization.authorize(made.id, two.auth(method, NEW))
        assert again.status is ConnectionStatus.ACTIVE
        await two.use_everywhere(again)
        assert two.at_b()
        assert not two.old_at_b()
        assert not two.canaries.find(two.a.list_received()[before:])


@pytest.mark.parametrize(
    "path",
    [
        *("/m-ok/other.git", "//m-ok/r.git", "/m-ok/R.git", "/m-ok/r.git/x", "/m-ok%2Fr.git"),
        *("/m-ok/r.git/../other.git", "/m-ok/%72.git", "/m-later/r.git"),
    ],
)
async def test_a_token_of_one_repository_reaches_no_other_of_its_host(
    tmp_path: Path, path: str
) -> None:
    async with open_two_servers(tmp_path) as two:
        made = await two.local.connect(
            config_at("git", two.a.url), short_name="git", auth=two.auth("git")
        )
        assert two.at_a()
        heard = len(two.a.list_received())
        change = ConnectionChange(config={"repo": f"{two.a.url}{path}"})
        moved = await two.local.backend.connections.update(made.id, change)
        assert moved.status is ConnectionStatus.NEEDS_REAUTH
        await two.use_everywhere(moved)
        assert not two.canaries.find(two.a.list_received()[heard:])


async def test_a_repository_keeps_its_token_when_only_its_branch_or_suffix_changes(
    tmp_path: Path,
) -> None:
    async with open_two_servers(tmp_path) as two:
        made = await two.local.connect(
            config_at("git", two.a.url), short_name="git", auth=two.auth("git")
        )
        changes: list[Json] = [{"branch": "main"}, {"repo": f"{two.a.url}/m-ok/../m-ok/r"}]
        for config in changes:
            with suppress(WeftError):  # The echo serves no branch; its answer is about that.
                await two.local.backend.connections.update(made.id, ConnectionChange(config=config))
            found = await two.local.backend.connections.get(made.id)
            assert found.auth.authenticated


@pytest.mark.parametrize("mode", REDIRECTS)
@pytest.mark.parametrize(("short_name", "method"), CASES)
async def test_a_redirect_takes_no_secret_along(
    tmp_path: Path, short_name: str, method: str, mode: str
) -> None:
    async with open_two_servers(tmp_path) as two:
        two.a.modes["later"] = "ok"
        two.a.tells = False
        made = await two.local.connect(
            config_at(short_name, two.a.url, "later"), short_name=short_name, auth=two.auth(method)
        )
        two.a.modes["later"] = mode
        await two.use_everywhere(made)
        assert two.at_a()
        assert not two.at_b()
        if method == "direct" or mode == "moved-302":
            assert two.b.list_received(), (
                "the redirect was not followed at all, so this shows nothing"
            )


@pytest.mark.parametrize("way", ["another", *REDIRECTS])
async def test_a_refresh_token_is_sent_to_no_other_provider(tmp_path: Path, way: str) -> None:
    async with open_two_servers(tmp_path) as two:
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
        heard = len(two.a.list_received())
        if way == "another":
            # The API stays where it was: only whoever issues tokens is another one.
            change = ConnectionChange(config={"provider_url": two.b.at("ok")})
            made = await two.local.backend.connections.update(made.id, change)
            assert made.status is ConnectionStatus.NEEDS_REAUTH
        else:
            two.a.modes["later"] = way
        await two.use_everywhere(made)
        assert not two.at_b()
        if way != "another":
            assert "issued refresh" in two.canaries.find(two.a.list_received()[heard:])


@pytest.mark.parametrize("method", ["direct", "oauth_token"])
async def test_another_github_that_the_operator_sets_gets_no_stored_token(
    tmp_path: Path, method: str
) -> None:
    token = "personal_access_token"
    async with open_two_servers(tmp_path, github_api_url="{a}") as two:
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
        await two.use_everywhere(made)
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
    async with open_two_servers(tmp_path) as two:
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
        await two.use_everywhere(made)
        assert not two.at_b()


async def test_a_schedule_does_not_send_a_secret_to_a_moved_endpoint(tmp_path: Path) -> None:
    async with open_two_servers(tmp_path) as two:
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
            await two.local.wait_for_end(job)
        assert moved.status is ConnectionStatus.NEEDS_REAUTH
        assert not two.at_b()


async def test_web_takes_no_credentials() -> None:
    assert not WebSource.info().auth_fields
