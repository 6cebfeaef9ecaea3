"""Answers of an API are bounded, looked at twice, and not just repeated."""

import gzip
from contextlib import nullcontext
from uuid import UUID

import httpx
import pytest
from pydantic import JsonValue

from tests.support.airweave.replay import load_exchanges, open_scripted_backend
from weft.domain.connections import ConnectionChange
from weft.domain.jobs import RunOptions
from weft.errors import SourceUnavailable, Unsupported
from weft.remote.api import client as client_module
from weft.remote.api.validation import read_problems
from weft.remote.state import bounded_memory as memory_module
from weft.remote.state.bounded_memory import Memory

pytestmark = pytest.mark.anyio

ALL = {exchange.name.partition("/")[2][:3]: exchange for exchange in load_exchanges()[22:]}
CANARY = "s3cr3t-canary"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Field required", "Field required"),
        ("String should have at most 42 characters", "String should have at most 42 characters"),
        (f"Input should be a valid string, not {CANARY}", "the API does not accept it"),
        (f"Value error, {CANARY} is not a name", "the API does not accept it"),
    ],
)
async def test_only_vetted_words_of_a_refusal_are_repeated(said: str, shown: str) -> None:
    body: JsonValue = {"detail": [{"loc": ["body", "name", CANARY], "msg": said}]}
    assert read_problems(body) == [("name", shown)]


async def test_what_is_remembered_is_bounded_and_the_newest_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_module, "REMEMBERED_MAX", 2)
    memory = Memory[str]()
    for key in ("a", "b", "a", "c"):
        memory.remember(key, key)
    assert list(memory) == ["a", "c"]


async def test_answer_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ANSWER_MAX_BYTES", 100)
    async with open_scripted_backend(
        lambda _: httpx.Response(200, content=b"[%s]" % (b" " * 100))
    ) as backend:
        with pytest.raises(SourceUnavailable, match="too large"):
            await backend.sources.list()


@pytest.mark.parametrize(("encoding", "is_read"), [("gzip", True), ("gzip, gzip", False)])
async def test_answer_is_unpacked_once_or_refused(encoding: str, is_read: bool) -> None:
    content = b"[]"
    for _ in encoding.split(","):
        content = gzip.compress(content)
    headers = {"content-encoding": encoding}
    async with open_scripted_backend(
        lambda _: httpx.Response(200, headers=headers, stream=httpx.ByteStream(content))
    ) as backend:
        with nullcontext() if is_read else pytest.raises(SourceUnavailable):
            assert await backend.sources.list() == []


async def test_change_whose_answer_was_lost_is_not_taken_for_done_by_its_looks() -> None:
    one = ALL["018"].body

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            return httpx.Response(500)
        return httpx.Response(200, json=one)

    async with open_scripted_backend(answer) as backend:
        with pytest.raises(SourceUnavailable, match="is not known"):
            await backend.connections.update(one["id"], ConnectionChange(name=one["name"]))


async def test_airweave_holds_no_deletions_so_none_are_applied() -> None:
    one = ALL["018"].body
    methods: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        methods.append(request.method)
        return httpx.Response(200, json=one)

    async with open_scripted_backend(answer) as backend:
        with pytest.raises(Unsupported, match="deletes without asking"):
            await backend.jobs.run(one["id"], RunOptions(agreed_deletions=3))
    assert set(methods) == {"GET"}


async def test_connection_that_is_deleted_meanwhile_hides_no_jobs_of_others() -> None:
    rows = [ALL["023"].body[0] | {"id": str(UUID(int=number))} for number in (1, 2)]
    job = {"id": str(UUID(int=3)), "source_connection_id": rows[1]["id"], "status": "running"}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/source-connections":
            return httpx.Response(200, json=rows)
        if rows[0]["id"] in request.url.path:
            return httpx.Response(404, json={"detail": "Source connection not found"})
        return httpx.Response(200, json=[job])

    async with open_scripted_backend(answer) as backend:
        page = await backend.jobs.list()
    assert [found.id for found in page.items] == [job["id"]]
