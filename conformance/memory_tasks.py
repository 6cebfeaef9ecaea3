"""Tools that run as tasks in memory: what the public suite expects of a server with tasks."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    ErrorData,
    InputRequiredResult,
    TextContent,
)

from weft.server.sdk import WeftServer
from weft.server.tasks import AnyRequest, Status, Task, TaskStore

Ctx = Context[object, object]
TTL_SECONDS = 3600.0


def register(server: WeftServer) -> None:
    """Add the tools, and the store of their tasks."""
    for tool in (
        greet,
        slow_compute,
        failing_job,
        protocol_error_job,
        confirm_delete,
        multi_input,
        test_tool_with_task,
    ):
        server.add_tool(tool, structured_output=False)
    server.tasks.add(MemoryTasks(server))


async def greet(name: str) -> str:
    """Answer at once."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float, label: str = "") -> str:
    """Take so long."""
    await anyio.sleep(seconds)
    return f"computed {label} in {seconds} s"


async def failing_job() -> str:
    """Fail as a tool does."""
    raise ToolError("this job always fails")


async def protocol_error_job() -> str:
    """Fail as the protocol does."""
    raise MCPError(code=INTERNAL_ERROR, message="this job breaks the protocol")


async def confirm_delete(filename: str) -> str:
    """Nothing is deleted without a task, in which the person is asked."""
    return f"{filename} stays: nobody could be asked."


async def multi_input() -> str:
    """Nobody is asked without a task."""
    return "Nobody could be asked."


async def test_tool_with_task(ctx: Ctx) -> str | InputRequiredResult:
    """Ask for a name first, and become a task then."""
    response = (ctx.input_responses or {}).get("user_name")
    if not isinstance(response, ElicitResult):
        return InputRequiredResult(input_requests={"user_name": _question("What is your name?")})
    return f"Hello, {(response.content or {}).get('name')}!"


@dataclass
class Work:
    """A task that runs, with what it asks and was told."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: Status = "working"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    result: CallToolResult | None = None
    error: ErrorData | None = None
    asked: dict[str, ElicitRequest] = field(default_factory=dict[str, ElicitRequest])
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    answered: anyio.Event = field(default_factory=anyio.Event)
    running: "asyncio.Task[None] | None" = None

    def become(self, status: Status) -> None:
        """Move on."""
        self.status = status
        self.updated_at = datetime.now(UTC)

    async def ask(self, *questions: str) -> list[Any]:
        """The answers to questions that are all put at once."""
        keys = [uuid.uuid4().hex for _ in questions]
        self.asked = {key: _question(text) for key, text in zip(keys, questions, strict=True)}
        self.become("input_required")
        await self.answered.wait()
        self.answered = anyio.Event()
        self.become("working")
        return [self.answers[key] for key in keys]


class MemoryTasks(TaskStore):
    """Tasks of the tools above, for as long as the process lives."""

    tools = (
        "slow_compute",
        "failing_job",
        "protocol_error_job",
        "confirm_delete",
        "multi_input",
        "test_tool_with_task",
    )
    required = ("failing_job", "test_tool_with_task")

    def __init__(self, server: WeftServer) -> None:
        self._server = server
        self._works: dict[str, Work] = {}

    async def begin(
        self, params: CallToolRequestParams, ctx: AnyRequest, call_next: CallNext
    ) -> Task | HandlerResult:
        """Start the work, after the rounds of questions where the tool has such."""
        arguments = params.arguments or {}
        name = params.name
        if name == "test_tool_with_task":
            result = await call_next(ctx)
            if not isinstance(result, CallToolResult):
                return result
            return self._started(lambda _: _just(result))
        if name == "confirm_delete":
            return self._started(lambda work: _confirmed(work, arguments["filename"]))
        if name == "multi_input":
            return self._started(_greeted_twice)
        return self._started(lambda _: self._called(name, arguments))

    async def get(self, task_id: str) -> Task | None:
        """The task."""
        work = self._works.get(task_id)
        return _task(work) if work else None

    async def update(self, task_id: str, responses: Mapping[str, Any]) -> None:
        """Take what was asked for."""
        work = self._works[task_id]
        for key in work.asked.keys() & responses.keys():
            del work.asked[key]
            work.answers[key] = responses[key]
        if not work.asked and work.status == "input_required":
            work.answered.set()

    async def cancel(self, task_id: str) -> None:
        """Stop it."""
        work = self._works[task_id]
        if work.running is not None:
            work.running.cancel()
        work.become("cancelled")

    def _started(self, make: Callable[[Work], Awaitable[CallToolResult]]) -> Task:
        work = Work()
        self._works[work.id] = work
        work.running = asyncio.create_task(_run(work, make))
        return _task(work)

    async def _called(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        try:
            result = await self._server.call_tool(name, arguments)
        except ToolError as error:
            text = TextContent(type="text", text=str(error))
            return CallToolResult(content=[text], is_error=True)
        assert isinstance(result, CallToolResult)
        return result


async def _run(work: Work, make: Callable[[Work], Awaitable[CallToolResult]]) -> None:
    try:
        work.result = await make(work)
        work.become("completed")
    except MCPError as error:
        work.error = error.error
        work.become("failed")


async def _just(result: CallToolResult) -> CallToolResult:
    return result


async def _confirmed(work: Work, filename: str) -> CallToolResult:
    (answer,) = await work.ask(f"Delete {filename}?")
    agreed = bool(answer.get("content", {}).get("confirm"))
    return _said(f"{filename} {'was deleted' if agreed else 'stays'}.")


async def _greeted_twice(work: Work) -> CallToolResult:
    answers = await work.ask("Who is the first?", "Who is the second?")
    return _said(" and ".join(str(answer["content"]["name"]) for answer in answers))


def _task(work: Work) -> Task:
    return Task(
        id=work.id,
        status=work.status,
        created_at=work.created_at,
        updated_at=work.updated_at,
        ttl_seconds=TTL_SECONDS,
        poll_seconds=0.1,
        result=work.result,
        error=work.error,
        input_requests={
            key: asked.model_dump(by_alias=True, mode="json", exclude_none=True)
            for key, asked in work.asked.items()
        },
    )


def _said(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)])


def _question(message: str) -> ElicitRequest:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "confirm": {"type": "boolean"}},
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))
