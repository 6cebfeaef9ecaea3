"""Wishes played with a model behind an HTTP endpoint; a script stands in for the model."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from pydantic import SecretStr

from tests.evaluation import model
from tests.evaluation.model import Endpoint, ModelError, Talk, talk
from tests.evaluation.play_model import Played, play, playable, table, write_log
from tests.evaluation.transcripts import Server, load_tasks
from tests.evaluation.world import Stage, World
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json, serve

pytestmark = pytest.mark.anyio

KEY = "k-not-to-be-shown"
Messages = list[dict[str, Any]]
Answer = dict[str, Any] | int | str
Model = Callable[[Messages], Answer]


@asynccontextmanager
async def served(answer: Model, seen: list[HttpRequest] | None = None) -> AsyncGenerator[Endpoint]:
    """Serve a scripted model: a message, an HTTP status, or a raw body for the messages so far."""

    def reply(asked: HttpRequest) -> HttpReply:
        if seen is not None:
            seen.append(asked)
        given = answer(json.loads(asked.body)["messages"])
        if isinstance(given, int):
            return HttpReply(given)
        if isinstance(given, str):
            return HttpReply(body=given.encode())
        return as_json({"choices": [{"message": given}]})

    async with serve(reply) as site:
        yield Endpoint(f"{site.url}/v1", "scripted", SecretStr(KEY))


def calling(name: str, arguments: object = None) -> dict[str, Any]:
    given = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    function = {"name": name, "arguments": given}
    return {"role": "assistant", "tool_calls": [{"id": "1", "function": function}]}


def saying(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def last_read(messages: Messages) -> str:
    return messages[-1]["content"] if messages[-1]["role"] == "tool" else ""


@pytest.fixture
async def client(stage: Stage) -> Any:
    world = World(stage)
    async with Client(stage.server(Server())) as opened:
        yield opened
    await world.close()


async def converse(client: Client, endpoint: Endpoint) -> Talk:
    held = Talk()
    await talk(endpoint, client, "Which sources are there?", held)
    return held


async def test_model_gets_tools_and_instructions_and_its_reading_is_counted(client: Client) -> None:
    seen: list[HttpRequest] = []

    def answer(messages: Messages) -> Answer:
        return saying("files, git") if last_read(messages) else calling("list_sources")

    async with served(answer, seen) as endpoint:
        held = await converse(client, endpoint)
    assert held.answer == "files, git"
    [call] = held.calls
    assert (call.tool, call.failed, held.rounds) == ("list_sources", False, 2)
    first, second = (json.loads(asked.body) for asked in seen)
    assert held.chars == call.chars == len(second["messages"][-1]["content"])
    assert seen[0].path == "/v1/chat/completions"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert first["messages"][0]["content"] == client.instructions
    offered = {tool["function"]["name"]: tool["function"] for tool in first["tools"]}
    assert "connection_id" in offered["run_sync"]["parameters"]["properties"]


@pytest.mark.parametrize(
    ("wrong", "read"),
    [
        (calling("no_such_tool"), "no_such_tool"),
        (calling("list_sources", "{not json"), "not a JSON object"),
        (calling("list_sources", "[1]"), "not a JSON object"),
        (calling("get_source", {"name": "x"}), "There is no argument"),
    ],
)
async def test_wrong_call_is_answered_so_that_the_model_can_go_on(
    client: Client, wrong: dict[str, Any], read: str
) -> None:
    def answer(messages: Messages) -> Answer:
        return saying(last_read(messages)) if last_read(messages) else wrong

    async with served(answer) as endpoint:
        held = await converse(client, endpoint)
    assert read in held.answer
    assert held.calls[0].failed


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (500, "HTTP 500"),
        ("not json", "no message"),
        ('{"choices": []}', "no message"),
        ({"tool_calls": [{"id": "1"}]}, "no id, name or arguments"),
        (calling("list_sources"), f"no answer after {model.ROUNDS_MAX} rounds"),
    ],
)
async def test_endpoint_that_fails_ends_the_wish_and_shows_no_key(
    client: Client, answer: Answer, said: str
) -> None:
    async with served(lambda _: answer) as endpoint:
        with pytest.raises(ModelError, match=said) as caught:
            await converse(client, endpoint)
    assert KEY not in f"{caught.value!r} {endpoint!r}"


async def test_endpoint_that_nobody_serves_is_told(client: Client) -> None:
    async with served(lambda _: 200) as endpoint:
        pass
    with pytest.raises(ModelError, match="did not answer"):
        await converse(client, endpoint)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL_URL", "MODEL_NAME", "MODEL_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match="Set MODEL_URL and MODEL_NAME"):
        Endpoint.from_environment()
    monkeypatch.setenv("MODEL_URL", "http://127.0.0.1:1/v1/")
    monkeypatch.setenv("MODEL_NAME", "m")
    assert Endpoint.from_environment() == Endpoint("http://127.0.0.1:1/v1", "m")


async def test_wish_is_played_with_the_real_server_over_stdio(tmp_path: Path) -> None:
    """The script reads the file that the wish names; a model that invents is found out."""
    task = next(each for each in load_tasks() if each.name.startswith("wish-17"))
    assert playable(task)

    def reads(messages: Messages) -> Answer:
        if last_read(messages):
            return saying(last_read(messages))
        name = messages[1]["content"].split()[-1].rstrip(".")
        return calling("get_entity", {"entity_id": name})

    for folder in ("good", "bad"):
        (tmp_path / folder).mkdir()
    async with served(reads) as endpoint:
        good = await play(endpoint, task, tmp_path / "good")
    async with served(lambda _: saying("It is empty.")) as endpoint:
        bad = await play(endpoint, task, tmp_path / "bad")
    assert (good.trouble, bad.trouble) == ("", "the answer lacks <secret>")
    assert table([good, bad])[-1] == "1 of 2 wishes fulfilled"
    write_log([good, bad, Played("none", Talk())], tmp_path / "out" / "log.jsonl")
    [line] = (tmp_path / "out" / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["tool"] == "get_entity"
