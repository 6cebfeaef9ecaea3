"""Every operation, answered as it was recorded, returns what was said or does what is right."""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import httpx
import pytest

from tests.support.airweave.recordings import ALL, number_of, recording
from tests.support.airweave.replay import Exchange, open_scripted_backend
from weft.domain.base import Page
from weft.domain.collections import Collection, NewCollection
from weft.domain.connections import Auth, Connection, ConnectionChange, DirectAuth, NewConnection
from weft.domain.jobs import Job, JobStatus
from weft.domain.schedules import ScheduleSpec
from weft.domain.sources import SourceInfo
from weft.errors import Conflict
from weft.remote.backend import RemoteBackend
from weft.wire import bodies

pytestmark = pytest.mark.anyio

UNKNOWN = "00000000-0000-0000-0000-000000000000"
# Successes that are no answer to anything that the backend asks.
NOT_ASKED = {
    "noauth/015": "collections are counted by listing them",
    "noauth/071": "a field of config that the source does not have is refused before the call",
    "noauth/124": "a connection tells its sync id itself",
}


class Scene:
    """Answers the recorded request as it was answered, and what is asked around it plausibly."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.sent: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.rstrip("/")
        body = json.loads(request.content) if request.content else None
        self.sent.append((request.method, path, body))
        if (request.method, path) == (self.exchange.method, self.exchange.bare):
            return self.exchange.response()
        if re.fullmatch(r"/source-connections/[0-9a-f-]{36}", path):
            one = {**recording("noauth/018").body, "id": path.rpartition("/")[2]}
            gone = self.exchange.method == "DELETE"
            return httpx.Response(200, json=self.exchange.body if gone else one)
        if path.startswith("/sources/"):
            return httpx.Response(200, json=_find_source(path))
        if path.startswith("/collections/"):
            there = self.exchange.method == "PATCH"
            return recording("noauth/012" if there else "noauth/013").response()
        if path.endswith("/jobs"):
            return httpx.Response(200, json=[_live_job(self.exchange)])
        return httpx.Response(200, json=[])


def _find_source(path: str) -> Any:
    known = {source["short_name"]: source for source in recording("noauth/001").body}
    return known.get(path.rpartition("/")[2], known["stub"])


def _live_job(exchange: Exchange) -> dict[str, Any]:
    named_job = re.search(r"/jobs/([0-9a-f-]{36})/cancel", exchange.path)
    job_id = named_job[1] if named_job else "3e12d5c8-35db-409f-bf1d-8b1f89c1ac44"
    return {"id": job_id, "source_connection_id": _id(exchange), "status": "running"}


Operation = Callable[[RemoteBackend, Exchange], Awaitable[object]]


def _id(exchange: Exchange) -> str:
    return exchange.bare.split("/")[2]


async def _create_collection(backend: RemoteBackend, exchange: Exchange) -> object:
    return await backend.collections.create(NewCollection.model_validate(exchange.sent))


async def _create_connection(backend: RemoteBackend, exchange: Exchange) -> object:
    sent = dict(exchange.sent)
    given: dict[str, Any] = sent.pop("authentication", None) or {}
    if "credentials" in given:
        sent["auth"] = Auth(direct=DirectAuth(credentials=given["credentials"]))
    elif given:
        sent["auth"] = Auth.model_validate({"oauth_browser": given})
    if "schedule" in sent:
        spec = {k: v for k, v in sent["schedule"].items() if v is not None}
        sent["schedule"] = ScheduleSpec(**spec) if spec else None
    sent.pop("foo", None)
    return await backend.connections.create(NewConnection.model_validate(sent))


async def _update(backend: RemoteBackend, exchange: Exchange) -> object:
    sent = {k: v for k, v in exchange.sent.items() if k in ConnectionChange.model_fields}
    if "authentication" in exchange.sent:
        credentials = exchange.sent["authentication"]["credentials"]
        sent["auth"] = Auth(direct=DirectAuth(credentials=credentials))
    if sent.get("schedule") is not None:
        spec = {k: v for k, v in sent["schedule"].items() if v is not None}
        sent["schedule"] = ScheduleSpec(**spec) if spec else None
    return await backend.connections.update(_id(exchange), ConnectionChange(**sent))


async def _list(backend: RemoteBackend, exchange: Exchange) -> object:
    del exchange
    return await backend.connections.list()


async def _list_collections(backend: RemoteBackend, exchange: Exchange) -> object:
    del exchange
    return await backend.collections.list()


async def _cancel(backend: RemoteBackend, exchange: Exchange) -> object:
    job_id, owner = exchange.bare.split("/")[4], _id(exchange)
    live = await backend.jobs.list(owner)
    assert [job.id for job in live.items] == [job_id]
    return await backend.jobs.cancel(job_id)


async def delete(backend: RemoteBackend, exchange: Exchange) -> object:
    return await backend.connections.delete(_id(exchange))


OPERATIONS: list[tuple[str, str, Operation]] = [
    ("GET", r"/sources", lambda backend, _: backend.sources.list()),
    ("GET", r"/sources/\w+", lambda backend, e: backend.sources.get(_id(e))),
    ("GET", r"/collections", _list_collections),
    ("GET", r"/collections/[\w-]+", lambda backend, e: backend.collections.get(_id(e))),
    ("POST", r"/collections", _create_collection),
    ("PATCH", r"/collections/[\w-]+", lambda b, e: b.collections.update(_id(e), **e.sent)),
    ("GET", r"/source-connections", _list),
    ("POST", r"/source-connections", _create_connection),
    ("GET", r"/source-connections/[^/]+", lambda backend, e: backend.connections.get(_id(e))),
    ("PATCH", r"/source-connections/[^/]+", _update),
    ("DELETE", r"/source-connections/[^/]+", delete),
    ("POST", r"/source-connections/[^/]+/run", lambda backend, e: backend.jobs.run(_id(e))),
    ("GET", r"/source-connections/[^/]+/jobs", lambda backend, e: backend.jobs.list(_id(e))),
    ("POST", r"/source-connections/[^/]+/jobs/[^/]+/cancel", _cancel),
]
# Successes whose request the backend does not make as it was recorded.
OTHERWISE = {
    "noauth/102": "config null resets it on the wire; an update of ours leaves it alone",
    "noauth/131": "a collection is read before it is deleted, and the scene has none",
}


def operation_of(exchange: Exchange) -> Operation | None:
    for method, path, operation in OPERATIONS:
        if exchange.method == method and re.fullmatch(path, exchange.bare):
            return operation
    return None


SUCCESSES = [
    name
    for name, exchange in ALL.items()
    if exchange.status == 200 and number_of(exchange) not in NOT_ASKED | OTHERWISE
]


@pytest.mark.parametrize("name", SUCCESSES)
async def test_recorded_success_is_what_the_operation_returns(name: str) -> None:
    exchange = ALL[name]
    operation = operation_of(exchange)
    assert operation is not None, "an exchange without an operation has its reason in NOT_ASKED"
    async with open_scripted_backend(Scene(exchange)) as backend:
        result = await operation(backend, exchange)
    check(result, exchange.body)


def check(result: object, body: Any) -> None:
    if isinstance(result, Page):
        result = cast("Page[object]", result).items
    if isinstance(result, tuple | list):
        items = cast("Sequence[object]", result)
        if items and isinstance(items[0], SourceInfo):
            body = sorted(body, key=lambda item: item["short_name"])
        for item, said in zip(items, body, strict=True):
            check(item, said)
    elif isinstance(result, Connection):
        assert (result.id, result.name) == (body["id"], body["name"])
        assert result.status.value == body["status"]
        assert result.auth.claim_token is None
        assert result.created_at.tzinfo is not None
        assert result.is_summary or result.version > 1_000_000
        if body.get("auth"):
            assert result.auth.auth_url == body["auth"]["auth_url"]
            assert result.config == body["config"]
    elif isinstance(result, Job):
        assert (result.id, result.status.value) == (body["id"], body["status"].upper())
        assert result.entities_inserted == body["entities_inserted"]
    elif isinstance(result, Collection):
        assert (result.readable_id, result.status.value) == (body["readable_id"], body["status"])
    else:
        assert isinstance(result, SourceInfo)
        assert result.short_name == body["short_name"]
        assert all(field.secret for field in result.auth_fields)


async def test_cancelling_twice_is_not_an_error() -> None:
    exchange = recording("noauth/032")

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return exchange.response()
        if request.url.path == "/source-connections":
            return httpx.Response(200, json=recording("noauth/023").body[:1])
        job = _live_job(exchange) | {"id": exchange.bare.split("/")[4]}
        return httpx.Response(200, json=[job | {"status": "cancelling"}])

    async with open_scripted_backend(answer) as backend:
        job = await backend.jobs.cancel(exchange.bare.split("/")[4])
    assert job.status is JobStatus.CANCELLING


async def test_running_sync_is_named_in_the_conflict() -> None:
    exchange = recording("noauth/022")
    async with open_scripted_backend(Scene(exchange)) as backend:
        with pytest.raises(Conflict) as caught:
            await backend.jobs.run(_id(exchange))
    assert caught.value.job_id == _live_job(exchange)["id"]
    assert str(caught.value.job_id) in str(caught.value)


async def test_paused_sync_says_what_to_do() -> None:
    exchange = recording("noauth/119")
    async with open_scripted_backend(Scene(exchange)) as backend:
        with pytest.raises(Conflict, match="paused"):
            await backend.jobs.run(_id(exchange))


async def test_connection_with_nothing_to_run_is_made_runnable() -> None:
    connection_id = _id(recording("noauth/088"))
    patched: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        one = {**recording("noauth/087").body, "id": connection_id}
        if request.method == "PATCH":
            patched.append(json.loads(request.content)["schedule"])
        elif request.url.path.endswith("/jobs"):
            return recording("noauth/089").response()
        elif request.url.path.endswith("/run"):
            return recording("noauth/027").response()
        return httpx.Response(200, json=one)

    async with open_scripted_backend(answer) as backend:
        job = await backend.jobs.run(connection_id)
    assert job.status is JobStatus.PENDING
    assert [bool(schedule["cron"]) for schedule in patched] == [True, False]
    assert patched[1] == bodies.NO_SCHEDULE


async def test_jobs_of_a_connection_without_a_sync_are_none() -> None:
    async with open_scripted_backend(lambda _: recording("noauth/089").response()) as backend:
        assert (await backend.jobs.list(UNKNOWN)).items == ()
