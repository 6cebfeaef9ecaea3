"""Tokens of OAuth connections: given, refreshed in time, refused, and given again."""

from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest

from tests.support.local.harness import ORGANIZATION
from tests.support.oauth.harness import CLIENT_ID, CLIENT_SECRET, OAuthHarness, own_client
from tests.support.oauth.provider import OAuthProvider
from weft.domain.connections import (
    Auth,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    OAuthTokenAuth,
)
from weft.domain.jobs import Job, JobStatus
from weft.errors import AuthenticationFailed, ErrorCategory, NotPermitted, SourceUnavailable
from weft.local.auth.named_secrets import NamedSecrets
from weft.local.auth.oauth_clients import LocalOAuthClients
from weft.local.auth.oauth_tokens import LEASE
from weft.local.jobs.scheduler import fire_due

pytestmark = pytest.mark.anyio


def token_auth(**fields: Any) -> Auth:
    return Auth(oauth_token=OAuthTokenAuth.model_validate(fields))


async def connect_with_token(
    harness: OAuthHarness, provider: OAuthProvider, **fields: Any
) -> Connection:
    auth = token_auth(access_token=provider.issue(CLIENT_ID).access_token, **fields)
    return await harness.create({"provider_url": provider.url}, auth=auth, sync_immediately=False)


async def wait_for_job(harness: OAuthHarness, job: Job) -> Job:
    """Run the job, and again when it is handed back, to its end."""
    while not (found := await harness.local.backend.jobs.get(job.id)).status.is_terminal:
        await harness.local.run_claimed(await harness.local.claim())
    return found


async def run_sync(harness: OAuthHarness, connection: Connection) -> Job:
    return await wait_for_job(harness, await harness.local.backend.jobs.run(connection.id))


async def test_token_that_is_about_to_expire_is_refreshed_before_the_sync(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider)
    harness.local.clock.pass_time(seconds=3600 - 61)
    assert (await run_sync(harness, ready)).status is JobStatus.COMPLETED
    assert provider.refreshes == 0
    harness.local.clock.pass_time(seconds=1)
    provider.expire()
    assert (await run_sync(harness, ready)).status is JobStatus.COMPLETED
    assert provider.refreshes == 1
    after = await harness.get(ready)
    assert after.auth.expires_at == harness.local.clock.now + timedelta(hours=1)
    assert after.version == ready.version


async def test_refused_token_is_refreshed_once_and_the_sync_goes_on_from_its_checkpoint(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider)
    provider.notes = {f"n{number}": "text" for number in range(6)}
    provider.expires_before = "/notes/n3"
    job = await run_sync(harness, ready)
    assert job.status is JobStatus.COMPLETED
    assert provider.refreshes == 1
    assert await harness.local.count_entities(ready) == 6
    assert provider.site is not None
    read = [asked.path for asked in provider.site.requests if asked.path.startswith("/notes/")]
    assert read.count("/notes/n0") == 1
    assert read.count("/notes/n3") == 2


async def test_revoked_grant_needs_reauthorisation_and_one_call_mends_it(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    made = await harness.connect(provider, schedule={"cron": "0 * * * *"})
    provider.revoke()
    job = await run_sync(harness, made)
    assert job.status is JobStatus.FAILED
    assert job.error_category is ErrorCategory.OAUTH_CREDENTIALS_EXPIRED
    assert "authorize_connection" in str(job.error_details)
    broken = await harness.get(made)
    assert broken.status is ConnectionStatus.NEEDS_REAUTH
    assert broken.error_category is ErrorCategory.OAUTH_CREDENTIALS_EXPIRED
    harness.local.clock.pass_time(hours=1)
    assert await fire_due(harness.local.engine) == 0
    assert (await harness.give_consent(provider, await harness.authorization.begin(made.id))).ok
    mended = await harness.get(made)
    assert mended.status is ConnectionStatus.ACTIVE
    assert mended.error_message is None
    harness.local.clock.pass_time(hours=1)
    assert await fire_due(harness.local.engine) == 1
    fired = (await harness.local.backend.jobs.list(made.id)).items[0]
    assert (await wait_for_job(harness, fired)).status is JobStatus.COMPLETED


async def test_schedule_fires_nothing_before_the_person_has_authorised(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    await harness.create({"provider_url": provider.url}, schedule={"cron": "0 * * * *"})
    harness.local.clock.pass_time(hours=1)
    assert await fire_due(harness.local.engine) == 0


async def test_token_and_client_may_be_named_secrets_for_the_source_and_its_provider(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    secrets = NamedSecrets(harness.local.engine, ORGANIZATION)
    for name, value in (
        ("token", provider.issue(CLIENT_ID).access_token),
        ("client", CLIENT_SECRET),
    ):
        await secrets.put(name, value, sources=["oauth_stub"], hosts=[provider.url])
    auth = token_auth(access_token={"secret_ref": "token"})
    made = await harness.create({"provider_url": provider.url}, auth=auth, sync_immediately=False)
    assert (await run_sync(harness, made)).status is JobStatus.COMPLETED
    own = own_client(client_secret={"secret_ref": "client"})
    ready = await harness.connect(provider, auth=own)
    assert (await run_sync(harness, ready)).status is JobStatus.COMPLETED
    await secrets.put("token", "other", sources=["oauth_stub"], hosts=["elsewhere.example"])
    with pytest.raises(NotPermitted) as caught:
        await harness.create({"provider_url": provider.url}, auth=auth)
    assert caught.value.field == "auth.oauth_token"


async def test_simultaneous_uses_refresh_once(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider)
    harness.local.clock.pass_time(hours=1)
    provider.expire()
    outcomes: list[bool] = []

    async def check() -> None:
        outcomes.append((await harness.local.backend.connections.check(ready.id)).ok)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(check)
    assert outcomes == [True] * 5
    assert (provider.refreshes, provider.reused) == (1, 0)


async def test_lost_answer_ends_in_reauthorisation_with_the_reason(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider)
    harness.local.clock.pass_time(hours=1)
    provider.expire()
    provider.loses_answers = True
    first = await harness.local.backend.connections.check(ready.id)
    assert first.error_category is ErrorCategory.SOURCE_UNAVAILABLE
    assert (await harness.get(ready)).status is ConnectionStatus.ACTIVE
    provider.loses_answers = False
    second = await harness.local.backend.connections.check(ready.id)
    assert second.error_category is ErrorCategory.OAUTH_CREDENTIALS_EXPIRED
    assert "invalid_grant" in second.detail
    assert (await harness.get(ready)).status is ConnectionStatus.NEEDS_REAUTH


async def test_lease_of_a_dead_process_runs_out(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider)
    harness.local.clock.pass_time(hours=1)
    engine = harness.local.engine
    sealed = await engine.store.connections.credentials(ready.organization_id, ready.id)
    taken = await engine.store.tokens.lease(ready.id, sealed, holder="dead", duration=LEASE)
    assert taken is not None
    assert taken.held
    other = await engine.store.tokens.lease(ready.id, sealed, holder="other", duration=LEASE)
    assert other is not None
    assert not other.held
    harness.local.clock.pass_time(seconds=LEASE.total_seconds())
    assert (await harness.local.backend.connections.check(ready.id)).ok
    assert provider.refreshes == 1
    assert not await engine.store.tokens.store(ready.id, "dead", "stolen", None)


async def test_lease_is_not_taken_by_who_read_the_clock_earlier_and_came_later(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider)
    store, now = harness.local.engine.store, harness.local.clock.now
    sealed = await store.connections.credentials(ready.organization_id, ready.id)

    async def takes(holder: str, at: datetime) -> bool:
        harness.local.clock.now = at
        state = await store.tokens.lease(ready.id, sealed, holder=holder, duration=LEASE)
        return state is not None and state.held

    assert await takes("first", now)
    assert not await takes("second", now - timedelta(seconds=1))
    assert await takes("after the clock went back", now - timedelta(hours=1))


async def test_credentials_that_were_replaced_meanwhile_are_not_overwritten(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider)
    engine = harness.local.engine
    sealed = await engine.store.connections.credentials(ready.organization_id, ready.id)
    await engine.store.tokens.lease(ready.id, sealed, holder="slow", duration=LEASE)
    fresh = provider.issue(CLIENT_ID)
    await harness.authorization.authorize(ready.id, token_auth(access_token=fresh.access_token))
    assert not await engine.store.tokens.store(ready.id, "slow", "old", None)
    assert (await harness.local.backend.connections.check(ready.id)).ok


async def test_renaming_keeps_a_token_that_was_refresh_elsewhere(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider)
    engine = harness.local.engine
    store = engine.store.connections
    sealed = await store.credentials(ready.organization_id, ready.id)
    update = store.update

    async def refresh_elsewhere(*args: Any, **kwargs: Any) -> bool:
        await engine.store.tokens.lease(ready.id, sealed, holder="h", duration=LEASE)
        assert await engine.store.tokens.store(ready.id, "h", "new", None)
        return await update(*args, **kwargs)

    store.update = refresh_elsewhere
    await harness.local.backend.connections.update(ready.id, ConnectionChange(name="Other Name"))
    assert await store.credentials(ready.organization_id, ready.id) == "new"


async def test_given_token_syncs_until_it_expires(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    until = harness.local.clock.now + timedelta(hours=1)
    ready = await connect_with_token(harness, provider, expires_at=until)
    assert ready.status is ConnectionStatus.ACTIVE
    assert ready.auth.expires_at == until
    assert (await run_sync(harness, ready)).status is JobStatus.COMPLETED
    harness.local.clock.pass_time(hours=1)
    job = await run_sync(harness, ready)
    assert job.error_category is ErrorCategory.OAUTH_CREDENTIALS_EXPIRED
    assert "expired at 2026-05-01 13:00 UTC" in str(job.error)
    assert (await harness.get(ready)).status is ConnectionStatus.NEEDS_REAUTH
    fresh = provider.issue(CLIENT_ID).access_token
    mended = await harness.authorization.authorize(ready.id, token_auth(access_token=fresh))
    assert mended.status is ConnectionStatus.ACTIVE


async def test_expired_token_creates_nothing(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    with pytest.raises(AuthenticationFailed, match="expired at") as caught:
        await connect_with_token(harness, provider, expires_at=harness.local.clock.now)
    assert caught.value.category is ErrorCategory.OAUTH_CREDENTIALS_EXPIRED
    assert (await harness.local.backend.connections.list()).items == ()


async def test_expired_token_with_refresh_token_needs_the_operators_client(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    refresh = provider.issue(CLIENT_ID).refresh_token
    fields = {"refresh_token": refresh, "expires_at": harness.local.clock.now}
    with pytest.raises(AuthenticationFailed, match="OAuth client"):
        await connect_with_token(harness, provider, **fields)
    clients = LocalOAuthClients(harness.local.engine)
    await clients.set("oauth_stub", CLIENT_ID, CLIENT_SECRET, provider.url)
    provider.expire()
    ready = await connect_with_token(harness, provider, **fields)
    assert provider.refreshes == 1
    assert ready.auth.expires_at == harness.local.clock.now + timedelta(hours=1)


async def test_refused_token_creates_nothing_and_is_not_quoted(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        await harness.create(
            {"provider_url": provider.url}, auth=token_auth(access_token="n0t-a-token-8812")
        )
    assert caught.value.category is ErrorCategory.OAUTH_CREDENTIALS_EXPIRED
    assert "n0t-a" not in str(caught.value)


async def test_provider_that_is_down_is_tried_again_later(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    ready = await harness.connect(provider)
    harness.local.clock.pass_time(hours=1)
    provider.token_status = 503
    job = await harness.local.backend.jobs.run(ready.id)
    outcome = await harness.local.run_claimed(await harness.local.claim())
    assert outcome.status is JobStatus.PENDING
    assert (await harness.get(ready)).status is ConnectionStatus.ACTIVE
    provider.token_status = None
    harness.local.clock.pass_time(minutes=5)
    assert (await wait_for_job(harness, job)).status is JobStatus.COMPLETED


async def test_tokens_that_hardly_live_are_used_all_the_same(
    harness: OAuthHarness, provider: OAuthProvider
) -> None:
    provider.expires_in = 30
    ready = await harness.connect(provider)
    assert (await run_sync(harness, ready)).status is JobStatus.COMPLETED
    assert provider.refreshes == 1


async def test_hanging_provider_is_given_up(
    harness: OAuthHarness, provider: OAuthProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = await harness.connect(provider)
    harness.local.clock.pass_time(hours=1)
    monkeypatch.setattr("weft.local.auth.oauth_tokens.EXCHANGE_SECONDS", 0.0)
    result = await harness.local.backend.connections.check(ready.id)
    assert result.error_category is SourceUnavailable.category
    assert (provider.refreshes, provider.reused) == (0, 0)
