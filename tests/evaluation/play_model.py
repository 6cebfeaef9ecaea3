"""`make evaluate-model`: what a model can do that knows only the wish and the real server.

Each wish has a home of its own, in which other people's doings have happened, and a server of its
own over stdio. A wish is fulfilled if the answer has what was invented for it, and if afterwards
all is as its task says.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.evaluation.model import Endpoint, ModelError, Talk, talk
from tests.evaluation.transcripts import (
    Server,
    Task,
    TranscriptError,
    fill,
    load_tasks,
    variables,
)
from tests.evaluation.world import World, open_stage
from weft.cli.terminal.context import leaves
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.testing.stub import write_stub_plugin

LOG = Path("out") / "evaluate-model.jsonl"
_NEEDS_A_HAND = {"pass_time", "person_enters"}


@dataclass(frozen=True)
class Played:
    """A wish as it was played; ``trouble`` says why it was not fulfilled."""

    name: str
    talk: Talk
    trouble: str = ""


def playable(task: Task) -> bool:
    """Return whether a model can play it alone: nobody is asked, and no clock is put forward."""
    events = {event["do"] for event in task.given}
    meanwhile = any(step.meanwhile for step in task.step)
    alone = not task.person and not meanwhile and not events & _NEEDS_A_HAND
    return bool(task.answer) and alone and task.server == Server() and not task.not_yet


async def play(endpoint: Endpoint, task: Task, folder: Path) -> Played:
    """Play one wish in an empty folder."""
    async with open_stage(folder) as stage:
        world = World(stage, LOCAL_ORGANIZATION_ID)
        for collection in (await world.backend.collections.list()).items:
            await world.backend.collections.delete(collection.id, permanently=True)
        await world.prepare(task)
        before = await world.picture()
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "weft", "serve"],
            env={
                "WEFT_HOME": str(folder / "home"),
                "WEFT_FILES_ROOTS": str(stage.folder),
                "PYTHONPATH": str(write_stub_plugin(folder / "plugin")),
            },
        )
        held, trouble, changed = Talk(), "", False
        try:
            async with Client(stdio_client(server)) as client:
                await talk(endpoint, client, fill(task.wish, world.names), held)
            await world.verify(task.end, {})
            changed = task.end.unchanged and await world.picture() != before
        except* (ModelError, TranscriptError) as group:
            trouble = str(next(leaves(group))).partition("\n")[0]
    lacking = [
        name for name in variables(list(task.answer)) if world.names[name] not in held.answer
    ]
    if lacking:
        trouble = trouble or f"the answer lacks <{'>, <'.join(sorted(lacking))}>"
    elif changed:
        trouble = "it changed what was to stay"
    return Played(task.name, held, trouble)


def table(played: Sequence[Played]) -> list[str]:
    """Return the lines of the table: what each wish took, and what came of it."""
    width = max((len(each.name) for each in played), default=4)
    lines = [f"{'wish':{width}}  calls  rounds  characters  outcome"]
    lines += [
        f"{each.name:{width}}  {len(each.talk.calls):5}  {each.talk.rounds:6}  "
        f"{each.talk.chars:10}  {each.trouble or 'fulfilled'}"
        for each in played
    ]
    fulfilled = sum(not each.trouble for each in played)
    return [*lines, f"{fulfilled} of {len(played)} wishes fulfilled"]


def write_log(played: Sequence[Played], file: Path) -> None:
    """Write every call as a line of JSON."""
    file.parent.mkdir(exist_ok=True)
    lines = [
        json.dumps({"wish": each.name, **vars(call)}, ensure_ascii=False)
        for each in played
        for call in each.talk.calls
    ]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def main(wanted: Sequence[str]) -> int:
    """Play the wishes whose names are given, or all; return the exit code."""
    tasks = [task for task in load_tasks() if playable(task)]
    tasks = [task for task in tasks if not wanted or task.name in wanted]
    try:
        endpoint = Endpoint.from_environment()
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    played: list[Played] = []
    for task in tasks:
        with tempfile.TemporaryDirectory() as folder:
            played.append(anyio.run(play, endpoint, task, Path(folder)))
        sys.stderr.write(f"{task.name}: {played[-1].trouble or 'fulfilled'}\n")
    write_log(played, LOG)
    sys.stdout.write("\n".join(table(played)) + f"\nEach call is in {LOG}.\n")
    return 0 if played and not any(each.trouble for each in played) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
