"""The `github` source when GitHub fails, refuses or limits it."""

from collections.abc import Callable

import pytest

from tests.support.sources.github import (
    FILES,
    NOW,
    TOKEN,
    FakeGitHub,
    cursor_of,
    entities,
    failing,
    ids,
    serve_github,
    sha_of,
)
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
)
from weft.net.http_factory import HttpFactory
from weft.sources.base import Checkpoint, Failed
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json, redirect, serve

pytestmark = pytest.mark.anyio

# Failures


async def test_failing_blob_does_not_stop_the_sync_and_holds_the_cursor(http: HttpFactory) -> None:
    hub = FakeGitHub(dict(FILES))
    hub.interfere = failing(sha_of(FILES["README.md"]), HttpReply(500))
    async with serve_github(http, hub) as at:
        events = await at.fetch()
    assert ids(events, Failed) == ["me/repo/blob/README.md"]
    assert len(entities(events, "file")) == 2
    assert not [e for e in events if isinstance(e, Checkpoint)]


@pytest.mark.parametrize(
    "wrong", [b"<html>Unicorn!</html>", b"{}", b"[]", b"", FILES["README.md"][:-1]]
)
async def test_wrong_content_is_a_gap_that_the_next_sync_heals(
    http: HttpFactory, wrong: bytes
) -> None:
    hub = FakeGitHub(dict(FILES))
    hub.interfere = failing(sha_of(FILES["README.md"]), HttpReply(body=wrong))
    async with serve_github(http, hub) as at:
        events = await at.fetch()
        assert ids(events, Failed) == ["me/repo/blob/README.md"]
        assert not [e for e in events if isinstance(e, Checkpoint)]
        hub.interfere = lambda _asked: None
        healed = await at.fetch()
    texts = {e.id: e.text for e in entities(healed, "file")}
    assert texts["me/repo/blob/README.md"] == FILES["README.md"].decode()
    assert cursor_of(healed)


async def test_unavailable_repository_is_not_an_empty_one(http: HttpFactory) -> None:
    hub = FakeGitHub(empty=True)
    async with serve_github(http, hub) as at:
        assert await at.source().check() == "me/repo, an empty repository"
        unavailable = as_json({"message": "Git Repository is unavailable."}, 409)
        hub.interfere = failing("/commits", unavailable)
        with pytest.raises(SourceUnavailable, match="unavailable"):
            await at.fetch()


async def test_dead_upstream_stops_the_sync(http: HttpFactory) -> None:
    hub = FakeGitHub({f"{n:03}.txt": str(n).encode() for n in range(40)})
    hub.interfere = failing("/git/blobs/", HttpReply(500))
    async with serve_github(http, hub) as at:
        with pytest.raises(SourceUnavailable, match="in a row"):
            await at.fetch()


async def test_token_revoked_during_the_sync_raises(http: HttpFactory) -> None:
    hub = FakeGitHub(dict(FILES))
    hub.interfere = failing("/git/blobs/", as_json({"message": "Bad credentials"}, 401))
    async with serve_github(http, hub) as at:
        with pytest.raises(AuthenticationFailed):
            await at.fetch()


async def test_failing_tree_raises_and_deletes_nothing(http: HttpFactory) -> None:
    for reply in (
        HttpReply(502),
        HttpReply(body=b"{}"),
        as_json({"tree": [{"path": 1}]}),
        HttpReply(drop=True),
    ):
        hub = FakeGitHub(dict(FILES), interfere=failing("/git/trees/", reply))
        async with serve_github(http, hub) as at:
            with pytest.raises(SourceUnavailable):
                await at.fetch()


async def test_check_names_what_is_wrong(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub()) as at:
        assert await at.source().check() == "me/repo, branch main"
        with pytest.raises(AuthenticationFailed) as refused:
            await at.source(token="wrong").check()
        assert TOKEN not in str(refused.value)
        with pytest.raises(SourceMisconfigured) as missing:
            await at.source(repo_name="me/other").check()
        assert missing.value.field == "repo_name"
        with pytest.raises(SourceMisconfigured) as unknown:
            await at.source(branch="nope").check()
        assert unknown.value.field == "branch"
        at.hub.interfere = lambda _asked: as_json({"message": TOKEN}, 403, x_github_sso="required")
        with pytest.raises(AccessDenied, match="single sign-on") as denied:
            await at.source().check()
        assert TOKEN not in str(denied.value)


async def test_token_does_not_follow_a_redirect_to_another_host(http: HttpFactory) -> None:
    async with serve(lambda _asked: as_json({})) as other, serve_github(http, FakeGitHub()) as at:
        at.hub.interfere = lambda _asked: redirect(f"{other.url}/repos/me/repo")
        with pytest.raises((SourceUnavailable, SourceMisconfigured)):
            await at.source().check()
    assert other.requests
    assert all("authorization" not in asked.headers for asked in other.requests)


# Rate limits


def rate_limit_reply(**headers: str) -> HttpReply:
    return as_json({"message": "API rate limit exceeded"}, 403, **headers)


def once(reply: HttpReply) -> Callable[[HttpRequest], HttpReply | None]:
    left = [reply]
    return lambda _asked: left.pop() if left else None


@pytest.mark.parametrize(
    ("headers", "slept"),
    [
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(NOW) + 20)}, 21.0),
        ({"retry_after": "5"}, 5.0),
        ({}, 60.0),
    ],
)
async def test_short_rate_limit_is_slept(
    http: HttpFactory, headers: dict[str, str], slept: float
) -> None:
    async with serve_github(http, FakeGitHub(interfere=once(rate_limit_reply(**headers)))) as at:
        await at.source().check()
        assert at.sleeps == [slept]


@pytest.mark.parametrize("status", [403, 429])
async def test_long_rate_limit_is_reported(http: HttpFactory, status: int) -> None:
    reset = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(NOW) + 1800)}
    reply = as_json({"message": "API rate limit exceeded"}, status, **reset)
    async with serve_github(http, FakeGitHub(interfere=lambda _asked: reply)) as at:
        with pytest.raises(RateLimited) as caught:
            await at.source().check()
        assert at.sleeps == []
    assert caught.value.retry_after == 1801
