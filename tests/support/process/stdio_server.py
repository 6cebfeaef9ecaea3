"""A server process for the tests of the stdio loop: a backend in memory, and marks on stderr."""

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio

from tests.support.server.fakes import FakeBackend, FakeSources
from tests.support.server.records import make_connection
from weft.domain.sources import SourceInfo
from weft.server.build import build_server
from weft.server.transport.stdio import serve_stdio


def mark(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@asynccontextmanager
async def open_server(mode: str) -> AsyncGenerator[FakeBackend]:
    backend = FakeBackend()
    backend.connections.rows["c1"] = make_connection("c1", name="Lone \ud83d end")
    try:
        yield backend
    finally:
        if mode == "hang":
            with anyio.CancelScope(shield=True):
                await anyio.sleep_forever()
        mark("closed")


class NoisySources(FakeSources):
    async def list(self) -> Sequence[SourceInfo]:
        sys.stdout.write("noise\n")
        sys.stdout.flush()
        await anyio.run_process(["echo", "child noise"], stdout=None)
        return await super().list()


async def main(mode: str) -> None:
    async with open_server(mode) as backend:
        if mode == "noise":
            backend.sources = NoisySources()
        await serve_stdio(build_server(lambda _: backend.as_backend(), version="1"))
        sys.stdout.write("late noise\n")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
