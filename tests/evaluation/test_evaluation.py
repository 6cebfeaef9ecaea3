"""Every task is possible in the stated number of calls, with what an agent knows and reads."""

import re

import pytest
from mcp.client import Client

from tests.evaluation.measuring import Measured
from tests.evaluation.playing import Agent
from tests.evaluation.transcripts import (
    End,
    Task,
    TranscriptError,
    fill,
    load_tasks,
    texts_in,
    variables,
)
from tests.evaluation.world import Stage, World
from tests.support.server.person import Person

pytestmark = pytest.mark.anyio

TASKS = load_tasks()
ANSWERED = [task for task in TASKS if task.answer]
PLAYED = [
    pytest.param(
        task,
        id=task.name,
        marks=[pytest.mark.xfail(reason=task.not_yet, raises=TranscriptError, strict=True)]
        if task.not_yet
        else [],
    )
    for task in TASKS
]
NEWEST = "2026-07-28"
ERAS = (NEWEST, "legacy")
TASKS_MIN = 30
CALLS_FROM_NOTHING_MAX = 5
FROM_NOTHING = ("repository-nightly", "folder-from-nothing", "folder-from-an-error")
# Ids, tokens and paths of this machine: an agent reads them, or is told by the wish.
LOOKS_MADE = re.compile(r"[0-9a-f]{8}|[A-Za-z0-9_-]{24,}|^/(?!etc$)|https?://")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("task", PLAYED)
async def test_task_is_done_as_written(
    task: Task, era: str, stage: Stage, measured: list[Measured]
) -> None:
    world = World(stage)
    try:
        await world.prepare(task)
        before = await world.picture()
        person = Person(*fill(task.person, world.names)) if task.person else None
        async with Client(
            stage.server(task.server), mode=era, elicitation_callback=person
        ) as client:
            agent = Agent(task, world, client)
            problem = None
            try:
                await agent.play()
            except TranscriptError as error:
                # Raised outside, because the client's task group would wrap it.
                problem = error
        if problem is not None:
            raise problem
        assert person is None or not person.answers, "nobody asked for the rest of the answers"
        await world.verify(task.end, agent.known)
        if task.end.unchanged:
            assert await world.picture() == before
        if era == NEWEST:
            measured.append(Measured(task.name, agent.calls, agent.tokens, task.tokens))
    finally:
        await world.close()


def test_there_are_enough_tasks_and_no_two_of_a_name() -> None:
    names = [task.name for task in TASKS]
    assert len(names) == len(set(names))
    assert len(names) >= TASKS_MIN


def test_every_task_says_what_is_true_afterwards_and_what_is_read() -> None:
    assert [task.name for task in TASKS if task.end == End()] == []
    silent = [task.name for task in TASKS if not any(step.reads for step in task.step)]
    assert silent == []


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_nothing_in_a_transcript_was_known_before(task: Task) -> None:
    arguments = [text for step in task.step for text in texts_in([step.arguments, step.resource])]
    assert not [text for text in arguments if LOOKS_MADE.search(text)]


@pytest.mark.parametrize("task", ANSWERED, ids=lambda task: task.name)
def test_answer_is_invented_and_neither_told_nor_used(task: Task) -> None:
    events = [event for event in task.given if event["do"] == "invent"]
    invented = {name for event in events for name in texts_in(event) if name != "invent"}
    used = variables([[step.arguments, step.resource] for step in task.step])
    for text in task.answer:
        needed = variables(text)
        assert needed, "anybody knows it"
        assert needed <= invented
        assert not needed & variables(task.wish), "the wish told it"
    taken = {name for step in task.step for name in step.takes}
    assert used <= taken | variables(task.wish)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_what_is_taken_is_used(task: Task) -> None:
    for number, step in enumerate(task.step):
        here = [step.reads, list(step.takes.values())]
        later = [[each.model_dump() for each in task.step[number + 1 :]], task.end.model_dump()]
        assert set(step.takes) <= variables([here, later]), "a value that nobody needs"


@pytest.mark.parametrize("name", FROM_NOTHING)
def test_empty_database_is_searchable_within_five_calls(name: str) -> None:
    """The task itself, played above, proves that content is found; here is what it may cost."""
    (task,) = [task for task in TASKS if task.name == name]
    assert not [event for event in task.given if event["do"] not in ("files", "repository")]
    assert task.calls <= CALLS_FROM_NOTHING_MAX
    assert all(search.hits for search in task.end.searches)
    assert task.end.searches
