"""Syncs as tasks: which calls become one, its states, and who may read or cancel it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta

import pytest
from mcp import MCPError
from mcp.client import Client
from mcp_types import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    SubscriptionFilter,
    SubscriptionsListenRequest,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)

from tests.support.server.fakes import FakeBackend, text_of
from tests.support.server.records import NOW, make_connection, make_job
from tests.support.server.task_client import (
    TASKS,
    ClientTasks,
    TaskHandle,
    cancel_task,
    get_task,
    update_task,
    wait_for_task,
)
from weft.domain.access.permissions import NO_CEILINGS, Ceilings
from weft.domain.access.principals import LOCAL_PRINCIPAL, Principal, Role
from weft.domain.jobs import JobStatus
from weft.errors import Conflict, ErrorCategory
from weft.server.app import WeftServer
from weft.server.build import build_server

pytestmark = pytest.mark.anyio

MODERN = "2026-07-28"
READER = Principal("org-a", "reader", Role.READ)
WRITER = Principal("org-a", "writer", Role.WRITE)
STRANGER = Principal("org-b", "stranger", Role.ADMIN)


@pytest.fixture
def tasks() -> ClientTasks:
    return ClientTasks(follow=False)


@pytest.fixture
async def client(server: WeftServer, tasks: ClientTasks) -> AsyncIterator[Client]:
    async with Client(server, mode=MODERN, extensions=[tasks]) as client:
        yield client


async def start_sync(client: Client, tasks: ClientTasks) -> TaskHandle:
    await client.call_tool("run_sync", {"connection_id": "c1"})
    return tasks.handles[-1]


def set_status(backend: FakeBackend, status: JobStatus, **fields: object) -> None:
    row = backend.jobs.rows["j1"]
    backend.jobs.rows["j1"] = row.model_copy(update={"status": status, **fields})


async def test_sync_is_a_task_under_the_id_of_its_job(client: Client, tasks: ClientTasks) -> None:
    handle = await start_sync(client, tasks)
    assert handle.task_id == "j1"
    assert handle.status == "working"
    assert handle.created_at == handle.last_updated_at == "2026-01-02T03:04:05Z"
    assert handle.ttl_ms is None
    assert handle.poll_interval_ms == 1000
    assert handle.status_message == "PENDING: 0 entities processed"


async def test_discovery_advertises_the_extension(server: WeftServer) -> None:
    async with Client(server, mode="auto") as client:
        assert (client.server_capabilities.extensions or {})[TASKS] == {}


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_client_without_the_extension_gets_the_job(server: WeftServer, mode: str) -> None:
    async with Client(server, mode=mode) as client:
        result = await client.call_tool("run_sync", {"connection_id": "c1"})
    assert result.structured_content is not None
    assert result.structured_content["status"] == "PENDING"


async def test_other_tools_are_answered_directly(client: Client, tasks: ClientTasks) -> None:
    result = await client.call_tool("get_connection", {"connection_id": "c1"})
    assert not result.is_error
    assert tasks.handles == []


@pytest.mark.parametrize("arguments", [{"connection_id": "zzz"}, {"connection_id": 1}, {}])
async def test_refused_call_is_no_task(
    client: Client, tasks: ClientTasks, arguments: Mapping[str, object]
) -> None:
    result = await client.call_tool("run_sync", dict(arguments))
    assert result.is_error
    assert result.content
    assert tasks.handles == []


async def test_sync_that_ends_within_the_call_is_no_task(
    client: Client, tasks: ClientTasks, backend: FakeBackend
) -> None:
    backend.jobs.script = [make_job("j1", status=JobStatus.COMPLETED)]
    result = await client.call_tool("run_sync", {"connection_id": "c1", "wait_seconds": 5})
    assert result.structured_content is not None
    assert result.structured_content["status"] == "COMPLETED"
    assert tasks.handles == []


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELLING])
async def test_live_job_is_a_working_task(
    client: Client, backend: FakeBackend, status: JobStatus
) -> None:
    backend.jobs.rows["j1"] = make_job(
        "j1", status=status, started_at=NOW + timedelta(seconds=5), entities_inserted=7
    )
    state = await get_task(client, "j1")
    assert (state.status, state.result, state.error) == ("working", None, None)
    assert state.status_message == f"{status.value}: 7 entities processed"
    assert state.last_updated_at == "2026-01-02T03:04:10Z"


async def test_completed_task_has_the_result_of_the_call(
    server: WeftServer, client: Client, tasks: ClientTasks, backend: FakeBackend
) -> None:
    await start_sync(client, tasks)
    ran = NOW + timedelta(minutes=2)
    set_status(backend, JobStatus.COMPLETED, completed_at=ran, entities_inserted=3)
    state = await get_task(client, "j1")
    backend.jobs.script = [backend.jobs.rows.pop("j1")]
    async with Client(server, mode=MODERN) as plain:
        direct = await plain.call_tool("run_sync", {"connection_id": "c1", "wait_seconds": 5})
    assert state.status == "completed"
    assert state.last_updated_at == "2026-01-02T03:06:05Z"
    assert state.result is not None
    assert state.result["structuredContent"] == direct.structured_content
    assert state.result["content"][0]["text"] == text_of(direct)
    assert not state.result.get("isError")


async def test_failed_sync_is_an_error_of_the_tool_with_its_diagnosis(
    client: Client, tasks: ClientTasks, backend: FakeBackend
) -> None:
    await start_sync(client, tasks)
    set_status(
        backend,
        JobStatus.FAILED,
        error="The source refused the token.",
        error_category=ErrorCategory.API_KEY_INVALID,
    )
    state = await get_task(client, "j1")
    assert (state.status, state.error) == ("completed", None)
    assert state.result is not None
    assert state.result["isError"]
    assert state.result["structuredContent"]["status"] == "FAILED"
    assert "authorize_connection" in state.result["content"][0]["text"]
    assert state.status_message is not None
    assert "refused the token" in state.status_message


async def test_cancelled_task_ends_as_the_job_does(
    client: Client, tasks: ClientTasks, backend: FakeBackend
) -> None:
    await start_sync(client, tasks)
    await cancel_task(client, "j1")
    assert backend.jobs.rows["j1"].status is JobStatus.CANCELLING
    assert (await get_task(client, "j1")).status == "working"
    set_status(backend, JobStatus.CANCELLED)
    state = await wait_for_task(client, "j1")
    assert (state.status, state.result) == ("cancelled", None)


async def test_cancelling_what_has_ended_is_acknowledged(
    client: Client, tasks: ClientTasks, backend: FakeBackend
) -> None:
    await start_sync(client, tasks)
    set_status(backend, JobStatus.COMPLETED)
    await cancel_task(client, "j1")
    assert backend.jobs.rows["j1"].status is JobStatus.COMPLETED


async def test_cancelling_what_ends_meanwhile_is_acknowledged(
    client: Client, tasks: ClientTasks, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start_sync(client, tasks)

    async def too_late(_: str) -> None:
        set_status(backend, JobStatus.COMPLETED)
        raise Conflict("The job has ended.", field="job_id")

    monkeypatch.setattr(backend.jobs, "cancel", too_late)
    await cancel_task(client, "j1")
    assert (await get_task(client, "j1")).status == "completed"


async def test_update_of_a_task_that_asks_nothing_is_acknowledged(
    client: Client, tasks: ClientTasks, backend: FakeBackend
) -> None:
    await start_sync(client, tasks)
    before = backend.jobs.rows["j1"]
    await update_task(client, "j1", unasked={"action": "accept"})
    assert backend.jobs.rows["j1"] == before


Act = Callable[[Client, str], Awaitable[object]]


@pytest.mark.parametrize("act", [get_task, cancel_task, update_task])
async def test_unknown_and_foreign_tasks_look_the_same(act: Act) -> None:
    backends = {WRITER: FakeBackend(), STRANGER: FakeBackend()}
    backends[WRITER].connections.rows["c1"] = make_connection("c1")
    callers = [WRITER]
    server = build_server(
        lambda principal: backends[principal].as_backend(),
        version="9.9",
        who_calls=lambda: callers[0],
    )
    tasks = ClientTasks(follow=False)
    async with Client(server, mode=MODERN, extensions=[tasks]) as client:
        handle = await start_sync(client, tasks)
        callers[0] = STRANGER
        errors = [await refusal(act, client, task_id) for task_id in (handle.task_id, "unknown")]
    assert errors[0] == errors[1]
    assert errors[0][0] == INVALID_PARAMS
    assert backends[WRITER].jobs.rows["j1"].status is JobStatus.PENDING


async def refusal(act: Act, client: Client, task_id: str) -> tuple[int, str]:
    with pytest.raises(MCPError) as caught:
        await act(client, task_id)
    return caught.value.error.code, caught.value.error.message


async def test_prefix_of_an_id_is_no_task(backend: FakeBackend, client: Client) -> None:
    backend.jobs.rows["j"] = make_job("j1")
    code, _ = await refusal(get_task, client, "j")
    assert code == INVALID_PARAMS


@pytest.mark.parametrize("act", [get_task, cancel_task, update_task])
async def test_methods_need_the_clients_capability(server: WeftServer, act: Act) -> None:
    async with Client(server, mode=MODERN) as client:
        code, _ = await refusal(act, client, "j1")
    assert code == MISSING_REQUIRED_CLIENT_CAPABILITY


@pytest.mark.parametrize("act", [get_task, cancel_task, update_task])
async def test_older_era_has_no_such_methods(server: WeftServer, act: Act) -> None:
    async with Client(server, mode="legacy", extensions=[ClientTasks()]) as client:
        code, _ = await refusal(act, client, "j1")
    assert code == METHOD_NOT_FOUND


@pytest.mark.parametrize(
    ("ceilings", "principal", "named"),
    [
        (NO_CEILINGS, READER, "role 'read'"),
        (Ceilings(read_only=True), LOCAL_PRINCIPAL, "WEFT_READ_ONLY"),
        (Ceilings(toolsets=("search",)), LOCAL_PRINCIPAL, "WEFT_TOOLSETS"),
    ],
)
async def test_cancelling_needs_what_cancel_job_needs(
    backend: FakeBackend, ceilings: Ceilings, principal: Principal, named: str
) -> None:
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.RUNNING)
    refused: list[str] = []

    async def note(principal: Principal, tool: str) -> None:
        refused.append(f"{principal.name}: {tool}")

    server = build_server(
        lambda _: backend.as_backend(),
        version="9.9",
        who_calls=lambda: principal,
        ceilings=ceilings,
        observe_refusal=note,
    )
    async with Client(server, mode=MODERN, extensions=[ClientTasks()]) as client:
        _, message = await refusal(cancel_task, client, "j1")
        assert named in message
        if not ceilings.toolsets:
            assert (await get_task(client, "j1")).status == "working"
            assert refused == [f"{principal.name}: cancel_job"]
    assert backend.jobs.rows["j1"].status is JobStatus.RUNNING


async def test_news_of_tasks_need_the_clients_capability(server: WeftServer) -> None:
    wanted = SubscriptionFilter.model_validate({"taskIds": ["j1"]})
    request = SubscriptionsListenRequest(
        params=SubscriptionsListenRequestParams(notifications=wanted)
    )
    async with server.announcing(), Client(server, mode=MODERN) as client:
        with pytest.raises(MCPError) as caught:
            await client.session.send_request(request, SubscriptionsListenResult)
    assert caught.value.error.code == MISSING_REQUIRED_CLIENT_CAPABILITY
