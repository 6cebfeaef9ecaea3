"""Tasks of the evaluation: a wish, the calls that fulfil it, and what is true afterwards.

Tasks are data (`tasks/*.toml`), so that no transcript can compute what an agent could not know.
In all texts `<name>` stands for a value: one that the wish names, or one that an earlier step took
out of what it read. `<name:int>` is the same as a number, and `<null>` is null, which TOML lacks.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

TASKS_FOLDER = Path(__file__).with_name("tasks")
_VARIABLE = re.compile(r"<([a-z][a-z_]*)(:int)?>")
_NULL = "<null>"

Values = dict[str, Any]


class Data(BaseModel):
    """A table of a task file; a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(Data):
    """One call: of a tool, of a prompt, or reading a resource.

    ``reads`` are texts that the agent must see in the answer, ``never`` what it must not see, and
    ``takes`` regular expressions whose one group is a value for later steps. ``meanwhile`` happens
    before the call. ``guess`` marks arguments that the agent cannot know; such a call must fail.
    """

    tool: str = ""
    prompt: str = ""
    resource: str = ""
    arguments: Values = Field(default_factory=dict)
    guess: bool = False
    fails: bool = False
    reads: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    takes: dict[str, str] = Field(default_factory=dict[str, str])
    meanwhile: tuple[Values, ...] = ()

    @property
    def call(self) -> str:
        """Return the name of the call, for messages."""
        return self.tool or self.prompt or self.resource


class Hit(Data):
    """Results that a search of a collection must have in the end."""

    collection: str
    query: str
    hits: int


class End(Data):
    """The state afterwards. ``connections`` are fields by name, ``jobs`` statuses, newest first."""

    connections: dict[str, Values] = Field(default_factory=dict[str, Values])
    gone: tuple[str, ...] = ()
    jobs: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    collections: tuple[str, ...] | None = None
    searches: tuple[Hit, ...] = ()
    unchanged: bool = False


class Server(Data):
    """The operator's decisions."""

    read_only: bool = False
    no_delete: bool = False
    inline_credentials: Literal["allow", "warn", "deny"] = "warn"


class Task(Data):
    """``calls`` and ``tokens`` (characters/4 of all that is read) are ceilings.

    ``answer`` are texts with invented values, which the agent must have read in the end and that
    nobody told it. ``not_yet`` is the reason why the task is not possible so far; whoever makes it
    possible has to take the mark away.
    """

    name: str
    wish: str
    calls: int = Field(ge=1)
    tokens: int = Field(ge=1)
    server: Server = Server()
    person: tuple[str | Values, ...] = ()
    given: tuple[Values, ...] = ()
    step: tuple[Step, ...] = Field(min_length=1)
    answer: tuple[str, ...] = ()
    not_yet: str = ""
    end: End


class TranscriptError(AssertionError):
    """A transcript does what no agent could, or the server did not say what it needs."""


def load_tasks() -> list[Task]:
    """All tasks, in the order of the files."""
    return [task for path in sorted(TASKS_FOLDER.glob("*.toml")) for task in tasks_of(path)]


def tasks_of(path: Path) -> list[Task]:
    """The tasks of one file."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["task"]
    return [Task.model_validate(table) for table in tables]


def variables(value: object) -> set[str]:
    """The names that stand for values anywhere in ``value``."""
    found = (_VARIABLE.finditer(text) for text in texts_in(value) if text != _NULL)
    return {match.group(1) for matches in found for match in matches}


def texts_in(value: object) -> Iterator[str]:
    """All texts in ``value``; keys of tables are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, object]", value).values():
            yield from texts_in(item)
    elif isinstance(value, list | tuple):
        for item in cast("list[object]", value):
            yield from texts_in(item)


def fill(value: Any, known: Mapping[str, str]) -> Any:
    """Replace the variables in ``value``. Raises TranscriptError for an unknown one."""
    if value == _NULL:
        return None
    if isinstance(value, str):
        whole = _VARIABLE.fullmatch(value)
        if whole and whole.group(2):
            return int(_look_up(whole.group(1), known))
        return _replace(value, known, str)
    if isinstance(value, Mapping):
        table = cast("Mapping[str, Any]", value)
        return {key: fill(item, known) for key, item in table.items()}
    if isinstance(value, list | tuple):
        return [fill(item, known) for item in cast("list[Any]", value)]
    return value


def pattern(text: str, known: Mapping[str, str]) -> re.Pattern[str]:
    """Compile a regular expression in which the values of variables are literal."""
    return re.compile(_replace(text, known, re.escape), re.MULTILINE)


def _replace(text: str, known: Mapping[str, str], shown: Callable[[str], str]) -> str:
    return _VARIABLE.sub(lambda match: shown(_look_up(match.group(1), known)), text)


def _look_up(name: str, known: Mapping[str, str]) -> str:
    if name not in known:
        raise TranscriptError(f"nobody told the agent <{name}>; it knows {sorted(known)}")
    return known[name]
