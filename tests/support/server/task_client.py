"""A client with the tasks extension: it follows a task that a call returns to its end."""

from collections.abc import Sequence
from typing import Any, Literal

import anyio
from mcp.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.session import ClientSession
from mcp_types import CallToolResult, EmptyResult, Request, RequestParams, Result

TASKS = "io.modelcontextprotocol/tasks"
POLL_SECONDS_MAX = 0.05


class Task(Result):
    """What is told of a task whenever it is named."""

    task_id: str
    status: str
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int | None = None
    status_message: str | None = None


class TaskHandle(Task):
    """A task, as the answer to a call names it."""

    result_type: Literal["task"] = "task"


class TaskState(Task):
    """A task as the server tells it."""

    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    input_requests: dict[str, Any] | None = None


class TaskParams(RequestParams):
    """The id of a task."""

    task_id: str


class UpdateParams(TaskParams):
    """The id of a task, and the responses for it."""

    input_responses: dict[str, Any]


class GetTask(Request[TaskParams, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    name_param = "taskId"


class CancelTask(Request[TaskParams, Literal["tasks/cancel"]]):
    method: Literal["tasks/cancel"] = "tasks/cancel"
    name_param = "taskId"


class UpdateTask(Request[UpdateParams, Literal["tasks/update"]]):
    method: Literal["tasks/update"] = "tasks/update"
    name_param = "taskId"


async def get_task(client: Client | ClientSession, task_id: str) -> TaskState:
    """Read the task. Raises MCPError."""
    request = GetTask(params=TaskParams(task_id=task_id))
    return await session_of(client).send_request(request, TaskState)


async def cancel_task(client: Client, task_id: str) -> None:
    """Ask the task to stop. Raises MCPError."""
    request = CancelTask(params=TaskParams(task_id=task_id))
    await client.session.send_request(request, EmptyResult)


async def update_task(client: Client, task_id: str, **responses: Any) -> None:
    """Send responses to the task. Raises MCPError."""
    params = UpdateParams(task_id=task_id, input_responses=responses)
    await client.session.send_request(UpdateTask(params=params), EmptyResult)


async def wait_for_task(
    client: Client | ClientSession, task_id: str, seconds: float = 30
) -> TaskState:
    """Return the task once it has ended."""
    with anyio.fail_after(seconds):
        while True:
            state = await get_task(client, task_id)
            if state.status not in ("working", "input_required"):
                return state
            # The server suggests an interval that suits syncs, and tests have less time.
            await anyio.sleep(min(POLL_SECONDS_MAX, (state.poll_interval_ms or 0) / 1000))


class ClientTasks(ClientExtension):
    """Declares the extension; ``handles`` are the tasks that came.

    With ``follow`` a call returns what its task ends with, otherwise a text with the task's id.
    """

    identifier = TASKS

    def __init__(self, *, follow: bool = True) -> None:
        self.handles: list[TaskHandle] = []
        self._follow = follow

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return (ResultClaim(result_type="task", model=TaskHandle, resolve=self._resolve),)

    async def _resolve(self, handle: TaskHandle, ctx: ClaimContext) -> CallToolResult:
        self.handles.append(handle)
        if not self._follow:
            return CallToolResult(content=[], is_error=True)
        state = await wait_for_task(ctx.session, handle.task_id)
        if state.result is None:
            return CallToolResult(content=[], is_error=True)
        return CallToolResult.model_validate(state.result)


def session_of(client: Client | ClientSession) -> ClientSession:
    return client.session if isinstance(client, Client) else client
