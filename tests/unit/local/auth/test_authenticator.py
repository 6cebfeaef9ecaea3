"""Drafting and checking the credentials of connections."""

from dataclasses import replace

import pytest

from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.domain.connections import (
    Auth,
    AuthMethod,
    AuthProviderAuth,
    DirectAuth,
    OAuthBrowserAuth,
    OAuthTokenAuth,
)
from weft.errors import InvalidInput, Unsupported
from weft.local.auth.authenticator import Authenticator
from weft.local.auth.draft import AuthDraft
from weft.local.engine import Engine
from weft.sources.base import AnySource
from weft.sources.registry import SourceRegistry
from weft.testing.stub import SecretStubSource, StubSource

CANARY = "s3cr3t-canary"


class ManyWays(StubSource):
    short_name = "many_ways"
    auth_methods = tuple(AuthMethod)


async def draft_auth(engine: Engine, kind: type[AnySource], auth: Auth | None) -> AuthDraft:
    return await Authenticator(engine, LOCAL_ORGANIZATION_ID).draft(kind, auth, {})


@pytest.mark.anyio
async def test_source_that_needs_no_credentials_is_ready_without(idle_engine: Engine) -> None:
    draft = await draft_auth(idle_engine, StubSource, None)
    assert (draft.method, draft.stored) == (AuthMethod.DIRECT, {})


@pytest.mark.anyio
async def test_source_that_needs_credentials_waits_for_them(idle_engine: Engine) -> None:
    draft = await draft_auth(idle_engine, SecretStubSource, None)
    assert (draft.method, draft.stored) == (AuthMethod.DIRECT, None)


@pytest.mark.anyio
async def test_given_credentials_are_validated_against_the_source(idle_engine: Engine) -> None:
    good = Auth(direct=DirectAuth(credentials={"token": CANARY}))
    assert (await draft_auth(idle_engine, SecretStubSource, good)).stored == {"token": CANARY}
    with pytest.raises(InvalidInput) as caught:
        await draft_auth(
            idle_engine, SecretStubSource, Auth(direct=DirectAuth(credentials={CANARY: 1}))
        )
    assert CANARY not in str(caught.value)


@pytest.mark.anyio
async def test_no_method_is_answered_with_all_there_are(idle_engine: Engine) -> None:
    with pytest.raises(InvalidInput) as caught:
        await draft_auth(idle_engine, StubSource, Auth())
    assert caught.value.field == "auth"
    assert all(method.value in caught.value.message for method in AuthMethod)


@pytest.mark.parametrize(
    "auth",
    [
        Auth(oauth_token=OAuthTokenAuth(access_token=CANARY)),
        Auth(oauth_browser=OAuthBrowserAuth(client_secret=CANARY)),
        Auth(auth_provider=AuthProviderAuth(provider_readable_id="composio")),
    ],
)
@pytest.mark.anyio
async def test_method_that_source_lacks_is_refused_with_those_it_has(
    idle_engine: Engine, auth: Auth
) -> None:
    with pytest.raises(Unsupported) as caught:
        await draft_auth(idle_engine, StubSource, auth)
    assert caught.value.field == "auth"
    assert auth.method.value in caught.value.message
    assert "direct" in (caught.value.hint or "")
    assert CANARY not in str(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "auth",
    [
        Auth(oauth_token=OAuthTokenAuth(access_token=CANARY)),
        Auth(oauth_browser=OAuthBrowserAuth(client_secret=CANARY)),
    ],
)
async def test_oauth_without_a_provider_is_refused_with_the_way_out(
    idle_engine: Engine, auth: Auth
) -> None:
    kinds = {"many_ways": ManyWays}
    engine = replace(idle_engine, registry=SourceRegistry([], kinds))
    with pytest.raises(Unsupported) as caught:
        await draft_auth(engine, ManyWays, auth)
    assert caught.value.field == "auth"
    assert "auth.direct" in (caught.value.hint or "")
    assert CANARY not in str(caught.value)
