"""Jobs are listed, found and cancelled, and connections counted, in few requests at any number."""

from datetime import UTC, datetime

import pytest

from tests.support.airweave.backend import Place
from weft.domain.jobs import JobStatus
from weft.errors import Conflict, NotFound, RateLimited
from weft.testing.airweave.state import Collection, Connection, Job, Sync, new_id

pytestmark = pytest.mark.anyio

MANY = 1000
NOW = datetime(2026, 11, 28, 20, 14, tzinfo=UTC)


def add_connection(place: Place, name: str, status: str = "completed") -> tuple[str, str]:
    """Add a connection with one job; return the ids of both."""
    job = Job(new_id(), NOW, NOW, status=status, started_at=NOW)
    job.completed_at = NOW if status == "completed" else None
    made = Connection(new_id(), name, None, "stub", "docs", {}, NOW, NOW, "direct", True)
    made.sync = Sync(new_id(), None, jobs=[job])
    place.world.connections[made.id] = made
    return made.id, job.id


@pytest.fixture
def place() -> Place:
    place = Place()
    place.world.worker_alive = False  # So a job that runs goes on running.
    place.world.collections["docs"] = Collection(new_id(), "Docs", "docs", NOW, NOW)
    return place


def fill(place: Place, count: int = MANY) -> list[tuple[str, str]]:
    return [add_connection(place, f"Connection {number}") for number in range(count)]


async def test_job_that_was_listed_is_found_after_a_restart_with_one_request(place: Place) -> None:
    made = fill(place)
    async with place.open() as backend:
        (shown,) = (await backend.jobs.list(made[3][0])).items
    async with place.open() as backend:
        place.world.asked.clear()
        found = await backend.jobs.get(shown.id)
        assert (found.id, found.source_connection_id) == (made[3][1], made[3][0])
        assert len(place.world.asked) == 1
        assert (await backend.jobs.get(shown.id[:8])).id == shown.id


@pytest.mark.parametrize("verb", ["get_connection", "run_sync"])
async def test_job_that_another_call_showed_is_cancelled_after_a_restart(
    place: Place, verb: str
) -> None:
    made = fill(place, 60)
    async with place.open() as backend:
        if verb == "run_sync":
            job_id = (await backend.jobs.run(made[0][0])).id
        else:
            running, job_id = add_connection(place, "Runs", "running")
            await backend.connections.get(running)
    async with place.open() as backend:
        place.world.asked.clear()
        assert (await backend.jobs.cancel(job_id)).status is not JobStatus.RUNNING
        assert len(place.world.asked) <= 2


async def test_running_job_that_no_call_showed_is_found_and_cancelled(place: Place) -> None:
    _, job_id = add_connection(place, "Runs", "running")
    fill(place)
    async with place.open() as backend:
        place.world.asked.clear()
        found = await backend.jobs.cancel(job_id)
        assert (found.id, found.status) == (job_id, JobStatus.CANCELLING)
        assert len(place.world.asked) < 10


async def test_job_that_cannot_be_found_is_not_denied_and_the_way_to_it_is_told(
    place: Place,
) -> None:
    made = fill(place)
    async with place.open() as backend:
        place.world.asked.clear()
        with pytest.raises(NotFound, match="50 of 1000 connections") as caught:
            await backend.jobs.get(made[0][1])
        assert len(place.world.asked) <= 55
        assert "list_jobs(connection_id=" in (caught.value.hint or "")
        await backend.jobs.list(made[0][0])
        assert (await backend.jobs.get(made[0][1])).id == made[0][1]


async def test_search_for_a_job_goes_on_with_the_next_call_at_ten_requests_a_minute(
    place: Place,
) -> None:
    made = fill(place, 12)
    place.world.requests_per_minute = 10
    wanted = made[0][1]  # The API lists the newest first.
    async with place.open() as backend:
        await backend.connections.list()
        for count in (5, 10):
            place.world.clock.advance(60)
            place.world.asked.clear()
            with pytest.raises(NotFound, match=f"{count} of 12 connections"):
                await backend.jobs.get(wanted)
            assert len(place.world.asked) == 6
        place.world.clock.advance(60)
        assert (await backend.jobs.get(wanted)).id == wanted


@pytest.mark.parametrize("limit", [None, 10])
async def test_job_that_was_never_shown_is_cancelled_whoever_it_belongs_to(
    place: Place, limit: int | None
) -> None:
    connection_id, job_id = add_connection(place, "Waits", "pending")
    waiting = place.world.connections[connection_id].last_job
    assert waiting is not None
    waiting.queued_at = waiting.handed_at = place.world.clock.now()
    waiting.started_at = None
    made = fill(place)
    place.world.requests_per_minute = limit
    async with place.open() as backend:
        await backend.connections.list(limit=1)
        place.world.asked.clear()
        stopped = await backend.jobs.cancel(job_id)
        assert (stopped.id, stopped.status) == (job_id, JobStatus.CANCELLED)
        assert stopped.source_connection_id == "", "the API does not say whose it is"
        assert len(place.world.asked) <= (8 if limit else 55)
        assert waiting.status == "cancelled"
        place.world.clock.advance(120)
        with pytest.raises(Conflict, match="ended"):
            await backend.jobs.cancel(made[0][1])
        place.world.clock.advance(120)
        with pytest.raises(NotFound, match="connections"):
            await backend.jobs.cancel(new_id())


async def test_list_of_all_jobs_says_which_part_it_is_and_leads_to_every_job(place: Place) -> None:
    made = fill(place, 120)
    async with place.open() as backend:
        page = await backend.jobs.list(limit=100)
        assert "1 to 50 of 120" in (page.note or "")
        found = [job.id for job in page.items]
        while page.next_cursor:
            page = await backend.jobs.list(cursor=page.next_cursor, limit=100)
            found += [job.id for job in page.items]
    assert sorted(found) == sorted(job_id for _, job_id in made)


async def test_what_runs_among_many_connections_is_on_the_first_page(place: Place) -> None:
    _, job_id = add_connection(place, "Runs", "running")
    fill(place)
    async with place.open() as backend:
        page = await backend.jobs.list(status=JobStatus.RUNNING)
    assert [job.id for job in page.items] == [job_id]
    assert (page.next_cursor, page.note) == (None, None)


async def test_small_organisation_gets_all_its_jobs_without_a_note(place: Place) -> None:
    fill(place, 3)
    async with place.open() as backend:
        page = await backend.jobs.list()
    assert (len(page.items), page.next_cursor, page.note) == (3, None, None)


async def test_listing_takes_half_of_a_small_plan(place: Place) -> None:
    fill(place, 20)
    place.world.requests_per_minute = 10
    async with place.open() as backend:
        page = await backend.jobs.list()
        assert "1 to 5 of 20" in (page.note or "")
        assert len(place.world.asked) == 6


async def test_used_up_plan_is_told_as_such_where_many_are_asked(place: Place) -> None:
    fill(place, 4)
    place.world.requests_per_minute = 3
    async with place.open() as backend:
        await backend.jobs.list()
        with pytest.raises(RateLimited):
            await backend.jobs.list()


@pytest.mark.parametrize("count", [0, 3, 200, 1000, 1001])
async def test_totals_count_every_connection_in_few_requests(place: Place, count: int) -> None:
    fill(place, count)
    async with place.open() as backend:
        place.world.asked.clear()
        totals = await backend.connections.totals()
        assert (totals.connections, totals.is_partial) == (count, False)
        # A list of Airweave's tells nothing of the last sync.
        assert totals.attention_is_partial is (count > 0)
        assert len(place.world.asked) <= 1 + count // 1000


async def test_totals_that_would_take_too_many_requests_are_said_to_be_partial(
    place: Place,
) -> None:
    fill(place, 2001)
    place.world.requests_per_minute = 4
    async with place.open() as backend:
        await backend.connections.list()
        totals = await backend.connections.totals()
        assert (totals.connections, totals.is_partial) == (2000, True)


async def test_job_names_its_connection_without_a_request_for_that(place: Place) -> None:
    connection_id, job_id = add_connection(place, "Runs", "running")
    async with place.open() as backend:
        (listed,) = (await backend.jobs.list()).items
        (of_one,) = (await backend.jobs.list("runs")).items
        stopped = await backend.jobs.cancel(job_id)
        again = await backend.jobs.get(job_id)
        assert {each.connection_name for each in (listed, of_one, stopped, again)} == {"Runs"}
        asked = len(place.world.asked)
    async with place.open() as backend:
        unnamed = await backend.jobs.get(job_id)
    assert (unnamed.source_connection_id, unnamed.connection_name) == (connection_id, None)
    assert len(place.world.asked) == asked + 1, "no request is spent on a name"
