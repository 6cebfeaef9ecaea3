"""Every documented error over stdio: what was wrong is named, and the way out with it."""

import uuid
from collections.abc import Mapping

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from tests.acceptance.weft_process import TOOLS, WAIT_SECONDS, Agent
from weft.errors import ErrorCategory

pytestmark = pytest.mark.anyio

NOBODY = str(uuid.UUID(int=7))

UNKNOWN = {
    "connection_id": (
        "get_connection",
        "update_connection",
        "check_connection",
        "run_sync",
        "list_jobs",
        "delete_connection",
    ),
    "job_id": ("get_job", "cancel_job"),
    "readable_collection_id": ("list_connections", "delete_collection"),
    "short_name": ("get_source",),
    "entity_id": ("get_entity",),
}
NEXT = {
    "connection_id": "list_connections",
    "job_id": "list_jobs",
    "readable_collection_id": "list_collections",
    "short_name": "Available: ",
    "entity_id": "list_entities",
}
NEW = {"short_name": "stub", "sync_immediately": False}
LONG_CRON = "0 0 30 2 *"


@pytest.mark.parametrize(
    ("field", "tool"), [(field, tool) for field, tools in UNKNOWN.items() for tool in tools]
)
@pytest.mark.parametrize("value", [NOBODY, "no such thing", "ffff"])
async def test_unknown_id_is_not_found_and_says_where_to_look(
    agent: Agent, field: str, tool: str, value: str
) -> None:
    text = await agent.expect_refusal(tool, **{field: value})
    assert field in text
    assert NEXT[field] in text


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"short_name": "sutb"}, "short_name"),
        ({"readable_collection_id": "no-such-collection"}, "readable_collection_id"),
    ],
)
async def test_connection_to_something_unknown_is_refused(
    agent: Agent, given: Mapping[str, object], named: str
) -> None:
    await ensure_collection(agent)
    text = await agent.expect_refusal(
        "create_connection", **{**NEW, "readable_collection_id": "errors", **given}
    )
    assert named in text


@pytest.mark.parametrize(
    ("given", "named", "said"),
    [
        ({"name": "abc"}, "name", "at least 4"),
        ({"name": "x" * 43}, "name", "at most 42"),
        ({"name": "   a   "}, "name", "4 to 42"),
        ({"description": "d" * 256}, "description", "at most 255"),
        ({"config": {"entitis": 3}}, "config", "Did you mean 'entities'?"),
        ({"config": {"entities": "many"}}, "config.entities", "integer"),
        ({"config": {"entities": -1}}, "config.entities", "greater than or equal to 0"),
        ({"config": {"error": "none of these"}}, "config.error", "'auth'"),
        ({"config": [1]}, "config", "object"),
        ({"schedule": {"cron": "0 2 * *"}}, "schedule.cron", "five fields"),
        ({"schedule": {"cron": "61 2 * * *"}}, "schedule.cron", "0 2 * * *"),
        ({"schedule": {"cron": LONG_CRON}}, "schedule.cron", "ever fires"),
        ({"schedule": {"timezone": "Europe/Berlin"}}, "schedule", "cron or continuous"),
        ({"schedule": {"crn": "0 2 * * *"}}, "schedule", "accepted: cron"),
        (
            {"schedule": {"cron": "0 2 * * *", "timezone": "Mars/Olympus"}},
            "schedule.timezone",
            "Europe/Berlin",
        ),
        (
            {"schedule": {"continuous": True, "cursor_field": "nothing"}},
            "schedule.cursor_field",
            "last_entity",
        ),
        ({"auth": {"token": "x"}}, "auth", "{direct: {credentials: {...}}}"),
        ({"auth": {"direct": {}}}, "auth.direct.credentials", "missing"),
        ({"auth": {"direct": {"credentials": {"x": "y"}}}}, "auth.direct.credentials", "token"),
        ({"auth": {"direct": {}, "oauth_token": {}}}, "auth", "exactly one"),
        ({"auth": {"oauth_browser": {}}}, "auth", "oauth_browser"),
        ({"auth": {"direct": {"credentials": {"token": "bad"}}}}, "auth", "Give another token."),
        ({"sync_immediately": "perhaps"}, "sync_immediately", "boolean"),
    ],
)
async def test_bad_field_of_a_new_connection_is_named(
    agent: Agent, given: Mapping[str, object], named: str, said: str
) -> None:
    await ensure_collection(agent)
    text = await agent.expect_refusal(
        "create_connection", **{**NEW, "readable_collection_id": "errors", **given}
    )
    assert named in text
    assert said in text
    found = await agent.ok("list_connections", readable_collection_id="errors")
    assert found.items == []


async def test_folder_that_may_not_be_read_is_named_as_it_was_given(agent: Agent) -> None:
    await ensure_collection(agent)
    outside = str(agent.place.files.parent.parent)
    text = await agent.expect_refusal(
        "create_connection",
        short_name="files",
        readable_collection_id="errors",
        config={"path": outside},
    )
    assert text.startswith("config.path: ")
    assert f"Give a path in {agent.place.files}" in text


async def test_cron_beside_continuous_is_refused_with_the_way_out(agent: Agent) -> None:
    await ensure_collection(agent)
    new = {**NEW, "readable_collection_id": "errors"}
    both = {"cron": "0 2 * * *", "continuous": True}
    text = await agent.expect_refusal("create_connection", **new, schedule=both)
    assert "schedule.cron and schedule.continuous" in text
    assert "Give cron" in text
    assert "or continuous" in text


async def test_source_that_cannot_continue_refuses_continuous_schedules(agent: Agent) -> None:
    await ensure_collection(agent)
    (agent.place.files / "errors").mkdir(exist_ok=True)
    text = await agent.expect_refusal(
        "create_connection",
        short_name="files",
        readable_collection_id="errors",
        config={"path": str(agent.place.files / "errors")},
        schedule={"continuous": True},
    )
    assert "schedule.continuous" in text
    assert "schedule.cron" in text


async def test_sync_at_once_without_credentials_is_refused(agent: Agent) -> None:
    await ensure_collection(agent)
    text = await agent.expect_refusal(
        "create_connection",
        short_name="secret_stub",
        readable_collection_id="errors",
        sync_immediately=True,
    )
    assert "sync_immediately" in text
    assert "authorised" in text


@pytest.mark.parametrize("tool", TOOLS)
async def test_unknown_argument_is_refused_by_name(agent: Agent, tool: str) -> None:
    text = await agent.expect_refusal(tool, colour="blue")
    assert "'colour'" in text
    assert "Accepted" in text


@pytest.mark.parametrize(
    ("tool", "arguments", "named"),
    [
        ("list_connections", {"status": "sleeping"}, "status"),
        ("list_connections", {"cursor": "no cursor"}, "cursor"),
        ("list_jobs", {"status": "DONE"}, "status"),
        ("list_jobs", {"cursor": "no cursor"}, "cursor"),
        ("list_collections", {"cursor": "no cursor"}, "cursor"),
        ("create_collection", {"name": "abc"}, "name"),
        ("create_collection", {"name": "Good name", "readable_id": "Not Good"}, "readable_id"),
        ("search", {"readable_collection_id": "errors", "query": "?!"}, "query"),
        ("search", {"readable_collection_id": "errors", "query": "a" * 1001}, "query"),
        ("search", {"readable_collection_id": "errors", "query": "a", "cursor": "x"}, "cursor"),
        ("authorize_connection", {"connection_id": "x", "auth": {}}, "auth"),
        ("get_connection", {}, "connection_id"),
    ],
)
async def test_bad_argument_is_named(
    agent: Agent, tool: str, arguments: Mapping[str, object], named: str
) -> None:
    await ensure_collection(agent)
    assert named in await agent.expect_refusal(tool, **arguments)


@pytest.mark.parametrize(("limit", "set_to"), [(0, 1), (1001, 100)])
async def test_number_beyond_its_limits_is_set_to_the_limit_and_told(
    agent: Agent, limit: int, set_to: int
) -> None:
    found = await agent.ok("list_connections", limit=limit)
    assert f"limit was set to {set_to}" in found.text


async def test_unknown_tool_is_a_protocol_error(agent: Agent) -> None:
    with pytest.raises(MCPError) as caught:
        await agent.call("get_conection")
    assert caught.value.error.code == INVALID_PARAMS
    assert "get_connection" in caught.value.error.message


async def test_second_run_is_a_conflict_that_names_the_job(agent: Agent) -> None:
    collection = await agent.collection("conflict")
    made = await agent.connection(collection, config={"entities": 1000, "rate": 20})
    job = (await agent.ok("run_sync", connection_id=made["id"])).data["id"]
    text = await agent.expect_refusal("run_sync", connection_id=made["id"])
    assert f"get_job(job_id='{job}')" in text
    assert "cancel_job" in text
    await agent.ok("cancel_job", job_id=job)
    assert (await agent.job(job))["status"] == "CANCELLED"


async def test_cancel_is_repeatable_while_cancelling_and_a_conflict_after_the_end(
    agent: Agent,
) -> None:
    collection = await agent.collection("ended")
    made = await agent.sync_new(collection, config={"entities": 1})
    job = made["sync"]["last_job"]["id"]
    text = await agent.expect_refusal("cancel_job", job_id=job)
    assert "COMPLETED" in text
    assert "nothing to cancel" in text
    assert "running job" not in text


async def test_stale_version_is_a_conflict_that_names_the_present_one(agent: Agent) -> None:
    collection = await agent.collection("stale")
    made = await agent.connection(collection)
    await agent.ok("update_connection", connection_id=made["id"], description="first")
    text = await agent.expect_refusal(
        "update_connection", connection_id=made["id"], description="second", expected_version=1
    )
    assert "expected_version" in text
    assert "version is 2" in text
    found = await agent.ok("get_connection", connection_id=made["id"])
    assert found.data["description"] == "first"


async def test_taken_readable_id_is_a_conflict(agent: Agent) -> None:
    await agent.collection("taken")
    text = await agent.expect_refusal("create_collection", name="Another one", readable_id="taken")
    assert "readable_id" in text


async def test_name_that_fits_several_is_ambiguous_and_names_them(agent: Agent) -> None:
    collection = await agent.collection("ambiguous")
    first = await agent.connection(collection, name="Same name")
    second = await agent.connection(collection, name="Same name")
    text = await agent.expect_refusal("get_connection", connection_id="Same name")
    assert first["id"] in text
    assert second["id"] in text


@pytest.mark.parametrize(
    ("error", "category", "step", "status"),
    [
        ("auth", ErrorCategory.API_KEY_INVALID, "authorize_connection", "needs_reauth"),
        ("access", ErrorCategory.ACCESS_DENIED, "update_connection", "error"),
        ("rate_limited", ErrorCategory.RATE_LIMITED, "Wait", "error"),
        ("crash", ErrorCategory.INTERNAL, "run_sync", "error"),
    ],
)
async def test_failed_job_is_diagnosed_with_the_call_that_mends_it(
    agent: Agent, error: str, category: ErrorCategory, step: str, status: str
) -> None:
    collection = await agent.collection(f"failed-{error.replace('_', '-')}")
    # A source that asks for more patience than a job has is not tried again.
    config = {"entities": 9, "fail_at": 4, "error": error, "retry_after": 4000}
    made = await agent.connection(collection, config=config)
    failed = await agent.sync(made["id"])
    assert failed["status"] == "FAILED"
    assert failed["error_category"] == category
    report = await agent.ok("get_job", job_id=failed["id"])
    assert report.data["entities_inserted"] == 4
    assert report.data["diagnosis"]["category"] == category
    assert step in report.data["diagnosis"]["next_step"]
    assert step in report.text
    last = report.data["untrusted_log"][-1]
    assert last["level"] == "error"
    assert last["message"].startswith("Failed: ")
    assert "untrusted-content" in report.text
    found = (await agent.ok("get_connection", connection_id=made["id"])).data
    assert (found["status"], found["error_category"]) == (status, category)
    kept = await agent.ok("search", readable_collection_id=collection, query="entity3")
    assert len(kept.data["hits"]) == 1


async def test_configuration_that_became_wrong_is_diagnosed(agent: Agent) -> None:
    collection = await agent.collection("moved-away")
    folder = agent.place.files / "moved-away"
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_text("A text to keep.")
    made = await agent.sync_new(collection, short_name="files", config={"path": str(folder)})
    folder.rename(agent.place.files / f"elsewhere-{made['id']}")
    failed = await agent.sync(made["id"])
    assert (failed["status"], failed["error_category"]) == ("FAILED", "config_invalid")
    assert failed["entities_deleted"] == 0
    report = await agent.ok("get_job", job_id=failed["id"])
    assert "update_connection" in report.data["diagnosis"]["next_step"]
    kept = await agent.ok("search", readable_collection_id=collection, query="keep")
    assert len(kept.data["hits"]) == 1


async def test_unavailable_source_is_tried_again_within_the_same_job(agent: Agent) -> None:
    collection = await agent.collection("patient")
    made = await agent.connection(collection, config={"entities": 9, "fail_at": 4})
    job = (await agent.ok("run_sync", connection_id=made["id"])).data["id"]
    with anyio.fail_after(WAIT_SECONDS):
        while True:
            seen = await agent.ok("get_job", job_id=job)
            if "Trying again" in seen.text:
                break
    assert seen.data["status"] in {"PENDING", "RUNNING"}
    await agent.ok("update_connection", connection_id=made["id"], config={"fail_at": None})
    done = await agent.job(job)
    assert (done["status"], done["entities_inserted"]) == ("COMPLETED", 9)
    assert "error" not in done
    found = (await agent.ok("get_connection", connection_id=made["id"])).data
    assert (found["status"], found["sync"]["total_runs"]) == ("active", 1)


async def ensure_collection(agent: Agent) -> None:
    """Make the empty collection that refused calls name, if there is none."""
    listed = await agent.ok("list_collections", limit=100)
    if "errors" not in [item["readable_id"] for item in listed.items]:
        await agent.collection("errors")
