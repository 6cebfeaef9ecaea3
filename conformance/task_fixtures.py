"""Fixtures that the public suite expects on a server: tools that run as tasks, kept in memory.

Weft's own tasks are sync jobs. These show that its side of the extension holds for tasks that do
what no sync does: fail as the protocol fails, or ask something in the middle.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from mcp.server.context import CallNext, HandlerResult
from mcp.server.mcpserver import Context
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

from weft.server.app import WeftServer
from weft.server.tasks import AnyRequest, Task, TaskStore

TTL_SECONDS = 600
POLL_SECONDS = 0.1
FAILS_AFTER_SECONDS = 1
Arguments = Mapping[str, Any]


def register(server: WeftServer) -> None:
    """Add the tools of this module, and the store of their tasks."""
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
    server.tasks.add(MemoryTasks())


async def greet(name: str) -> str:
    """Greet at once."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float = 0, label: str = "") -> CallToolResult:
    """Take a while."""
    return await _compute({"seconds": seconds, "label": label}, _nobody)


async def failing_job() -> CallToolResult:
    """Fail as a tool, after a while."""
    return await _fail({}, _nobody)


async def protocol_error_job() -> CallToolResult:
    """Fail as the protocol."""
    return await _crash({}, _nobody)


async def confirm_delete(filename: str = "") -> str:
    """Ask before the end."""
    return f"Nobody can be asked about {filename}."


async def multi_input() -> str:
    """Ask two things at once."""
    return "Nobody can be asked."


async def test_tool_with_task(ctx: Context[object, object]) -> str | InputRequiredResult:
    """Ask for a name, and go on as a task."""
    given = (ctx.input_responses or {}).get("user_name")
    if not isinstance(given, ElicitResult):
        return InputRequiredResult(input_requests={"user_name": _form("Who?", "name")})
    return f"Done for {(given.content or {}).get('name')}"


Ask = Callable[[Mapping[str, ElicitRequest]], Awaitable[Mapping[str, Any]]]


async def _nobody(requests: Mapping[str, ElicitRequest]) -> Mapping[str, Any]:
    del requests
    return {}


async def _compute(arguments: Arguments, ask: Ask) -> CallToolResult:
    del ask
    await asyncio.sleep(arguments.get("seconds", 0))
    return _text(f"Computed {arguments.get('label', '')}")


async def _fail(arguments: Arguments, ask: Ask) -> CallToolResult:
    del arguments, ask
    await asyncio.sleep(FAILS_AFTER_SECONDS)
    return CallToolResult(content=[TextContent(text="It failed.")], is_error=True)


async def _crash(arguments: Arguments, ask: Ask) -> CallToolResult:
    del arguments, ask
    raise MCPError(code=INTERNAL_ERROR, message="The work crashed.")


async def _confirm(arguments: Arguments, ask: Ask) -> CallToolResult:
    answers = await ask({"confirm": _form(f"Delete {arguments.get('filename')}?", "ok", "boolean")})
    return _text(f"Answered: {answers['confirm']}")


async def _ask_two(arguments: Arguments, ask: Ask) -> CallToolResult:
    del arguments
    answers = await ask({"first": _form("First?", "text"), "second": _form("Second?", "text")})
    return _text(f"Answered: {sorted(answers)}")


WORK: Mapping[str, Callable[[Arguments, Ask], Awaitable[CallToolResult]]] = {
    "slow_compute": _compute,
    "failing_job": _fail,
    "protocol_error_job": _crash,
    "confirm_delete": _confirm,
    "multi_input": _ask_two,
}


@dataclass
class Running:
    """A task, the questions that are open, and what was answered."""

    task: Task
    work: asyncio.Task[None] | None = None
    asked: dict[str, ElicitRequest] = field(default_factory=dict[str, ElicitRequest])
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryTasks(TaskStore):
    """Tasks as long as the process lives."""

    tools = (*WORK, "test_tool_with_task")
    required = ("failing_job", "test_tool_with_task")

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}

    async def begin(
        self, params: CallToolRequestParams, ctx: AnyRequest, call_next: CallNext
    ) -> Task | HandlerResult:
        """Return a task, unless the call asks something first."""
        work = WORK.get(params.name)
        if work is not None:
            return self._start(params.arguments or {}, work)
        result = await call_next(ctx)
        if not isinstance(result, CallToolResult):
            return result

        async def hand_over(arguments: Arguments, ask: Ask) -> CallToolResult:
            del arguments, ask
            return result

        return self._start({}, hand_over)

    async def get(self, task_id: str) -> Task | None:
        """Return the task now; questions that were answered are no longer open."""
        running = self._running.get(task_id)
        if running is None:
            return None
        if running.asked and not running.task.has_ended:
            questions = {
                key: question.model_dump(by_alias=True, mode="json", exclude_none=True)
                for key, question in running.asked.items()
            }
            return replace(running.task, status="input_required", input_requests=questions)
        return running.task

    async def update(self, task_id: str, responses: Mapping[str, Any]) -> None:
        """Take the answers to what is asked."""
        running = self._running[task_id]
        for key in running.asked.keys() & responses.keys():
            del running.asked[key]
            running.answers[key] = responses[key]
        if not running.asked:
            running.answered.set()

    async def cancel(self, task_id: str) -> None:
        """Stop the work."""
        running = self._running[task_id]
        if running.work is not None:
            running.work.cancel()
        running.asked.clear()
        running.task = _now(running.task, status="cancelled")

    def _start(
        self, arguments: Arguments, work: Callable[[Arguments, Ask], Awaitable[CallToolResult]]
    ) -> Task:
        now = datetime.now(UTC)
        task = Task(
            id=secrets.token_urlsafe(),
            status="working",
            created_at=now,
            updated_at=now,
            ttl_seconds=TTL_SECONDS,
            poll_seconds=POLL_SECONDS,
        )
        running = Running(task)
        self._running[task.id] = running

        async def run() -> None:
            try:
                result = await work(arguments, ask)
            except MCPError as error:
                failure = ErrorData(code=error.error.code, message=error.error.message)
                running.task = _now(running.task, status="failed", error=failure)
            else:
                running.task = _now(running.task, status="completed", result=result)

        async def ask(requests: Mapping[str, ElicitRequest]) -> Mapping[str, Any]:
            running.asked.update(requests)
            await running.answered.wait()
            return running.answers

        running.work = asyncio.get_running_loop().create_task(run())
        return task


def _now(task: Task, **changes: Any) -> Task:
    return replace(task, updated_at=datetime.now(UTC), **changes)


def _text(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)])


def _form(message: str, name: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))
