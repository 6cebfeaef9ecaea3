"""An agent that connects one source by the real tools, in the test's process."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp.client import Client

from tests.support.local.embedded import Embedded, open_embedded
from tests.support.server.fakes import text_of
from weft.domain.jobs import Job, RunOptions
from weft.server.build import build_server
from weft.sources.base import AnySource, SourceContext


@dataclass
class Agent:
    """Calls tools, and keeps what they answered."""

    client: Client
    embedded: Embedded
    answers: list[str] = field(default_factory=list[str])

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must not fail; return its data."""
        result = await self.client.call_tool(tool, arguments)
        self.answers.append(text_of(result))
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        return result.structured_content

    async def follow(self) -> dict[str, Any]:
        """Follow the job that the last answer names, as it says."""
        named = re.search(r"get_job\(job_id='([^']+)', wait_seconds=(\d+)\)", self.answers[-1])
        assert named is not None, self.answers[-1]
        return await self.call("get_job", job_id=named[1], wait_seconds=int(named[2]))

    async def refuse(self, tool: str, **arguments: Any) -> str:
        """Call a tool that must fail; return its text."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error
        return text_of(result)

    async def sync(self, connection_id: str, *, full: bool = False) -> Job:
        """Run a sync to its end, beside the tools."""
        options = RunOptions(force_full_sync=full)
        job = await self.embedded.backend.jobs.run(connection_id, options)
        return await self.embedded.wait_for_end(job)


@asynccontextmanager
async def open_agent(
    home: Path, *sources: type[AnySource], context: SourceContext
) -> AsyncGenerator[Agent]:
    """Open a server that knows these sources, and an agent at it."""
    kinds = {source.short_name: source for source in sources}
    async with open_embedded(home, sources=kinds, context=context) as embedded:
        server = build_server(lambda _: embedded.backend, version="1")
        async with Client(server) as client:
            yield Agent(client, embedded)
