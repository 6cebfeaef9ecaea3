"""A remote API that fails in every way: clear errors in time, no duplicates, no key told."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from tests.support.airweave.faulty import Fault, FaultyAirweave
from tests.support.airweave.replay import KEY
from tests.support.patience import PATIENCE_SECONDS
from weft.backend import Authorization, Search
from weft.domain.collections import NewCollection
from weft.domain.connections import (
    Auth,
    ConnectionChange,
    ConnectionStatus,
    DirectAuth,
    NewConnection,
)
from weft.domain.jobs import JobStatus
from weft.domain.reading.search import SearchQuery
from weft.errors import Conflict, NotFound, RateLimited, SourceUnavailable, TryLater, WeftError
from weft.remote.api.client import open_client
from weft.remote.api.timeouts import Timeouts
from weft.remote.backend import RemoteBackend
from weft.testing.airweave import Airweave
from weft.testing.scripted_http import HttpReply, as_json, serve

pytestmark = pytest.mark.anyio

SHORT = Timeouts(
    connect=1.0,
    silence=0.2,
    attempt=0.2,
    slow_attempt=0.2,
    total=2.0,
    attempts=2,
    pause=0.01,
    looks=3,
    look_pause=0.01,
    watch=0.01,
    follow=0.05,
)
SECRET = "s3cret-canary-4471-credential"
CREDENTIALS = Auth(direct=DirectAuth(credentials={"stub_key": SECRET}))

FAULTS: dict[str, Fault] = {
    "cut": lambda: HttpReply(
        200, b'{"id": "0000"}', {"content-type": "application/json"}, cut=True
    ),
    "drop": lambda: HttpReply(drop=True),
    "slow": lambda: HttpReply(
        200, b'{"id": "0000"}', {"content-type": "application/json"}, hang=True
    ),
    "500": lambda: as_json({"detail": f"Internal Server Error: {SECRET}"}, 500),
    "502": lambda: HttpReply(502, b"<html>Bad gateway</html>"),
    "not JSON": lambda: HttpReply(200, b"<html>Welcome</html>"),
    "wrong JSON": lambda: as_json({"surprise": [1, 2]}),
    "deep JSON": lambda: HttpReply(200, b"[" * 100_000),
}


@asynccontextmanager
async def open_remote_backend(api: FaultyAirweave) -> AsyncGenerator[RemoteBackend]:
    async with (
        serve(api) as site,
        open_client(site.url, KEY, timeouts=SHORT) as client,
    ):
        yield RemoteBackend(client)


def make_new_connection(name: str = "Wanted one") -> NewConnection:
    return NewConnection(
        short_name="stub", readable_collection_id="docs", name=name, auth=CREDENTIALS
    )


def make_api(fault: Fault | None = None, faulty: str = "", *, does: bool = True) -> FaultyAirweave:
    world = Airweave(key=KEY.get_secret_value())
    return FaultyAirweave(world, fault, faulty, does)


def search_of(backend: RemoteBackend) -> Search:
    assert backend.search is not None
    return backend.search


def authorization_of(backend: RemoteBackend) -> Authorization:
    assert backend.authorization is not None
    return backend.authorization


Call = Callable[[RemoteBackend, str, str], Awaitable[object]]
SEARCH = SearchQuery(readable_collection_id="docs", query="words")
CALLS: dict[str, Call] = {
    "sources.list": lambda b, _c, _j: b.sources.list(),
    "sources.get": lambda b, _c, _j: b.sources.get("stub"),
    "collections.list": lambda b, _c, _j: b.collections.list(),
    "collections.get": lambda b, _c, _j: b.collections.get("docs"),
    "collections.create": lambda b, _c, _j: b.collections.create(NewCollection(name="Docs")),
    "collections.update": lambda b, _c, _j: b.collections.update("docs", name="Other"),
    "collections.delete": lambda b, _c, _j: b.collections.delete("docs"),
    "connections.list": lambda b, _c, _j: b.connections.list(),
    "connections.filtered": lambda b, _c, _j: b.connections.list(status=ConnectionStatus.ERROR),
    "connections.get": lambda b, c, _j: b.connections.get(c),
    "connections.named": lambda b, _c, _j: b.connections.get("Known one"),
    "connections.create": lambda b, _c, _j: b.connections.create(make_new_connection()),
    "connections.update": lambda b, c, _j: b.connections.update(c, ConnectionChange(name="Later")),
    "connections.delete": lambda b, c, _j: b.connections.delete(c),
    "jobs.run": lambda b, c, _j: b.jobs.run(c),
    "jobs.list": lambda b, c, _j: b.jobs.list(c),
    "jobs.list of all": lambda b, _c, _j: b.jobs.list(),
    "jobs.get": lambda b, _c, j: b.jobs.get(j),
    "jobs.log": lambda b, _c, j: b.jobs.log(j),
    "jobs.cancel": lambda b, _c, j: b.jobs.cancel(j),
    "search": lambda b, _c, _j: search_of(b).search(SEARCH),
    "authorize": lambda b, c, _j: authorization_of(b).authorize(c, CREDENTIALS),
    "begin": lambda b, c, _j: authorization_of(b).begin(c),
    "verify": lambda b, c, _j: authorization_of(b).verify(c, "claim"),
}


@pytest.mark.parametrize("fault", ["slow", "500", "not JSON", "wrong JSON"])
@pytest.mark.parametrize("call", CALLS)
async def test_fault_at_each_call_is_a_clear_error_in_time(
    call: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    api = make_api(FAULTS[fault])
    job_id = api.jobs[0].id
    caplog.set_level(logging.DEBUG)
    async with open_remote_backend(api) as backend:
        with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(TryLater) as caught:
            await CALLS[call](backend, api.known.id, job_id)
    shown = full_text(caught.value)
    assert "API" in shown or "127.0.0.1" in shown, "the error says who failed"
    for secret in (KEY.get_secret_value(), SECRET):
        assert secret not in shown
        assert secret not in caplog.text


def full_text(error: WeftError) -> str:
    return f"{error} {error.message} {error.field} {error.hint} {error!r} {error.__cause__}"


@pytest.mark.parametrize("call", CALLS)
async def test_rate_limit_at_each_call_says_when_to_come_back(call: str) -> None:
    api = make_api(fault=lambda: as_json({"detail": "Rate limit"}, 429, Retry_After="60"))
    job_id = api.jobs[0].id
    async with open_remote_backend(api) as backend:
        with pytest.raises(RateLimited, match="60 s") as caught:
            await CALLS[call](backend, api.known.id, job_id)
    assert caught.value.retry_after == 60


@pytest.mark.parametrize("fault", FAULTS)
async def test_create_with_a_lost_answer_makes_one_connection_and_finds_it(fault: str) -> None:
    api = make_api(fault=FAULTS[fault], faulty="POST /source-connections")
    async with open_remote_backend(api) as backend:
        made = await backend.connections.create(make_new_connection())
    assert (len(api.world.connections), made.name) == (2, "Wanted one")
    assert made.id in api.world.connections


@pytest.mark.parametrize("fault", FAULTS)
async def test_create_that_never_happened_is_not_repeated(fault: str) -> None:
    api = make_api(fault=FAULTS[fault], faulty="POST /source-connections", does=False)
    async with open_remote_backend(api) as backend:
        with pytest.raises(SourceUnavailable, match="list_connections"):
            await backend.connections.create(make_new_connection("Known one"))
    assert len(api.world.connections) == 1


async def test_two_possible_creations_are_named_instead_of_guessed() -> None:
    api = make_api(fault=FAULTS["drop"], faulty="POST /source-connections")

    def someone_else_too() -> HttpReply:
        api.add_connection("Wanted one")
        return HttpReply(drop=True)

    api.fault = someone_else_too
    async with open_remote_backend(api) as backend:
        with pytest.raises(Conflict) as caught:
            await backend.connections.create(make_new_connection())
    for made in api.world.connections.keys() - {api.known.id}:
        assert made in caught.value.message


@pytest.mark.parametrize("fault", FAULTS)
async def test_run_with_a_lost_answer_starts_one_job_and_finds_it(fault: str) -> None:
    api = make_api(fault=FAULTS[fault], faulty="/run")
    api.end_job()
    async with open_remote_backend(api) as backend:
        job = await backend.jobs.run(api.known.id)
    assert len(api.jobs) == 2
    assert job.id == api.jobs[0].id


@pytest.mark.parametrize("fault", FAULTS)
async def test_run_that_never_happened_is_not_repeated(fault: str) -> None:
    api = make_api(fault=FAULTS[fault], faulty="/run", does=False)
    api.end_job()
    async with open_remote_backend(api) as backend:
        with pytest.raises(SourceUnavailable, match="list_jobs"):
            await backend.jobs.run(api.known.id)
    assert len(api.jobs) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_cancel_update_and_new_collection_with_lost_answers_are_found(fault: str) -> None:
    api = make_api(fault=FAULTS[fault])
    job_id = api.jobs[0].id
    async with open_remote_backend(api) as backend:
        api.faulty = "/cancel"
        assert (await backend.jobs.cancel(job_id)).status is JobStatus.CANCELLING
        api.faulty = f"PATCH /source-connections/{api.known.id}"
        later = await backend.connections.update(api.known.id, ConnectionChange(name="Later"))
        assert later.name == "Later"
        api.faulty = "POST /collections"
        made = await backend.collections.create(NewCollection(name="Docs"))
    assert set(api.world.collections) == {"docs", made.readable_id}


@pytest.mark.parametrize("fault", ["cut", "drop", "slow", "502"])
async def test_delete_is_repeated_and_a_404_then_means_done(fault: str) -> None:
    left = [FAULTS[fault]()]
    api = make_api(lambda: left.pop() if left else None)
    known = api.known.id
    api.faulty = f"DELETE /source-connections/{known}"
    async with open_remote_backend(api) as backend:
        deleted = await backend.connections.delete(known)
        assert deleted.id == known
        with pytest.raises(NotFound):
            await backend.connections.delete(known)


async def test_read_is_repeated_after_a_fault() -> None:
    left = [HttpReply(503, b"", {"retry-after": "0"})]
    api = make_api(lambda: left.pop() if left else None)
    async with open_remote_backend(api) as backend:
        assert (await backend.connections.get(api.known.id)).id == api.known.id
    assert left == []


async def test_api_that_is_not_there_is_said_to_be_unreachable() -> None:
    async with serve(lambda _: HttpReply()) as site:
        gone = site.url
    async with open_client(gone, KEY, timeouts=SHORT) as client:
        with pytest.raises(SourceUnavailable, match="No connection"):
            await RemoteBackend(client).connections.create(make_new_connection())


async def test_redirect_is_not_followed_with_the_key() -> None:
    async with serve(lambda _: as_json([])) as other:
        away = HttpReply(302, headers={"location": f"{other.url}/source-connections"})
        async with (
            serve(lambda _: away) as site,
            open_client(site.url, KEY, timeouts=SHORT) as client,
        ):
            with pytest.raises(SourceUnavailable, match="WEFT_API_URL"):
                await RemoteBackend(client).connections.list()
        assert other.requests == []


async def test_followed_job_survives_a_short_fault() -> None:
    left = [HttpReply(500, b"{}")] * 3
    api = make_api(faulty="/jobs")
    states: list[JobStatus] = []
    async with open_remote_backend(api) as backend:
        await backend.jobs.list(api.known.id)
        async for seen in backend.jobs.watch(api.jobs[0].id):
            states.append(seen.status)
            api.fault = lambda: left.pop() if left else None
            api.end_job()
    assert (states, left) == ([JobStatus.RUNNING, JobStatus.COMPLETED], [])
