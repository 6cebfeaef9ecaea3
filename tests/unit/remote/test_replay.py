"""Every recorded exchange that concerns an operation gives the right result or the right error."""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import httpx
import pytest
from remote_replay import KEY, Exchange, backend_of, client_of, exchanges

from weft.domain.base import Page
from weft.domain.collections import Collection, NewCollection
from weft.domain.connections import (
    Auth,
    Connection,
    ConnectionChange,
    DirectAuth,
    NewConnection,
)
from weft.domain.jobs import Job, JobStatus
from weft.domain.schedules import ScheduleSpec
from weft.domain.sources import SourceInfo
from weft.errors import (
    AuthenticationFailed,
    Conflict,
    InvalidInput,
    NotFound,
    NotPermitted,
    RateLimited,
    SourceUnavailable,
    Unsupported,
    WeftError,
)
from weft.remote.backend import RemoteBackend
from weft.remote.client import ApiClient
from weft.wire import bodies

pytestmark = pytest.mark.anyio

ALL = {exchange.name: exchange for exchange in exchanges()}
UNKNOWN = "00000000-0000-0000-0000-000000000000"

# Each refusal by the number of its recording: the error that it is, and the field that it names.
REFUSALS: dict[str, tuple[type[WeftError], str | None]] = {
    "auth/001": (NotPermitted, None),
    "auth/002": (NotPermitted, None),
    "auth/003": (NotPermitted, None),
    "auth/004": (NotPermitted, None),
    "auth/009": (NotPermitted, None),
    "auth/010": (SourceUnavailable, None),
    "auth/013": (NotPermitted, None),
    "auth/015": (NotPermitted, None),
    "auth/016": (NotPermitted, None),
    "auth/017": (InvalidInput, "short_name"),
    "auth/021": (RateLimited, None),
    "auth/022": (RateLimited, None),
    "noauth/005": (NotFound, "short_name"),
    "noauth/009": (Conflict, "readable_id"),
    "noauth/010": (InvalidInput, "readable_id"),
    "noauth/011": (InvalidInput, "name"),
    "noauth/013": (NotFound, "readable_collection_id"),
    "noauth/016": (InvalidInput, "limit"),
    "noauth/019": (Conflict, None),
    "noauth/022": (Conflict, None),
    "noauth/026": (Conflict, None),
    "noauth/029": (Conflict, None),
    "noauth/032": (Conflict, None),
    "noauth/033": (Conflict, None),
    "noauth/036": (NotFound, "job_id"),
    "noauth/037": (Conflict, None),
    "noauth/038": (NotFound, "connection_id"),
    "noauth/039": (NotFound, "connection_id"),
    "noauth/040": (NotFound, "connection_id"),
    "noauth/041": (NotFound, "connection_id"),
    "noauth/042": (NotFound, "connection_id"),
    "noauth/043": (InvalidInput, "connection_id"),
    "noauth/044": (Unsupported, None),
    "noauth/045": (Unsupported, None),
    "noauth/046": (InvalidInput, "limit"),
    "noauth/047": (InvalidInput, "limit"),
    "noauth/052": (InvalidInput, "limit"),
    "noauth/053": (InvalidInput, "skip"),
    "noauth/054": (InvalidInput, "short_name"),
    "noauth/055": (InvalidInput, "arguments"),
    "noauth/056": (NotFound, "short_name"),
    "noauth/057": (NotFound, "readable_collection_id"),
    "noauth/058": (InvalidInput, "name"),
    "noauth/059": (InvalidInput, "name"),
    "noauth/060": (InvalidInput, "description"),
    "noauth/062": (InvalidInput, "auth"),
    "noauth/063": (Unsupported, "auth"),
    "noauth/064": (Unsupported, "auth"),
    "noauth/065": (InvalidInput, "auth"),
    "noauth/066": (InvalidInput, "auth"),
    "noauth/068": (Unsupported, "auth"),
    "noauth/069": (InvalidInput, "auth"),
    "noauth/070": (InvalidInput, "config.entity_count"),
    "noauth/072": (InvalidInput, "auth"),
    "noauth/073": (AuthenticationFailed, "auth"),
    "noauth/074": (NotFound, "auth.auth_provider.provider_readable_id"),
    "noauth/075": (Unsupported, "auth"),
    "noauth/076": (InvalidInput, "schedule"),
    "noauth/077": (InvalidInput, "schedule"),
    "noauth/081": (InvalidInput, "schedule"),
    "noauth/082": (InvalidInput, "schedule"),
    "noauth/083": (InvalidInput, "schedule"),
    "noauth/084": (SourceUnavailable, None),
    "noauth/088": (NotFound, "connection_id"),
    "noauth/089": (NotFound, "connection_id"),
    "noauth/091": (InvalidInput, "auth"),
    "noauth/093": (InvalidInput, "sync_immediately"),
    "noauth/094": (InvalidInput, "arguments"),
    "noauth/095": (InvalidInput, "arguments"),
    "noauth/097": (SourceUnavailable, None),
    "noauth/101": (InvalidInput, "config.entity_count"),
    "noauth/104": (InvalidInput, "schedule"),
    "noauth/105": (InvalidInput, "schedule.cron"),
    "noauth/111": (InvalidInput, "arguments"),
    "noauth/119": (Conflict, None),
    "noauth/121": (Conflict, None),
    "noauth/122": (Conflict, None),
    "noauth/123": (NotFound, "connection_id"),
    "noauth/126": (NotFound, "connection_id"),
    "noauth/132": (NotFound, "connection_id"),
}
# Successes that are no answer to anything that the backend asks.
NOT_ASKED = {
    "noauth/015": "collections are counted by listing them",
    "noauth/124": "a connection tells its sync id itself",
}
# Parts of the API's own texts, and of values that were sent: none may come through.
FOREIGN = re.compile(
    r"Internal Server Error|sqlalchemy|asyncpg|function-after|Errno|SyncStatus|ValueError"
    r"|00000000-0000|badly formed|'nope'|finance-data|Temporal"
)


def number(exchange: Exchange) -> str:
    group, _, rest = exchange.name.partition("/")
    return f"{group}/{rest[:3]}"


def named(wanted: str) -> Exchange:
    return next(exchange for exchange in ALL.values() if number(exchange) == wanted)


def of_path(exchange: Exchange) -> str | None:
    """The argument that a 404 at this path is about."""
    parts = exchange.bare.strip("/").split("/")
    if len(parts) > 1 and "cancel" not in parts:
        nouns = {"sources": "short_name", "collections": "readable_collection_id"}
        return nouns.get(parts[0], "connection_id" if parts[0] == "source-connections" else None)
    return "job_id" if "cancel" in parts else None


def test_every_refusal_has_its_place_in_the_table() -> None:
    refused = {number(exchange) for exchange in ALL.values() if exchange.status >= 400}
    assert refused == set(REFUSALS)


@pytest.mark.parametrize("name", [n for n in ALL if ALL[n].status >= 400])
async def test_recorded_refusal_is_our_error(name: str) -> None:
    exchange = ALL[name]
    kind, field = REFUSALS[number(exchange)]
    async with client_of(lambda _: exchange.response()) as client:
        with pytest.raises(kind) as caught:
            await ask(client, exchange)
    error = caught.value
    assert error.field == field
    shown = f"{error.message} {error.hint} {error.field}"
    assert not FOREIGN.search(shown)
    assert KEY.get_secret_value() not in shown


async def ask(client: ApiClient, exchange: Exchange) -> None:
    missing = of_path(exchange)
    if exchange.method == "GET":
        await client.get(exchange.path, lambda body: body, missing=missing)
    elif exchange.method == "DELETE":
        await client.delete(exchange.path, missing=missing or "")
    else:
        await client.send(exchange.method, exchange.path, lambda body: body, missing=missing)


async def test_rate_limit_says_when() -> None:
    async with backend_of(lambda _: named("auth/021").response()) as backend:
        with pytest.raises(RateLimited) as caught:
            await backend.sources.get("stub")
    assert caught.value.retry_after == 60
    assert "in 60 s" in str(caught.value)


@pytest.mark.parametrize("wanted", ["auth/001", "auth/002"])
async def test_refused_key_names_the_setting(wanted: str) -> None:
    async with backend_of(lambda _: named(wanted).response()) as backend:
        with pytest.raises(NotPermitted, match="WEFT_API_KEY"):
            await backend.connections.list()


async def test_unsupported_method_names_those_that_are_offered() -> None:
    async with client_of(lambda _: named("noauth/063").response()) as client:
        with pytest.raises(Unsupported, match="it offers: direct"):
            await client.send("POST", "/source-connections", lambda body: body)


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
            one = {**named("noauth/018").body, "id": path.rpartition("/")[2]}
            gone = self.exchange.method == "DELETE"
            return httpx.Response(200, json=self.exchange.body if gone else one)
        if path.startswith("/collections/"):
            there = self.exchange.method == "PATCH"
            return named("noauth/012" if there else "noauth/013").response()
        if path.endswith("/jobs"):
            return httpx.Response(200, json=[_live_job(self.exchange)])
        return httpx.Response(200, json=[])


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


async def _deleted(backend: RemoteBackend, exchange: Exchange) -> object:
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
    ("DELETE", r"/source-connections/[^/]+", _deleted),
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
    if exchange.status == 200 and number(exchange) not in NOT_ASKED | OTHERWISE
]


@pytest.mark.parametrize("name", SUCCESSES)
async def test_recorded_success_is_what_the_operation_returns(name: str) -> None:
    exchange = ALL[name]
    operation = operation_of(exchange)
    assert operation is not None, "an exchange without an operation has its reason in NOT_ASKED"
    async with backend_of(Scene(exchange)) as backend:
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
        assert result.version > 1_000_000
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
    exchange = named("noauth/032")

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return exchange.response()
        if request.url.path == "/source-connections":
            return httpx.Response(200, json=named("noauth/023").body[:1])
        job = _live_job(exchange) | {"id": exchange.bare.split("/")[4]}
        return httpx.Response(200, json=[job | {"status": "cancelling"}])

    async with backend_of(answer) as backend:
        job = await backend.jobs.cancel(exchange.bare.split("/")[4])
    assert job.status is JobStatus.CANCELLING


async def test_running_sync_is_named_in_the_conflict() -> None:
    exchange = named("noauth/022")
    async with backend_of(Scene(exchange)) as backend:
        with pytest.raises(Conflict) as caught:
            await backend.jobs.run(_id(exchange))
    assert caught.value.job_id == _live_job(exchange)["id"]
    assert str(caught.value.job_id) in str(caught.value)


async def test_paused_sync_says_what_to_do() -> None:
    exchange = named("noauth/119")
    async with backend_of(Scene(exchange)) as backend:
        with pytest.raises(Conflict, match="paused"):
            await backend.jobs.run(_id(exchange))


async def test_connection_with_nothing_to_run_is_made_runnable() -> None:
    connection_id = _id(named("noauth/088"))
    patched: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        one = {**named("noauth/087").body, "id": connection_id}
        if request.method == "PATCH":
            patched.append(json.loads(request.content)["schedule"])
        elif request.url.path.endswith("/jobs"):
            return named("noauth/089").response()
        elif request.url.path.endswith("/run"):
            return named("noauth/027").response()
        return httpx.Response(200, json=one)

    async with backend_of(answer) as backend:
        job = await backend.jobs.run(connection_id)
    assert job.status is JobStatus.PENDING
    assert [bool(schedule["cron"]) for schedule in patched] == [True, False]
    assert patched[1] == bodies.NO_SCHEDULE


async def test_jobs_of_a_connection_without_a_sync_are_none() -> None:
    async with backend_of(lambda _: named("noauth/089").response()) as backend:
        assert (await backend.jobs.list(UNKNOWN)).items == ()
