"""Links to a page that takes credentials."""

from typing import Any

import pytest

from tests.support.oauth.harness import BASE, OAuthHarness, token_of
from tests.support.oauth.provider import OAuthProvider
from weft.domain.connections import Auth, Connection, ConnectionStatus
from weft.errors import AuthenticationFailed, InvalidInput, NotFound

pytestmark = pytest.mark.anyio


async def create_direct(harness: OAuthHarness, **fields: Any) -> Connection:
    return await harness.create({}, short_name="secret_stub", auth=None, **fields)


async def test_page_takes_credentials_once_and_starts_the_wished_sync(
    harness: OAuthHarness,
) -> None:
    made = await create_direct(harness)
    assert str(made.auth.auth_url).startswith(f"{BASE}/authorize/")
    token = token_of(made)
    form = await harness.sessions.form(token)
    assert [field.name for field in form.fields] == ["token"]
    with pytest.raises(AuthenticationFailed):
        await harness.sessions.submit(token, {"token": "bad"})
    with pytest.raises(InvalidInput) as caught:
        await harness.sessions.submit(token, {"token": ""})
    assert caught.value.field == "auth.direct.credentials.token"
    outcome = await harness.sessions.submit(token, {"token": "good-token"})
    assert outcome.ok
    ready = await harness.get(made)
    assert ready.sync.last_job is not None
    with pytest.raises(NotFound):
        await harness.sessions.form(token)
    with pytest.raises(NotFound):
        await harness.sessions.submit(token, {"token": "good-token"})


async def test_link_is_void_once_credentials_came_in_another_way(harness: OAuthHarness) -> None:
    made = await create_direct(harness)
    await harness.authorization.authorize(
        made.id, Auth.model_validate({"direct": {"credentials": {"token": "good-token"}}})
    )
    with pytest.raises(NotFound):
        await harness.sessions.form(token_of(made))
    settled = await harness.authorization.verify(made.id, str(made.auth.claim_token))
    assert settled.status is ConnectionStatus.ACTIVE


async def test_page_of_a_link_for_consent_takes_no_credentials(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.create({"provider_url": provider.url})
    with pytest.raises(NotFound):
        await harness.sessions.form(token_of(made))
    direct = await create_direct(harness, sync_immediately=False)
    with pytest.raises(NotFound):
        await harness.sessions.start(token_of(direct))
