"""Plays a task as an agent that knows the wish, what the server says of itself, and what it read.

The transcript cannot cheat: values come out of texts that were read, ids and names of fields must
have been read before they are used, and what is read is counted.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from mcp.client import Client
from mcp_types import TextContent, TextResourceContents

from tests.evaluation.transcripts import (
    Step,
    Task,
    TranscriptError,
    Values,
    fill,
    pattern,
    variables,
)

CHARS_PER_TOKEN = 4
REFERENCES = (
    *("connection_id", "job_id", "readable_collection_id", "short_name", "entity_id"),
    *("cursor", "confirmation_token", "entity_type", "status", "uri"),
)
"""Arguments that name something which exists, so that the agent must have read of it."""

_TABLES_OF_FIELDS = ("config", "auth", "schedule")


class Scene(Protocol):
    """The place where a task is played."""

    @property
    def names(self) -> Mapping[str, str]:
        """Values that a wish may name."""
        ...

    async def happen(self, event: Values, read: Mapping[str, str] | None = None) -> None:
        """Let something happen that the agent does not do, knowing what it has read."""
        ...


@dataclass
class Agent:
    """Makes the calls of one task and keeps account."""

    task: Task
    scene: Scene
    client: Client
    read: list[str] = field(default_factory=list[str])
    known: dict[str, str] = field(default_factory=dict[str, str])
    offered: set[str] = field(default_factory=set[str])
    vocabulary: str = ""
    calls: int = 0

    @property
    def tokens(self) -> int:
        """The size of all answers that were read."""
        return math.ceil(sum(map(len, self.read)) / CHARS_PER_TOKEN)

    async def play(self) -> None:
        """Make all calls. Raises TranscriptError at the first that does not go as written."""
        await self._begin()
        for number, step in enumerate(self.task.step, 1):
            try:
                await self._take(step)
            except TranscriptError as error:
                last = self.read[-1] if self.read else "nothing"
                place = f"{self.task.name}, step {number} ({step.call})"
                raise TranscriptError(f"{place}: {error}\n--- last read:\n{last}") from None
        self._require_answer()

    def _require_answer(self) -> None:
        """Raises TranscriptError if what only the world knew was not read."""
        read = "\n".join(self.read)
        for text in self.task.answer:
            answer = fill(text, self.scene.names)
            if answer not in read:
                raise TranscriptError(f"{self.task.name}: no answer has '{answer}'\n---\n{read}")

    async def _begin(self) -> None:
        named = variables(self.task.wish)
        self.known = {name: value for name, value in self.scene.names.items() if name in named}
        wish = fill(self.task.wish, self.known)
        tools = (await self.client.list_tools()).tools
        schemas = [tool.model_dump(mode="json", exclude_none=True) for tool in tools]
        self.offered = {tool.name for tool in tools}
        about = [self.client.instructions or "", json.dumps(schemas)]
        if any(step.prompt for step in self.task.step):
            self.offered |= {one.name for one in (await self.client.list_prompts()).prompts}
        if any(step.resource for step in self.task.step):
            about += [one.uri for one in (await self.client.list_resources()).resources]
        self.vocabulary = "\n".join([wish, *about])

    async def _take(self, step: Step) -> None:
        for event in step.meanwhile:
            await self.scene.happen(event, self.known)
        if not step.guess:
            if not step.resource and step.call not in self.offered:
                raise TranscriptError("the server does not offer it")
            _require_read(step, self.vocabulary)
        elif not step.fails:
            raise TranscriptError("a guess must fail: what works is known, or was luck")
        self.calls += 1
        if self.calls > self.task.calls:
            raise TranscriptError(f"more than {self.task.calls} calls")
        text, failed = await self._answer(step, fill(step.arguments, self.known))
        self.read.append(text)
        self.vocabulary += f"\n{text}"
        self._judge(step, text, failed)
        if self.tokens > self.task.tokens:
            raise TranscriptError(f"{self.tokens} tokens were read, more than {self.task.tokens}")

    async def _answer(self, step: Step, arguments: Values) -> tuple[str, bool]:
        if step.resource:
            found = await self.client.read_resource(fill(step.resource, self.known))
            parts = [part for part in found.contents if isinstance(part, TextResourceContents)]
            return "\n".join(part.text for part in parts), False
        if step.prompt:
            said = await self.client.get_prompt(step.prompt, arguments)
            blocks = [message.content for message in said.messages]
            return "\n".join(b.text for b in blocks if isinstance(b, TextContent)), False
        result = await self.client.call_tool(step.tool, arguments)
        texts = [block.text for block in result.content if isinstance(block, TextContent)]
        return "\n".join(texts), bool(result.is_error)

    def _judge(self, step: Step, text: str, failed: bool) -> None:
        if failed != step.fails:
            raise TranscriptError("it failed" if failed else "it did not fail")
        # What is read may name what this very answer told.
        for name, expression in step.takes.items():
            match = pattern(expression, self.known).search(text)
            if match is None:
                raise TranscriptError(f"<{name}> is not in the text: {expression}")
            self.known[name] = match.group(1)
        for expected in step.reads:
            if fill(expected, self.known) not in text:
                raise TranscriptError(f"not in the text: {fill(expected, self.known)}")
        for unwanted in step.never:
            if fill(unwanted, self.known) in text:
                raise TranscriptError(f"in the text: {fill(unwanted, self.known)}")


def _require_read(step: Step, vocabulary: str) -> None:
    """Raises TranscriptError if a literal names something that the agent has not read of."""
    arguments = step.arguments | ({"uri": step.resource} if step.resource else {})
    needed = [str(arguments[name]) for name in REFERENCES if name in arguments]
    for name in _TABLES_OF_FIELDS:
        needed += _names_of_fields(arguments.get(name))
    for literal in (text for text in needed if not variables(text)):
        if not re.search(rf"(?<![\w-]){re.escape(literal)}(?![\w-])", vocabulary):
            raise TranscriptError(f"the agent has not read of '{literal}'")


def _names_of_fields(value: object) -> list[str]:
    if not isinstance(value, Mapping):
        return []
    table = cast("Mapping[str, Any]", value)
    return [*table, *(name for item in table.values() for name in _names_of_fields(item))]
