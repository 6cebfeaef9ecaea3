"""A transcript cannot cheat: what no agent could do, or what costs too much, fails."""

from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from pydantic import ValidationError

from tests.evaluation.playing import Agent
from tests.evaluation.transcripts import Task, TranscriptError, Values, tasks_of
from tests.evaluation.world import Stage, World

pytestmark = pytest.mark.anyio

LISTED: Values = {"tool": "list_connections", "takes": {"connection": "'Team notes' (\\S+),"}}
SHOWN: Values = {"tool": "get_connection", "arguments": {"connection_id": "<connection>"}}


def task_of(*steps: Values, **fields: Any) -> Task:
    values: Values = {
        "name": "a-task",
        "wish": "How is it?",
        "calls": 5,
        "tokens": 500,
        "given": [{"do": "connection", "name": "Team notes", "short_name": "stub", "syncs": 0}],
        "step": steps,
        "end": {"unchanged": True},
    }
    return Task.model_validate(values | fields)


async def play_task(stage: Stage, task: Task) -> Agent:
    world = World(stage)
    try:
        await world.prepare(task)
        async with Client(stage.server(task.server), mode="2026-07-28") as client:
            agent = Agent(task, world, client)
            problem = None
            try:
                await agent.play()
            except TranscriptError as error:
                # Raised outside, because the client's task group would wrap it.
                problem = error
        if problem is not None:
            raise problem
        await world.verify(task.end, agent.known)
        return agent
    finally:
        await world.close()


async def test_calls_and_everything_read_are_counted(stage: Stage) -> None:
    agent = await play_task(stage, task_of(LISTED, SHOWN))
    assert agent.calls == 2
    assert agent.tokens == -(-sum(map(len, agent.read)) // 4)
    assert "Connection 'Team notes' (stub) is active." in agent.read[1]


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (SHOWN, "nobody told the agent <connection>"),
        (SHOWN | {"arguments": {"connection_id": "<connection_id>"}}, "nobody told the agent"),
        (SHOWN | {"arguments": {"connection_id": "Team notes"}}, "has not read of 'Team notes'"),
        (
            {"tool": "create_connection", "arguments": {"config": {"secret_field": 1}}},
            "has not read of 'secret_field'",
        ),
        ({"tool": "fix_everything"}, "the server does not offer it"),
        ({"resource": "weft://elsewhere"}, "has not read of 'weft://elsewhere'"),
        (LISTED | {"takes": {"connection": "no such (text)"}}, "<connection> is not in the text"),
        (LISTED | {"reads": ["2 connections"]}, "not in the text: 2 connections"),
        (LISTED | {"never": ["Team notes"]}, "in the text: Team notes"),
        (LISTED | {"fails": True}, "it did not fail"),
        (LISTED | {"guess": True}, "a guess must fail"),
        ({"tool": "get_job", "arguments": {"job_id": ""}}, "it failed"),
    ],
)
async def test_step_that_no_agent_could_take_fails(
    stage: Stage, step: Values, problem: str
) -> None:
    with pytest.raises(TranscriptError, match=problem):
        await play_task(stage, task_of(step))


async def test_value_that_the_wish_does_not_name_stays_unknown(stage: Stage) -> None:
    step = SHOWN | {"arguments": {"connection_id": "<connection_id>"}}
    agent = await play_task(stage, task_of(step, wish="How is <connection_id>?"))
    assert agent.calls == 1
    with pytest.raises(TranscriptError, match="nobody told"):
        await play_task(stage, task_of(step))


async def test_more_calls_than_stated_fail(stage: Stage) -> None:
    with pytest.raises(TranscriptError, match="more than 1 calls"):
        await play_task(stage, task_of(LISTED, SHOWN, calls=1))


async def test_more_tokens_than_stated_fail(stage: Stage) -> None:
    with pytest.raises(TranscriptError, match="tokens were read, more than 20"):
        await play_task(stage, task_of(LISTED, SHOWN, tokens=20))


async def test_answer_that_was_not_read_fails(stage: Stage) -> None:
    invented: Values = {"do": "invent", "words": ["title", "other"]}
    connected: Values = {"do": "connection", "name": "<title>", "short_name": "stub", "syncs": 0}
    step: Values = {"tool": "list_connections"}
    given = [invented, connected]
    await play_task(stage, task_of(step, given=given, answer=["'<title>'"]))
    with pytest.raises(TranscriptError, match="no answer has"):
        await play_task(stage, task_of(step, given=given, answer=["<other>"]))


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        ({"gone": ["Team notes"]}, "still there"),
        ({"connections": {"Others": {}}}, "there is no connection 'Others'"),
        ({"connections": {"Team notes": {"status": "error"}}}, "status is 'active'"),
        ({"connections": {"Team notes": {"config": {"entities": 1}}}}, "config is {}"),
        ({"connections": {"Team notes": {"schedule": {"cron": "x"}}}}, "schedule is None"),
        ({"jobs": {"Team notes": ["COMPLETED"]}}, "jobs of 'Team notes'"),
        ({"collections": []}, "collections is"),
        ({"searches": [{"collection": "team-docs", "query": "x", "hits": 1}]}, "hits of 'x'"),
    ],
)
async def test_wrong_final_state_fails(stage: Stage, end: Values, problem: str) -> None:
    with pytest.raises(TranscriptError, match=problem):
        await play_task(stage, task_of(LISTED, end=end))


def test_misspelt_key_of_a_task_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tasks.toml"
    path.write_text(
        '[[task]]\nname = "a"\nwish = "b"\ncalls = 1\ntokens = 1\nend = {}\n'
        'step = [{ tool = "list_sources", expects = ["x"] }]\n'
    )
    with pytest.raises(ValidationError, match="expects"):
        tasks_of(path)
