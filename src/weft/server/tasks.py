"""The tasks extension: clients that declare it get a task as the answer to a long call.

A task is a sync job, has the job's id and is as durable: any process answers for it, even after a
restart. Deletions are not tasks: they take seconds, and leave nothing to ask about.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, MCP_PROTOCOL_VERSION_HEADER, decode_header_value
from mcp_types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ErrorData,
    InputRequiredResult,
    RequestParams,
    TextContent,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from weft.backend import Backend, Jobs
from weft.domain.access.principals import Principal, WhoCalls
from weft.domain.jobs import Job, JobStatus
from weft.domain.text.words import quantity
from weft.errors import Ambiguous, NotFound, NotPermitted
from weft.server.render.protocol_errors import convert_errors
from weft.server.render.structured import timestamp
from weft.server.render.untrusted import one_line

EXTENSION_ID: Final = "io.modelcontextprotocol/tasks"
POLL_SECONDS: Final = 1.0
_VERSIONS: Final = frozenset(MODERN_PROTOCOL_VERSIONS)

AnyRequest = ServerRequestContext[Any, Any]
CallTool = Callable[[str, dict[str, Any]], Awaitable[CallToolResult | InputRequiredResult]]
Status = Literal["working", "input_required", "completed", "cancelled", "failed"]
_ENDED: Final = frozenset({"completed", "cancelled", "failed"})


@dataclass(frozen=True, slots=True)
class Task:
    """The current state of a task.

    ``result`` comes with "completed", ``error`` with "failed" and ``input_requests`` with
    "input_required". ``ttl_seconds`` counts from its creation; None means no limit.
    """

    id: str
    status: Status
    created_at: datetime
    updated_at: datetime
    message: str = ""
    ttl_seconds: float | None = None
    poll_seconds: float = POLL_SECONDS
    result: CallToolResult | None = None
    error: ErrorData | None = None
    input_requests: Mapping[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Return whether the task can never change again."""
        return self.status in _ENDED


class TaskStore(Protocol):
    """Tools whose calls may become tasks, and those tasks.

    ``tools`` are the tools' names; those in ``required`` can only answer with a task.
    Methods act for the current caller, and raise WeftError or MCPError.
    """

    tools: Collection[str]
    required: Collection[str]

    async def begin(
        self, params: CallToolRequestParams, ctx: AnyRequest, call_next: CallNext
    ) -> Task | HandlerResult:
        """Answer a call with a task, which `get` must find from then on, or with a result.

        ``call_next`` makes the call in the normal way, questions to the person included.
        """
        ...

    async def get(self, task_id: str) -> Task | None:
        """Return the task, or None if the caller has none with that id."""
        ...

    async def update(self, task_id: str, responses: Mapping[str, Any]) -> None:
        """Take answers to questions of the task; ignore all others."""
        ...

    async def cancel(self, task_id: str) -> None:
        """Ask a task that has not ended to stop."""
        ...


class Tasks(Extension):
    """Serves the tasks of its stores, which are added before the first call."""

    identifier = EXTENSION_ID

    def __init__(self, *stores: TaskStore) -> None:
        self._stores = list(stores)

    def add(self, store: TaskStore) -> None:
        self._stores.append(store)

    def methods(self) -> Sequence[MethodBinding]:
        """Return the three methods, which exist in the newer era only."""
        return (
            MethodBinding("tasks/get", TaskParams, self._get, _VERSIONS),
            MethodBinding("tasks/update", TaskUpdateParams, self._update, _VERSIONS),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, _VERSIONS),
        )

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: AnyRequest, call_next: CallNext
    ) -> HandlerResult:
        """Answer with a task if the tool has tasks and the client declares the extension."""
        store = next((store for store in self._stores if params.name in store.tools), None)
        if store is None:
            return await call_next(ctx)
        if not _declares_tasks(ctx):
            if params.name in store.required:
                require_client_extension(ctx, EXTENSION_ID)
            return await call_next(ctx)
        outcome = await convert_errors(store.begin(params, ctx, call_next), params.name)
        if isinstance(outcome, Task):
            return {"resultType": "task", **_task_fields(outcome)}
        return outcome

    async def _get(self, ctx: AnyRequest, params: "TaskParams") -> HandlerResult:
        _admit(ctx, params)
        _, task = await convert_errors(self._find(params.task_id), "Looking for the task")
        return _task_result(task)

    async def _update(self, ctx: AnyRequest, params: "TaskUpdateParams") -> HandlerResult:
        _admit(ctx, params)
        store, _ = await convert_errors(self._find(params.task_id), "Looking for the task")
        await convert_errors(
            store.update(params.task_id, params.input_responses), "Updating the task"
        )
        return {}

    async def _cancel(self, ctx: AnyRequest, params: "TaskParams") -> HandlerResult:
        _admit(ctx, params)
        store, task = await convert_errors(self._find(params.task_id), "Looking for the task")
        if not task.has_ended:
            await convert_errors(store.cancel(params.task_id), "Cancelling the task")
        return {}

    async def _find(self, task_id: str) -> tuple[TaskStore, Task]:
        for store in self._stores:
            task = await store.get(task_id)
            if task is not None:
                return store, task
        raise NotFound(
            "No task has that id.",
            field="taskId",
            hint="A task goes with its connection, and the oldest go with its history.",
        )


class TaskParams(RequestParams):
    task_id: str = Field(max_length=200)


class TaskUpdateParams(TaskParams):
    input_responses: dict[str, Any]


class JobTasks(TaskStore):
    """Syncs as tasks; only their jobs are stored.

    A principal may do with a task what the tools allow with its job: ``refusal`` tells why a tool
    is forbidden, and ``call_tool`` calls one. ``result_of`` renders a job as `run_sync` does.
    """

    tools = ("run_sync",)
    required = ()

    def __init__(
        self,
        backend_for: Callable[[Principal], Backend],
        who_calls: WhoCalls,
        refusal: Callable[[str, Principal], NotPermitted | None],
        call_tool: CallTool,
        result_of: Callable[[Job], CallToolResult],
    ) -> None:
        self._backend_for = backend_for
        self._who_calls = who_calls
        self._refusal = refusal
        self._call_tool = call_tool
        self._result_of = result_of

    async def begin(
        self, params: CallToolRequestParams, ctx: AnyRequest, call_next: CallNext
    ) -> Task | HandlerResult:
        """Make the call; return a task unless it failed, asks a question, or its job has ended."""
        del params
        result = await call_next(ctx)
        if not isinstance(result, CallToolResult) or result.is_error:
            return result
        started: Mapping[str, Any] = result.structured_content or {}
        if "id" not in started:
            return result
        job = await self._jobs().get(started["id"])
        return result if job.status.is_terminal else self._task(job)

    async def get(self, task_id: str) -> Task | None:
        """Return the task of the job with exactly that id."""
        refusal = self._refusal("get_job", self._who_calls())
        if refusal is not None:
            raise refusal
        try:
            job = await self._jobs().get(task_id)
        except (NotFound, Ambiguous):
            return None
        return self._task(job) if job.id == task_id else None

    async def update(self, task_id: str, responses: Mapping[str, Any]) -> None:
        """Do nothing: a job asks no questions."""

    async def cancel(self, task_id: str) -> None:
        """Call `cancel_job`, so that roles apply to it and it is logged and audited."""
        result = await self._call_tool("cancel_job", {"job_id": task_id})
        if not isinstance(result, CallToolResult) or not result.is_error:
            return
        task = await self.get(task_id)
        # A task that has ended meanwhile does not need stopping.
        if task is None or not task.has_ended:
            texts = [block.text for block in result.content if isinstance(block, TextContent)]
            raise MCPError(code=INVALID_PARAMS, message=" ".join(texts))

    def _jobs(self) -> Jobs:
        return self._backend_for(self._who_calls()).jobs

    def _task(self, job: Job) -> Task:
        status = _STATUSES.get(job.status, "working")
        text = f"{job.status.value}: {quantity(job.entities_processed, 'entity')} processed"
        # The protocol wants times, and a remote API tells none of a job that has not begun.
        began = job.created_at or job.started_at or job.completed_at or datetime.now(UTC)
        return Task(
            id=job.id,
            status=status,
            created_at=began,
            updated_at=job.completed_at or job.started_at or began,
            message=one_line(f"{text}. {job.error}" if job.error else text),
            result=self._result_of(job) if status == "completed" else None,
        )


# The protocol reserves "failed" for protocol errors. A failed sync is a completed call whose result
# is an error of the tool.
_STATUSES: Final[Mapping[JobStatus, Status]] = {
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "completed",
    JobStatus.CANCELLED: "cancelled",
}


def require_tasks(ctx: AnyRequest) -> None:
    """Raise MCPError -32021 unless the client has declared the extension."""
    require_client_extension(ctx, EXTENSION_ID)


def _declares_tasks(ctx: AnyRequest) -> bool:
    capabilities = ctx.session.client_capabilities
    declared = capabilities.extensions if capabilities else None
    return ctx.protocol_version in _VERSIONS and EXTENSION_ID in (declared or {})


def _admit(ctx: AnyRequest, params: TaskParams) -> None:
    # Only streamable HTTP requests name their task in a header. SSE requests, which have no version
    # header either, come through a session that has checked their sender.
    if ctx.request is not None and MCP_PROTOCOL_VERSION_HEADER in ctx.request.headers:
        named = decode_header_value(ctx.request.headers.get(MCP_NAME_HEADER))
        if named != params.task_id:
            raise MCPError(
                code=HEADER_MISMATCH,
                message=f"{MCP_NAME_HEADER} header does not match the parameter 'taskId'",
            )
    require_client_extension(ctx, EXTENSION_ID)


def _task_fields(task: Task) -> dict[str, Any]:
    data: dict[str, Any] = {
        "taskId": task.id,
        "status": task.status,
        "createdAt": timestamp(task.created_at),
        "lastUpdatedAt": timestamp(task.updated_at),
        "ttlMs": None if task.ttl_seconds is None else round(task.ttl_seconds * 1000),
        "pollIntervalMs": round(task.poll_seconds * 1000),
    }
    if task.message:
        data["statusMessage"] = task.message
    return data


def _task_result(task: Task) -> dict[str, Any]:
    data = {"resultType": "complete", **_task_fields(task)}
    if task.status == "completed" and task.result is not None:
        data["result"] = _to_json(task.result)
    elif task.status == "failed" and task.error is not None:
        data["error"] = _to_json(task.error)
    elif task.status == "input_required":
        data["inputRequests"] = dict(task.input_requests or {})
    return data


def _to_json(value: CallToolResult | ErrorData) -> dict[str, Any]:
    return value.model_dump(by_alias=True, mode="json", exclude_none=True)
