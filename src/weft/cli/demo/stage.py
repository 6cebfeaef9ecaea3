"""The stage of the demo: its client, printing and checking, which all steps share."""

import json
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from mcp.client.client import Client
from mcp_types import CallToolResult, TextContent, TextResourceContents
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

import weft
from weft.cli.terminal.progress_bar import progress_bar
from weft.cli.terminal.text import plain

WAIT_SECONDS = 45
KNOWN_LINE_WORDS = 6
QUERY_WORDS_MAX = 12

_ARGUMENT_MAX_CHARS = 60
_HIDDEN_ARGUMENTS = frozenset({"confirmation_token"})
_PROSE = re.compile(r"[A-Za-z][^#|`<\[\]]*$")

Structured = dict[str, Any]


class DemoFailed(Exception):
    """A step failed; the text names the fact that was wrong."""


class Step(Protocol):
    """One step. The first line of its docstring is its heading. Raises DemoFailed."""

    __doc__: str | None

    def __call__(self, stage: "Stage", /) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Place:
    """The folder and the files that the demo reads."""

    root: Path
    known_file: str
    include: tuple[str, ...]

    @classmethod
    def find(cls) -> "Place":
        """Find this checkout: the current folder, or the one that the package comes from."""
        package = Path(weft.__file__).parent.resolve()
        for root in (Path.cwd().resolve(), package.parents[1]):
            if (root / "README.md").is_file() and (root / "src" / "weft").is_dir():
                return cls(root, "README.md", ("/README.md", "/src/"))
        return cls(package, "__init__.py", ("*.py",))

    @property
    def is_clone(self) -> bool:
        """Return whether the folder is a git clone."""
        return (self.root / ".git").exists()

    def read_known_words(self) -> list[str]:
        """Read the words of the first real sentence in the known file."""
        text = (self.root / self.known_file).read_text(encoding="utf-8")
        for line in text.splitlines():
            words = re.findall(r"\w+", line)
            if len(words) >= KNOWN_LINE_WORDS and _PROSE.match(line.strip(" \"'")):
                return words[:QUERY_WORDS_MAX]
        raise DemoFailed(f"{self.known_file} has no sentence to look for.")

    @staticmethod
    def join_folders(*folders: Path) -> str:
        """Join folders into the value of one setting."""
        return os.pathsep.join(str(folder) for folder in folders)


@dataclass(slots=True)
class Stage:
    """The client, what earlier steps found, and how many facts were checked."""

    client: Client
    out: Console
    place: Place
    files: Path
    found: dict[str, str] = field(default_factory=dict[str, str])
    facts_checked: int = 0

    def announce(self, number: int, step: Step) -> None:
        """Print the heading of a step."""
        title = (step.__doc__ or "").splitlines()[0].rstrip(".")
        self.out.print(f"\n{number}. {title}", style="bold")

    def tell(self, text: str) -> None:
        """Print the outcome of a call."""
        self._print(text)

    def expect(self, fact: bool, what: str) -> None:
        """Check one fact. Raises DemoFailed naming it."""
        if not fact:
            raise DemoFailed(f"expected that {what}")
        self.facts_checked += 1

    async def call(self, tool: str, **arguments: Any) -> Structured:
        """Call a tool, show the call, return its structured result. Raises DemoFailed."""
        self._show_call(tool, arguments)
        return self._result(tool, await self.client.call_tool(tool, arguments))

    async def follow(
        self,
        tool: str,
        *,
        on_progress: Callable[[float], Awaitable[None]] | None = None,
        **arguments: Any,
    ) -> Structured:
        """Call a slow tool and draw the server's progress notifications."""
        self._show_call(tool, arguments)
        heard = 0
        with progress_bar("   progress", self.out, keep=True) as advance:

            async def show(progress: float, total: float | None, message: str | None) -> None:
                nonlocal heard
                heard += 1
                advance(progress, total, message or "")
                if on_progress is not None:
                    await on_progress(progress)

            answer = await self.client.call_tool(tool, arguments, progress_callback=show)
        self.tell(f"({heard} progress notifications)")
        self.expect(heard > 0, f"{tool} reports progress")
        return self._result(tool, answer)

    async def read(self, uri: str) -> Structured:
        """Read a resource as JSON."""
        self._print(f"> read {uri}", style="cyan")
        content = (await self.client.read_resource(uri, cache_mode="bypass")).contents[0]
        self.expect(isinstance(content, TextResourceContents), f"{uri} is text")
        return cast("Structured", json.loads(cast("TextResourceContents", content).text))

    async def sync(self, connection_id: str) -> Structured:
        """Run a sync to its end and return the job."""
        job = await self.follow("run_sync", connection_id=connection_id, wait_seconds=WAIT_SECONDS)
        while job["status"] in {"PENDING", "RUNNING"}:
            job = await self.follow("get_job", job_id=job["id"], wait_seconds=WAIT_SECONDS)
        self.tell(
            f"{job['status']}: {job['entities_inserted']:,} inserted, "
            f"{job['entities_unchanged']:,} unchanged, {job['entities_skipped']:,} skipped."
        )
        self.expect(job["status"] == "COMPLETED", f"the sync completes: {job.get('error', '')}")
        return job

    def _show_call(self, tool: str, arguments: Structured) -> None:
        shown = ", ".join(f"{key}={_short(key, value)}" for key, value in arguments.items())
        self._print(f"> {tool}({shown})", style="cyan")

    def _print(self, text: str, style: str = "") -> None:
        self.out.print(Padding(Text(plain(text), style=style), (0, 0, 0, 3)))

    def _result(self, tool: str, answer: CallToolResult) -> Structured:
        texts = [block.text for block in answer.content if isinstance(block, TextContent)]
        if answer.is_error or not answer.structured_content:
            raise DemoFailed(f"{tool} answered: {plain(' '.join(texts))}")
        return answer.structured_content


def _short(key: str, value: object) -> str:
    if key in _HIDDEN_ARGUMENTS:
        return "..."
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _ARGUMENT_MAX_CHARS else text[: _ARGUMENT_MAX_CHARS - 3] + "..."
