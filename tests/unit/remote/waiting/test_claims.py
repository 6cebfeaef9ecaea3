"""An authorisation at Airweave that began here is brought to its end: its first sync runs."""

from dataclasses import replace

import anyio
import pytest

from tests.support.airweave.backend import SOON, Place, make_connection, wait_until_synced
from tests.support.patience import wait_until
from weft.domain.connections import ConnectionStatus
from weft.domain.jobs import JobStatus
from weft.errors import Conflict
from weft.remote.backend import RemoteBackend

pytestmark = pytest.mark.anyio


async def wait_until_forgotten(backend: RemoteBackend, connection_id: str) -> None:
    async def is_forgotten() -> bool:
        return not await backend.claims.is_held(connection_id)

    await wait_until(is_forgotten)


async def test_first_sync_starts_after_the_consent_without_another_call(place: Place) -> None:
    async with place.open(watch=True) as backend:
        made = await make_connection(backend, "notion")
        await anyio.sleep(0.05)
        assert place.count_asked("verify-oauth") == 0, "it is tried only when it can work"
        await place.consent(made.auth.auth_url)
        await wait_until_synced(place.world, made.id)
        await wait_until_forgotten(backend, made.id)
    assert place.count_asked("verify-oauth") == 1


async def test_reading_the_connection_starts_its_first_sync(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
        await place.consent(made.auth.auth_url)
        found = await backend.connections.get(made.id)
        assert found.status is not ConnectionStatus.PENDING_AUTH
        await wait_until_synced(place.world, made.id)


async def test_listing_connections_starts_a_first_sync_too(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
        await place.consent(made.auth.auth_url)
        await backend.connections.list()
        await wait_until_synced(place.world, made.id)


async def test_list_completes_one_authorisation_and_leaves_the_others_to_the_watch(
    place: Place,
) -> None:
    async with place.open() as backend:
        made = [await make_connection(backend, "notion") for _ in range(3)]
        for item in made:
            await place.consent(item.auth.auth_url)
        await backend.connections.list()
        assert place.count_asked("verify-oauth") == 1
    async with place.open(watch=True):
        for item in made:
            await wait_until_synced(place.world, item.id)


async def test_another_process_completes_what_one_that_ended_began(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
    await place.consent(made.auth.auth_url)
    async with place.open(watch=True):
        await wait_until_synced(place.world, made.id)


async def test_new_link_is_completed_too(place: Place) -> None:
    async with place.open(watch=True) as backend:
        made = await make_connection(backend, "notion")
        assert backend.authorization is not None
        again = await backend.authorization.begin(made.id)
        assert again.auth.auth_url != made.auth.auth_url
        assert again.auth.claim_token is None
        await place.consent(again.auth.auth_url)
        await wait_until_synced(place.world, made.id)


async def test_first_sync_that_airweave_has_cancelled_meanwhile_is_run(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
    await place.consent(made.auth.auth_url)
    place.world.clock.advance(200)
    async with place.open(watch=True):
        await wait_until_synced(place.world, made.id)
    sync = place.world.connections[made.id].sync
    assert sync is not None
    assert [job.status for job in sync.jobs] == ["completed", "cancelled"]


@pytest.mark.parametrize("failing", ["/jobs", "/run"])
async def test_lost_first_sync_is_run_though_the_api_fails_meanwhile(
    place: Place, failing: str
) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
    await place.consent(made.auth.auth_url)
    place.world.clock.advance(200)
    place.failing = failing
    async with place.open() as backend:
        await backend.connections.get(made.id)
    place.failing = None
    async with place.open(watch=True):
        await wait_until_synced(place.world, made.id)
    assert place.count_asked("verify-oauth") == 1


async def test_run_starts_the_sync_that_waits_for_the_proof(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
        await place.consent(made.auth.auth_url)
        with pytest.raises(Conflict, match="running already"):
            await backend.jobs.run(made.id)
        await wait_until_synced(place.world, made.id)


async def test_run_mends_a_first_sync_whose_proof_is_lost(place: Place) -> None:
    place.world.worker_alive = False  # So the cleanup that would cancel it does not matter here.
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
        await place.consent(made.auth.auth_url)
        await place.notes.drop("claim", made.id)
        connection = place.world.connections[made.id]
        connection.modified_at = connection.modified_at.replace(year=2020)
        found = await backend.connections.get(made.id)
        assert "run_sync" in (found.error_message or "")
        job = await backend.jobs.run(made.id)
        place.world.worker_alive = True
        await wait_until_synced(place.world, made.id)
        assert (await backend.jobs.get(job.id)).status is JobStatus.COMPLETED


async def test_proof_that_is_refused_does_not_lose_the_first_sync(place: Place) -> None:
    async with place.open(watch=True) as backend:
        made = await make_connection(backend, "notion")
        session = place.world.connections[made.id].session
        assert session is not None
        session.caller = "user"  # Somebody else's, so the proof is a 403.
        await place.consent(made.auth.auth_url)
        await wait_until_synced(place.world, made.id)
        await wait_until_forgotten(backend, made.id)


async def test_authorisation_is_given_up_when_its_link_and_session_are_over(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
        [note] = await place.notes.list("claim")
        long_ago = {**note.content, "until": "2026-01-01T00:00:00+00:00"}
        await place.notes.put(note.model_copy(update={"content": long_ago}))
    async with place.open(watch=True) as backend:
        await wait_until_forgotten(backend, made.id)


async def test_token_goes_with_its_connection(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
        assert await backend.claims.is_held(made.id)
        await backend.connections.delete(made.id)
        assert not await backend.claims.is_held(made.id)
    async with place.open(watch=True) as backend:
        other = await make_connection(backend, "notion")
        del place.world.connections[other.id]
        await wait_until_forgotten(backend, other.id)


async def test_looking_leaves_most_of_a_small_plan_to_the_agent(place: Place) -> None:
    place.world.requests_per_minute = 10
    async with place.open(watch=True, timeouts=replace(SOON, consent_longest=5)) as backend:
        await make_connection(backend, "notion")
        asked = len(place.world.asked)
        await anyio.sleep(0.5)
        assert len(place.world.asked) - asked <= 1


async def test_nothing_is_asked_while_nobody_authorises(place: Place) -> None:
    async with place.open(watch=True):
        asked = len(place.world.asked)
        await anyio.sleep(0.1)
        assert len(place.world.asked) == asked


async def test_federated_source_needs_no_sync_after_the_consent(place: Place) -> None:
    async with place.open(watch=True) as backend:
        made = await make_connection(backend, "slack")
        await place.consent(made.auth.auth_url)
        await wait_until_forgotten(backend, made.id)
        found = await backend.connections.get(made.id)
        assert (found.status, found.federated_search) == (ConnectionStatus.ACTIVE, True)


async def test_run_of_a_connection_that_is_not_authorised_says_so(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
        with pytest.raises(Conflict, match="nothing to sync") as caught:
            await backend.jobs.run(made.id)
    assert "authorize_connection" in (caught.value.hint or "")
