"""Processes that are given secrets, and everything that they say and leave behind."""

import re
import sys
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx

from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import Place, RawServer, raw_server
from tests.support.secrets.canary import Canaries
from tests.support.secrets.echo_upstream import EchoUpstream

Structured = dict[str, Any]

BURST = 200
CLI_SECONDS = 60
CLI_AT_ONCE = 3


@dataclass
class World:
    """One Weft, its upstream, the secrets, and what was said: where, and what."""

    place: Place
    upstream: EchoUpstream
    canaries: Canaries = field(default_factory=Canaries)
    said: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    settings: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of all processes."""
        return self.place.folder / "tmp"

    def secret(self, name: str) -> str:
        """The canary of that name, made when it is first asked for."""
        return self.canaries.by_name.get(name) or self.canaries.make(name)

    def hear(self, where: str, data: bytes | str) -> None:
        """Remember what was said."""
        self.said.append((where, data.encode() if isinstance(data, str) else data))

    def note_command(self, pid: int) -> None:
        """Remember what a list of processes shows of one."""
        shown = Path(f"/proc/{pid}/cmdline")
        if shown.exists():
            self.hear(f"command line of {pid}", shown.read_bytes())

    def leaks(self) -> list[str]:
        """Return what was sent or stored with a run of a secret in it, and of which."""
        found: list[str] = []
        for where, data in [*self.said, *self.read_stored()]:
            if self.canaries.find(data):
                lines = [line for line in data.splitlines() if self.canaries.find(line)]
                found += [f"{self.canaries.find(line)} in {where}: {line!r}" for line in lines]
                found += [] if lines else [f"{self.canaries.find(data)} in {where}"]
        return found

    async def cli(self, *arguments: str, given: str = "", **more: str) -> tuple[int, str]:
        """One verb, with ``given`` on standard input; the exit code, and what it printed."""
        process = await anyio.open_process(
            (sys.executable, "-m", "weft", *arguments),
            env=self.place.environment(**self.settings, **more),
        )
        async with process:
            self.note_command(process.pid)
            out: dict[str, bytes] = {"stdout": b"", "stderr": b""}
            with anyio.fail_after(CLI_SECONDS):
                async with anyio.create_task_group() as group:
                    group.start_soon(_read, process.stdout, out, "stdout")
                    group.start_soon(_read, process.stderr, out, "stderr")
                    assert process.stdin is not None
                    with suppress(anyio.BrokenResourceError):  # It may not be interested.
                        await process.stdin.send(given.encode())
                    await process.stdin.aclose()
                code = await process.wait()
        for name, data in out.items():
            self.hear(f"{name} of {' '.join(arguments)}", data)
        return code, out["stdout"].decode()

    async def verbs(self, verbs: Mapping[tuple[str, ...], str]) -> None:
        """Several verbs at once, with what each is given; each may fail as it likes."""
        limit = anyio.CapacityLimiter(CLI_AT_ONCE)

        async def one(verb: tuple[str, ...], given: str) -> None:
            async with limit:
                await self.cli(*verb, given=given)

        async with anyio.create_task_group() as group:
            for verb, given in verbs.items():
                group.start_soon(one, verb, given)

    @asynccontextmanager
    async def stdio(self, **more: str) -> AsyncGenerator[RawServer]:
        """A server process on pipes; what it wrote is heard when it has ended."""
        async with raw_server(self.place, **self.settings, **more) as server:
            self.note_command(server.process.pid)
            try:
                await server.initialize()
                yield server
                await server.close_stdin()
                assert await server.wait_for_exit() == 0
            finally:
                self.hear("stdio", b"\n".join(server.lines))

    @asynccontextmanager
    async def http(self, **more: str) -> AsyncGenerator["Web"]:
        """A server process over HTTP."""
        async with http_server(self.place, **self.settings, **more) as server:
            self.note_command(server.process.pid)
            yield Web(self, server)

    def read_stored(self) -> Iterable[tuple[str, bytes]]:
        yield "stderr of the servers", self.place.stderr.read_bytes()
        for folder in (self.place.home, self.temporary):
            for path in folder.rglob("*"):
                if path.is_file():
                    yield f"file {path.name}", path.read_bytes()


@dataclass
class Web:
    """An HTTP server whose every answer is heard."""

    world: World
    server: HttpServer

    @asynccontextmanager
    async def client(self, **headers: str) -> AsyncGenerator[httpx.AsyncClient]:
        """The operator's client, or whose token the headers name."""

        async def hear(response: httpx.Response) -> None:
            body = await response.aread()
            head = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
            where = f"{response.request.method} {response.request.url.path[:40]}"
            self.world.hear(where, f"{response.status_code}\n{head}\n".encode() + body)

        given = {**self.server.headers, **headers}
        async with httpx.AsyncClient(
            base_url=self.server.url, headers=given, timeout=60, event_hooks={"response": [hear]}
        ) as client:
            yield client


async def burst(server: RawServer, calls: Iterable[tuple[str, Structured]]) -> list[Structured]:
    """The results of calls that run at once, in their order."""
    waiting = list(calls)
    results: list[Structured] = []
    while waiting:
        now, waiting = waiting[:BURST], waiting[BURST:]
        ids = [
            await server.start("tools/call", {"name": tool, "arguments": arguments})
            for tool, arguments in now
        ]
        answers: dict[object, Structured] = {}
        while len(answers) < len(ids):
            message = await server.receive()
            if "method" not in message:
                answers[message.get("id")] = message
        results += [answers[each].get("result", answers[each]) for each in ids]
    return results


def successes_of(results: Iterable[Structured]) -> list[Structured]:
    """Return the structured content of the results that are no errors."""
    return [
        each["structuredContent"] for each in results if not each.get("isError", "code" in each)
    ]


async def submit(client: httpx.AsyncClient, url: str, values: Mapping[str, str]) -> httpx.Response:
    """Fill the form of a link as a browser does; cookies are the client's."""
    page = await client.get(url)
    proof = re.search(r'name="proof" value="([^"]+)"', page.text)
    assert proof is not None, page.text
    entries = {f"entry.{name}": value for name, value in values.items()}
    return await client.post(url, data={"proof": proof[1], **entries})


async def _read(stream: Any, out: dict[str, bytes], name: str) -> None:
    async for chunk in stream:
        out[name] += chunk
