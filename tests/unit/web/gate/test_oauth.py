"""Access tokens: only those of the issuer, for us, in time and with the scopes are accepted."""

import base64
import gzip
import json
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.support.oauth.issuer import AUDIENCE, Issuer, new_key, serve_issuer
from tests.support.patience import PATIENCE_SECONDS
from tests.support.proxies import set_proxies
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID, Role
from weft.errors import InvalidInput, NotPermitted, SourceUnavailable
from weft.testing.scripted_http import HttpReply, HttpRequest, serve
from weft.web.gate.oauth import OAuthSettings, OAuthTokens

pytestmark = pytest.mark.anyio


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def issuer() -> AsyncGenerator[Issuer]:
    async with serve_issuer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(issuer: Issuer) -> OAuthSettings:
    return OAuthSettings(
        issuer=issuer.url,
        audience=AUDIENCE,
        scopes=frozenset({"use"}),
        organization_claim="org_id",
        resource_url=AUDIENCE,
    )


@pytest.fixture
def tokens(settings: OAuthSettings, clock: Clock) -> OAuthTokens:
    return OAuthTokens(settings, clock)


async def test_a_good_token_lets_its_subject_in(issuer: Issuer, tokens: OAuthTokens) -> None:
    principal = await tokens.authenticate(issuer.token())
    assert principal is not None
    assert (principal.name, principal.role) == ("oauth:ada", Role.WRITE)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example"},
        {"aud": None},
        {"iss": "https://other.example"},
        {"exp": int(time.time()) - 600},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 86_400},
        {"sub": None},
    ],
)
async def test_a_token_that_is_not_for_us_now_is_refused(
    issuer: Issuer, tokens: OAuthTokens, claims: dict[str, Any]
) -> None:
    assert await tokens.authenticate(issuer.token(**claims)) is None


async def test_a_token_that_others_signed_is_refused(issuer: Issuer, tokens: OAuthTokens) -> None:
    assert await tokens.authenticate(issuer.token(key=new_key("first"))) is None
    header, payload, signature = issuer.token().split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    for forged in (
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        "..",
        "a.b.c",
        "no token",
    ):
        assert await tokens.authenticate(forged) is None
    # The public key is known to everyone, so it must not pass for a shared secret.
    secret = OctKey.import_key(json.dumps(issuer.key.as_dict(private=False)))
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 600}
    shared = jwt.encode({"alg": "HS256", "kid": "first"}, claims, secret, algorithms=["HS256"])
    assert await tokens.authenticate(shared) is None


async def test_a_missing_scope_is_named(issuer: Issuer, tokens: OAuthTokens) -> None:
    with pytest.raises(NotPermitted, match="'use'"):
        await tokens.authenticate(issuer.token(scope="weft:admin"))


@pytest.mark.parametrize(
    ("scope", "role"),
    [
        ("use", Role.READ),
        ("use weft:read", Role.READ),
        ("use weft:write weft:read", Role.WRITE),
        ("weft:admin use", Role.ADMIN),
        (["use", "weft:admin"], Role.ADMIN),
    ],
)
async def test_scopes_give_the_role(
    issuer: Issuer, tokens: OAuthTokens, scope: object, role: Role
) -> None:
    principal = await tokens.authenticate(issuer.token(scope=scope))
    assert principal is not None
    assert principal.role is role


async def test_organisations_are_the_issuers_and_never_the_operators(
    issuer: Issuer, tokens: OAuthTokens
) -> None:
    async def organization(**claims: Any) -> str:
        principal = await tokens.authenticate(issuer.token(**claims))
        assert principal is not None
        return principal.organization_id

    shared = await organization(sub="ada", org_id="team")
    assert shared == await organization(sub="bob", org_id="team")
    alone = {await organization(sub="ada"), await organization(sub="bob")}
    assert len(alone | {shared}) == 3
    assert await organization(org_id=LOCAL_ORGANIZATION_ID) != LOCAL_ORGANIZATION_ID


async def test_a_subject_that_is_no_plain_name_is_not_shown(
    issuer: Issuer, tokens: OAuthTokens
) -> None:
    principal = await tokens.authenticate(issuer.token(sub="two\nlines"))
    assert principal is not None
    assert "lines" not in principal.name


async def test_new_keys_of_the_issuer_are_fetched_but_not_at_every_bad_token(
    issuer: Issuer, tokens: OAuthTokens, clock: Clock
) -> None:
    assert await tokens.authenticate(issuer.token()) is not None
    assert issuer.site is not None
    issuer.key = new_key("second")
    asked = len(issuer.site.requests)
    for _ in range(5):
        assert await tokens.authenticate(issuer.token()) is None
    assert len(issuer.site.requests) == asked
    clock.now += 60
    assert await tokens.authenticate(issuer.token()) is not None


async def test_an_issuer_that_is_down_is_no_verdict_on_the_token(
    issuer: Issuer, tokens: OAuthTokens, clock: Clock
) -> None:
    issuer.up = False
    with pytest.raises(SourceUnavailable):
        await tokens.authenticate(issuer.token())
    issuer.up = True
    clock.now += 60
    assert await tokens.authenticate(issuer.token()) is not None


async def test_keys_that_are_known_serve_while_the_issuer_is_down(
    issuer: Issuer, tokens: OAuthTokens, clock: Clock
) -> None:
    assert await tokens.authenticate(issuer.token()) is not None
    issuer.up = False
    clock.now += 7200
    assert await tokens.authenticate(issuer.token()) is not None


async def test_nobody_waits_for_an_issuer_that_hangs(
    issuer: Issuer, settings: OAuthSettings, clock: Clock
) -> None:
    issuer.hangs = True
    with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(SourceUnavailable):
        await OAuthTokens(settings, clock, fetch_seconds=0.05).authenticate(issuer.token())
    issuer.hangs = False
    tokens = OAuthTokens(settings, clock)
    assert await tokens.authenticate(issuer.token()) is not None
    assert issuer.site is not None
    issuer.hangs = True
    clock.now += 7200
    asked = len(issuer.site.requests)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tokens.authenticate, issuer.token())
            while len(issuer.site.requests) == asked:
                await anyio.lowlevel.checkpoint()
            assert await tokens.authenticate(issuer.token()) is not None
            tasks.cancel_scope.cancel()


async def test_metadata_of_another_issuer_is_not_believed(
    issuer: Issuer, tokens: OAuthTokens
) -> None:
    issuer.claimed = "https://other.example"
    with pytest.raises(SourceUnavailable):
        await tokens.authenticate(issuer.token())


@pytest.mark.parametrize(
    "keys_url",
    [
        "http://evil.example/keys",
        "https://[",
        "https://",
        "ftp://x/keys",
        "",
        7,
        "https://a\ud800/",
    ],
)
async def test_keys_at_an_address_that_is_not_safe_are_no_verdict_on_the_token(
    issuer: Issuer, tokens: OAuthTokens, keys_url: object
) -> None:
    issuer.keys_url = keys_url or "x"
    with pytest.raises(SourceUnavailable):
        await tokens.authenticate(issuer.token())


@pytest.mark.parametrize(
    "keys",
    [{"keys": 1}, {"keys": [1]}, {"keys": {"a": "b"}}, {"keys": [{"kty": ["EC"]}]}, {"a": 1}, [1]],
)
async def test_keys_that_are_none_are_no_verdict_on_the_token(
    issuer: Issuer, tokens: OAuthTokens, keys: object
) -> None:
    issuer.keys = keys
    with pytest.raises(SourceUnavailable):
        await tokens.authenticate(issuer.token())


async def test_keys_that_are_packed_twice_are_not_unpacked(
    issuer: Issuer, settings: OAuthSettings
) -> None:
    # Ten kilobytes of them could become gigabytes.
    def answer(asked: HttpRequest) -> HttpReply:
        reply = issuer.answer(asked)
        reply.body = gzip.compress(gzip.compress(reply.body))
        reply.headers = {**reply.headers, "content-encoding": "gzip, gzip"}
        return reply

    async with serve(answer) as site:
        issuer.claimed, issuer.keys_url = site.url, f"{site.url}/keys"
        tokens = OAuthTokens(replace(settings, issuer=site.url))
        with pytest.raises(SourceUnavailable):
            await tokens.authenticate(issuer.token(iss=site.url))


@pytest.mark.parametrize("name", ["sub", "scope", "org_id", "nonsense"])
@pytest.mark.parametrize("depth", [100, 400, 900, 1000, 5000])
async def test_deep_claims_never_crash(
    issuer: Issuer, tokens: OAuthTokens, name: str, depth: int
) -> None:
    usual = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 600}
    claims = json.dumps({name: "DEEP"} | {k: v for k, v in usual.items() if k != name})
    token = issuer.sign(claims.replace('"DEEP"', "[" * depth + "]" * depth))
    with suppress(NotPermitted):  # The scope is missing; what counts is that nothing crashes.
        await tokens.authenticate(token)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "a\ud800"},
        {"org_id": "a\ud800"},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"nbf": 10**400},
        {"aud": {"a": 1}},
        {"aud": [7]},
        {"iss": [1]},
    ],
)
async def test_strange_claims_let_nobody_in(
    issuer: Issuer, tokens: OAuthTokens, claims: dict[str, Any]
) -> None:
    assert await tokens.authenticate(issuer.token(**claims)) is None


async def test_a_proxy_of_the_environment_never_names_the_keys_of_a_local_issuer(
    issuer: Issuer, tokens: OAuthTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(lambda _: HttpReply(200, body=b"{}")) as proxy:
        set_proxies(monkeypatch, proxy.url)
        assert await tokens.authenticate(issuer.token()) is not None
        assert proxy.requests == []


async def test_an_issuer_in_the_clear_is_refused(settings: OAuthSettings) -> None:
    with pytest.raises(InvalidInput, match="https"):
        OAuthTokens(replace(settings, issuer="http://issuer.example"))


async def test_metadata_lies_where_the_resource_says(settings: OAuthSettings) -> None:
    where = "https://weft.example/.well-known/oauth-protected-resource/mcp"
    assert settings.metadata_url == where
    assert settings.metadata()["authorization_servers"] == [settings.issuer]
