"""No text claims more than the counts say, whatever is called and whatever the source does.

Random sequences of calls, over a source that a script lets fail, skip, shrink and omit. The judge
knows the counts, and looks for words that sound complete: one that it has no test for fails.
"""

import json
import os
import random
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mcp.client import Client
from mcp_types import CallToolResult, TextResourceContents

from tests.support.local.embedded import Embedded, open_embedded
from tests.support.server.fakes import text_of
from weft.cli.terminal.follow import summary
from weft.cli.terminal.text import job_outcome
from weft.cli.verbs.connections.fields import facts_of
from weft.domain.connections import Connection
from weft.domain.jobs import Job, JobStatus
from weft.server.build import build_server

EXAMPLES = int(os.environ.get("TORTURE_EXAMPLES", "15"))
CALLS_MAX = 6
WORD_OF_ALL = "brown"  # Every text of the source has it, unless it is empty.

SOUNDS_COMPLETE = re.compile(
    r"\b(complete(?:ly)?|all|every\w*|whole|entire\w*|up[- ]to[- ]date|in sync|nothing|none"
    r"|no more|found|finds|fully|success\w*|succeeded)\b",
    re.IGNORECASE,
)
BAD_NUMBER = re.compile(
    r"\b1 (?:entities|deletions|connections|syncs|jobs|hits|lines|links|more are)\b"
    r"|\b1 [^.,;:]{0,30}? (?:are|were|have) |\b(?!1\b)\d+ of what it \w+ (?:was|has)\b"
)
UNTRUSTED = re.compile(r"<untrusted-content id=(\w+)>.*?</untrusted-content id=\1>", re.DOTALL)
COUNTED = ("inserted", "updated", "deleted", "unchanged", "skipped", "failed")


@dataclass
class World:
    """What is true: the connections and jobs as the backend has them, and the texts stored."""

    embedded: Embedded
    client: Client
    draw: random.Random
    connections: dict[str, Connection] = field(default_factory=dict[str, Connection])
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    texts: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    async def look(self) -> None:
        """Learn what is true now."""
        backend = self.embedded.backend
        page = await backend.connections.list(limit=100)
        self.connections = {each.id: each for each in page.items}
        self.jobs = {each.id: each for each in (await backend.jobs.list(limit=100)).items}
        self.texts = {key: self.embedded.texts(each) for key, each in self.connections.items()}

    def find_job(self, line: str) -> Job | None:
        """Find the job that a line names, or the last one of the connection that it names."""
        named = (each for key, each in self.jobs.items() if key in line)
        last = (each.sync.last_job for key, each in self.connections.items() if key in line)
        return next(named, None) or next(last, None)

    @property
    def total(self) -> int:
        """How much is stored in all."""
        return sum(map(len, self.texts.values()))

    @property
    def has_word(self) -> bool:
        """Whether a stored text has the word that is searched for."""
        return any(WORD_OF_ALL in text for texts in self.texts.values() for text in texts.values())


def ended_well(job: Job) -> bool:
    return job.status is JobStatus.COMPLETED and not phrases_of(job)


def found_nothing_new(_: World, job: Job, __: re.Match[str]) -> bool:
    return ended_well(job) and not job.entities_inserted + job.entities_updated


def finds_what_it_read(world: World, job: Job, _: re.Match[str]) -> bool:
    return ended_well(job) and any(world.texts[job.source_connection_id].values())


def read_nothing(world: World, job: Job, _: re.Match[str]) -> bool:
    return not job.entities_read


def stores_nothing(world: World, job: Job, _: re.Match[str]) -> bool:
    return not world.texts[job.source_connection_id]


def stores_some(world: World, job: Job, _: re.Match[str]) -> bool:
    return bool(world.texts[job.source_connection_id])


def has_that_history(world: World, job: Job, match: re.Match[str]) -> bool:
    owner = job.source_connection_id
    own = [each.status for each in world.jobs.values() if each.source_connection_id == owner]
    ended = [own.count(JobStatus.COMPLETED), own.count(JobStatus.FAILED)]
    return [int(number) for number in match.groups()] == [sum(ended), *ended]


def would_leave_nothing(world: World, job: Job, _: re.Match[str]) -> bool:
    hold = world.connections[job.source_connection_id].deletions_held
    return hold is not None and hold.count == len(world.texts[job.source_connection_id])


def says_nothing_of_it(_: World, __: re.Match[str]) -> bool:
    """Admit words that are about something else than what was stored."""
    return True


CLAIMS_ABOUT_A_JOB = {
    r"it found nothing new": found_nothing_new,
    r"search finds what it read": finds_what_it_read,
    r"it read nothing": read_nothing,
    r"nothing of it is stored": stores_nothing,
    r"nothing would be left": would_leave_nothing,
    r"search still finds them": stores_some,
    r"(\d+) run, (\d+) succeeded, (\d+) failed": has_that_history,
}
CLAIMS: dict[str, Callable[[World, re.Match[str]], bool]] = {
    r"stored in all (\d+)": lambda world, match: int(match.group(1)) == world.total,
    r"In all: (\d+) connections? with (\d+)": lambda world, match: (
        [int(number) for number in match.groups()] == [len(world.connections), world.total]
    ),
    r"Nothing is deleted yet\.": lambda world, _: any(
        each.deletions_held for each in world.connections.values()
    ),
    r"Nothing is stored here": lambda world, _: not world.total,
    r"None of these fits": lambda world, _: bool(world.total),
    r"Nothing fits\.": lambda world, _: not world.has_word,
    r"\d+ hits? with all words": lambda world, _: world.has_word,
    r"No connection fits .* Without it list_connections shows all": lambda world, _: (
        not any(each.attention for each in world.connections.values())
    ),
    r"links that it followed leads? to nothing": says_nothing_of_it,
    r"so there are none to apply": says_nothing_of_it,
    r"(?:schedule|auth|authentication): none": says_nothing_of_it,
}


def phrases_of(job: Job) -> list[str]:
    """Say from the counts what every text about the job must tell that it left undone."""
    if job.status is not JobStatus.COMPLETED:
        return []
    kinds = {each.kind.value for each in job.findings}
    said = {
        "could not be read": job.entities_failed,
        "skipped": job.entities_skipped,
        "held": job.deletions_held,
        "its listing had gaps": job.incomplete,
        "it read nothing": job.full_sync and not job.entities_read,
        "no text": "empty" in kinds,
        "was reached": kinds & {"limit", "older"},
        "lead": "dead_links" in kinds,
    }
    return [phrase for phrase, applies in said.items() if applies]


def judge(world: World, text: str, subject: Job | None) -> None:
    """Raise AssertionError for a claim that is not true, or that nobody has a test for."""
    own = UNTRUSTED.sub("", text)
    assert not BAD_NUMBER.search(own), own
    for word in SOUNDS_COMPLETE.finditer(own):
        start = own.rfind("\n", 0, word.start()) + 1
        end = own.find("\n", word.end())
        line = own[start : end if end >= 0 else len(own)]
        judge_line(world, line, word.start() - start, world.find_job(line) or subject)


def judge_line(world: World, line: str, at: int, job: Job | None) -> None:
    """Find the test for the word at that place, and apply it."""
    for words in (*CLAIMS, *CLAIMS_ABOUT_A_JOB):
        for match in re.finditer(words, line):
            if match.start() <= at < match.end():
                if words in CLAIMS:
                    assert CLAIMS[words](world, match), line
                else:
                    assert job is not None, line
                    assert CLAIMS_ABOUT_A_JOB[words](world, job, match), (line, job)
                return
    raise AssertionError(f"no test says when this is true: {line}")


def judge_job(text: str, job: Job) -> None:
    """Raise AssertionError if a text that calls a job COMPLETED leaves out what it left undone."""
    for phrase in phrases_of(job):
        assert phrase in text, (phrase, text)


def judge_about(world: World, text: str, job: Job) -> None:
    judge(world, text, job)
    judge_job(text, job)
    for name in COUNTED:
        number = getattr(job, f"entities_{name}")
        assert not number or re.search(rf"\b{number} {name}", text), (name, text)
    first = re.search(r"first sync is (\w+)", text)
    assert first is None or first.group(1) == ("running" if job.started_at else "queued"), text


def judge_data(world: World, data: object, subject: Job | None) -> None:
    """Judge our own texts in structured data, and that each completed job there has warnings."""
    if isinstance(data, Mapping):
        table = cast("Mapping[str, Any]", data)
        job = world.jobs.get(str(table.get("id")), subject)
        job = world.jobs.get(str(table.get("job_id")), job)
        if table.get("status") == "COMPLETED" and table.get("id") in world.jobs:
            assert job is not None
            told = " ".join(each["message"] for each in table.get("warnings", ()))
            judge_job(told, job)
        connection = world.connections.get(str(table.get("id")))
        for key, value in table.items():
            no_prose = key in ("config", "description", "confirmation_token")
            if no_prose or key.startswith("untrusted"):
                continue
            judge_data(world, value, connection.sync.last_job if connection else job)
    elif isinstance(data, list | tuple):
        for each in cast("list[object]", data):
            judge_data(world, each, subject)
    elif isinstance(data, str) and " " in data:
        judge(world, data, subject)


def draw_config(draw: random.Random, generation: int) -> dict[str, Any]:
    """Draw what the source does; half of it does nothing odd."""
    odd = draw.random() < 0.6
    return {
        "entities": draw.choice((0, 1, 2, 7, 12)),
        "page_size": draw.choice((3, 100)),
        "change_every": draw.choice((0, 3)),
        "text_chars": draw.choice((200, 200, 0)),
        "generation": generation,
        "versions": draw.random() < 0.5,
        "incomplete": odd and draw.random() < 0.4,
        "failed_every": draw.choice((0, 0, 1, 2)) if odd else 0,
        "skipped_every": draw.choice((0, 0, 1, 3)) if odd else 0,
        "beyond": draw.choice((None, None, -1, 1, 5)) if odd else None,
        "omission": draw.choice(("limit", "older", "dead_links")),
        "fail_at": draw.choice((None, None, None, 0, 1)) if odd else None,
        "error": draw.choice(("access", "crash")),
        "expire_cursor": odd and draw.random() < 0.2,
    }


async def call(world: World, tool: str, **arguments: Any) -> CallToolResult:
    """Call a tool, and learn what is true afterwards."""
    result = await world.client.call_tool(tool, arguments)
    await world.look()
    return result


async def create(world: World) -> None:
    made = await world.client.call_tool(
        "create_connection", {"short_name": "stub", "config": draw_config(world.draw, 0)}
    )
    assert made.structured_content is not None, text_of(made)
    job = made.structured_content["sync"]["last_job"]
    said = {"PENDING": "queued", "RUNNING": "running"}.get(job["status"], "over")
    assert f"first sync is {said}" in text_of(made)
    await world.client.call_tool("get_job", {"job_id": job["id"], "wait_seconds": 45})
    await world.look()


async def change_source(world: World) -> None:
    key, generation = pick(world), world.draw.randint(0, 3)
    config = draw_config(world.draw, generation)
    result = await call(world, "update_connection", connection_id=key, config=config)
    judge_result(world, result, world.connections[key].sync.last_job)


async def sync_one(world: World) -> None:
    force = world.draw.random() < 0.3
    result = await call(
        world, "run_sync", connection_id=pick(world), wait_seconds=45, force_full_sync=force
    )
    assert result.structured_content is not None, text_of(result)
    judge_about(world, text_of(result), world.jobs[result.structured_content["id"]])


async def sync_all(world: World) -> None:
    result = await call(world, "run_sync", readable_collection_id="default", wait_seconds=45)
    judge_result(world, result, None)
    judge_lines(world, text_of(result))
    head = f"{len(world.connections)} of {len(world.connections)} sync"
    assert text_of(result).startswith(head), text_of(result)


async def apply_deletions(world: World) -> None:
    key = pick(world)
    asked = {"connection_id": key, "apply_deletions": True, "wait_seconds": 45}
    preview = await call(world, "run_sync", **asked)
    judge_result(world, preview, world.connections[key].sync.last_job)
    if not preview.is_error and preview.structured_content:
        token = preview.structured_content["confirmation_token"]
        result = await call(world, "run_sync", **asked, confirmation_token=token)
        judge_result(world, result, world.connections[key].sync.last_job)


ACTIONS = (create, change_source, change_source, sync_one, sync_one, sync_all, apply_deletions)


def pick(world: World) -> str:
    return world.draw.choice(list(world.connections))


def judge_result(world: World, result: CallToolResult, subject: Job | None) -> None:
    judge(world, text_of(result), subject)
    judge_data(world, result.structured_content, subject)


def judge_lines(world: World, text: str) -> None:
    """Judge what lists say of completed jobs: an item begins with a dash."""
    for item in re.split(r"^- ", UNTRUSTED.sub("", text), flags=re.MULTILINE):
        for key, job in world.jobs.items():
            if re.search(rf"{key}[^,]* COMPLETED|COMPLETED[^,]*{key}", item):
                judge_job(item, job)


async def read_everything(world: World) -> None:
    """Read all that tells of syncs and of what is stored, by tools, resources and for people."""
    for tool, arguments in (
        ("list_connections", {}),
        ("list_connections", {"needs_attention": True}),
        ("list_jobs", {}),
        ("list_entities", {}),
        ("list_entities", {"path": "no-such-*"}),
        ("list_entities", {"change": "any"}),
        ("search", {"query": WORD_OF_ALL}),
    ):
        result = await world.client.call_tool(tool, arguments)
        judge_result(world, result, None)
        judge_lines(world, text_of(result))
    for key, connection in world.connections.items():
        job = connection.sync.last_job
        assert job is not None
        told = await world.client.call_tool("get_job", {"job_id": job.id})
        judge_about(world, text_of(told), job)
        judge_data(world, told.structured_content, job)
        whole = await world.client.call_tool("get_connection", {"connection_id": key})
        judge_result(world, whole, job)
        judge_job(text_of(whole), job)
        judge_about(world, "\n".join(summary(job)), job)
        judge(world, job_outcome(job), job)
        judge_job(job_outcome(job), job)
        facts = "\n".join(f"{label}: {value}" for label, value in facts_of(connection))
        judge(world, facts, job)
        judge_job(facts, job)
        for uri in (f"weft://connections/{key}", f"weft://connections/{key}/jobs"):
            read = await world.client.read_resource(uri)
            for part in read.contents:
                assert isinstance(part, TextResourceContents)
                judge_data(world, json.loads(part.text), job)


async def play(embedded: Embedded, draw: random.Random) -> None:
    server = build_server(lambda _: embedded.backend, version="1")
    async with Client(server) as client:
        world = World(embedded, client, draw)
        await create(world)
        for _ in range(draw.randint(1, CALLS_MAX)):
            await draw.choice(ACTIONS)(world)
            await read_everything(world)


@given(seed=st.integers(0, 2**32))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    # A smaller seed is not a simpler case.
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)
def test_no_text_claims_what_the_counts_deny(seed: int) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with open_embedded(Path(folder)) as embedded:
                await play(embedded, random.Random(seed))

    anyio.run(run)
