"""The life of a connection, from finding the source to deleting it, over every transport."""

import anyio
import pytest

from tests.acceptance.weft_process import TOOLS, WAIT_SECONDS, Agent

pytestmark = pytest.mark.anyio

INSTRUCTIONS_MAX_WORDS = 150


async def test_server_introduces_itself(agent: Agent) -> None:
    client = agent.client
    assert client.server_info is not None
    assert client.server_info.title == "Weft"
    assert client.instructions is not None
    assert 0 < len(client.instructions.split()) <= INSTRUCTIONS_MAX_WORDS


async def test_all_tools_are_offered_with_title_annotations_and_schemas(agent: Agent) -> None:
    tools = (await agent.client.list_tools()).tools
    assert [tool.name for tool in tools] == list(TOOLS)
    for tool in tools:
        assert tool.title
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is not None
        assert tool.annotations.destructive_hint is not None
        assert tool.annotations.idempotent_hint is not None
        assert tool.annotations.open_world_hint is not None
        assert tool.output_schema is not None
        assert tool.input_schema["additionalProperties"] is False


async def test_a_source_is_found_connected_synced_searched_and_deleted(agent: Agent) -> None:
    listed = await agent.ok("list_sources", limit=100)
    assert {"files", "stub", "secret_stub"} <= {item["short_name"] for item in listed.items}
    source = await agent.ok("get_source", short_name="stub")
    assert "entities" in [field["name"] for field in source.data["config_fields"]]

    collection = await agent.collection("life")
    made = await agent.ok(
        "create_connection",
        short_name="stub",
        readable_collection_id=collection,
        name="Whole life",
        config={"entities": 25},
    )
    connection = made.data["id"]
    first = await agent.job(made.data["sync"]["last_job"]["id"])
    assert first["trigger"] == "initial"
    assert (first["status"], first["entities_inserted"]) == ("COMPLETED", 25)

    again = await agent.sync(connection)
    assert (again["entities_unchanged"], again["entities_inserted"]) == (25, 0)
    hits = (await agent.ok("search", readable_collection_id=collection, query="entity7")).data
    assert [hit["untrusted"]["title"] for hit in hits["hits"]] == ["Note 7"]

    await agent.ok("update_connection", connection_id=connection, config={"entities": 20})
    shrunk = await agent.sync(connection)
    assert (shrunk["entities_deleted"], shrunk["entities_unchanged"]) == (5, 20)
    gone = await agent.ok("search", readable_collection_id=collection, query="entity23")
    assert gone.data["hits"] == []

    preview = await agent.ok("delete_connection", connection_id=connection)
    token = preview.data["confirmation_token"]
    deleted = await agent.ok(
        "delete_connection", connection_id=connection, confirmation_token=token
    )
    assert deleted.data["entities"] == 20
    await agent.expect_refusal("get_connection", connection_id=connection)
    empty = await agent.ok("search", readable_collection_id=collection, query="entity7")
    assert empty.data["hits"] == []


async def test_files_are_synced_and_found(agent: Agent) -> None:
    folder = agent.place.files / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# Harvest\n\nThe walnut harvest begins in September.\n")
    (folder / "b.txt").write_text("Nothing of interest.\n")
    collection = await agent.collection("with-files")
    made = await agent.ok(
        "create_connection",
        short_name="files",
        readable_collection_id=collection,
        config={"path": str(folder)},
    )
    job = await agent.job(made.data["sync"]["last_job"]["id"])
    assert (job["status"], job["entities_inserted"]) == ("COMPLETED", 2)
    found = await agent.ok("search", readable_collection_id=collection, query="walnut harvest")
    (hit,) = found.data["hits"]
    entity = await agent.ok("get_entity", entity_id=hit["entity_id"])
    assert "begins in September" in entity.data["untrusted"]["text"]


async def test_files_outside_the_allowed_folders_are_refused(agent: Agent) -> None:
    collection = await agent.collection("outside")
    text = await agent.expect_refusal(
        "create_connection",
        short_name="files",
        readable_collection_id=collection,
        config={"path": str(agent.place.folder)},
    )
    assert "WEFT_FILES_ROOTS" in text


async def test_connection_defaults_are_the_documented_ones(agent: Agent) -> None:
    collection = await agent.collection("defaults")
    made = await agent.ok(
        "create_connection",
        short_name="stub",
        readable_collection_id=collection,
        config={"entities": 1},
    )
    assert made.data["name"] == "Stub Connection"
    assert made.data["auth"]["method"] == "direct"
    assert made.data["version"] == 1
    assert made.data["federated_search"] is False
    assert "schedule" not in made.data
    assert "get_job(job_id=" in made.text
    job = await agent.job(made.data["sync"]["last_job"]["id"])
    assert job["full_sync"] is True


async def test_schedule_is_kept_with_its_next_run_until_removed(agent: Agent) -> None:
    collection = await agent.collection("scheduled")
    made = await agent.connection(
        collection, schedule={"cron": "0 2 * * *", "timezone": "Europe/Berlin"}
    )
    schedule = made["schedule"]
    assert (schedule["cron"], schedule["timezone"]) == ("0 2 * * *", "Europe/Berlin")
    assert schedule["next_run"].endswith(("T00:00:00Z", "T01:00:00Z"))
    listed = await agent.ok("list_connections", readable_collection_id=collection)
    assert listed.items[0]["next_run"] == schedule["next_run"]

    changed = await agent.ok(
        "update_connection", connection_id=made["id"], schedule={"continuous": True, "cron": None}
    )
    assert changed.data["schedule"]["continuous"] is True
    assert changed.data["schedule"]["cursor_field"] == "last_entity"
    removed = await agent.ok("update_connection", connection_id=made["id"], schedule={})
    assert "schedule" not in removed.data


async def test_update_merges_config_and_counts_versions(agent: Agent) -> None:
    collection = await agent.collection("updated")
    made = await agent.connection(collection, config={"entities": 3, "text_chars": 50})
    changed = await agent.ok(
        "update_connection",
        connection_id=made["id"],
        name="Another name",
        description="What it is for",
        config={"entities": 4, "text_chars": None},
        expected_version=1,
    )
    assert changed.data["config"] == {"entities": 4}
    assert changed.data["name"] == "Another name"
    assert changed.data["description"] == "What it is for"
    assert changed.data["version"] == 2


async def test_statistics_count_every_run(agent: Agent) -> None:
    collection = await agent.collection("counted")
    made = await agent.sync_new(collection, config={"entities": 6})
    await agent.sync(made["id"])
    await agent.ok(
        "update_connection", connection_id=made["id"], config={"fail_at": 2, "error": "access"}
    )
    failed = await agent.sync(made["id"])
    found = (await agent.ok("get_connection", connection_id=made["id"])).data
    assert {**found["sync"], "last_job": None} == {
        "total_runs": 3,
        "successful_runs": 2,
        "failed_runs": 1,
        "last_job": None,
    }
    assert found["sync"]["last_job"]["id"] == failed["id"]
    assert found["status"] == "error"
    assert found["entities"]["total_entities"] == 6
    assert found["entities"]["by_type"]["note"]["count"] == 6


async def test_connection_waits_for_credentials_and_syncs_once_authorised(agent: Agent) -> None:
    collection = await agent.collection("waiting")
    made = await agent.ok(
        "create_connection",
        short_name="secret_stub",
        readable_collection_id=collection,
        config={"entities": 3},
    )
    connection = made.data["id"]
    assert made.data["status"] == "pending_auth"
    assert made.data["auth"]["authenticated"] is False
    assert made.data["auth"]["auth_url"] in made.text
    assert f"get_connection(connection_id='{connection}'" in made.text
    refused = await agent.expect_refusal("run_sync", connection_id=connection)
    assert "authorize_connection" in refused

    auth = {"direct": {"credentials": {"token": "a good one"}}}
    wrong = {"direct": {"credentials": {"token": "bad"}}}
    text = await agent.expect_refusal("authorize_connection", connection_id=connection, auth=wrong)
    assert "auth" in text
    still = await agent.ok("get_connection", connection_id=connection)
    assert still.data["status"] == "pending_auth"

    done = await agent.ok("authorize_connection", connection_id=connection, auth=auth)
    assert done.data["status"] == "active"
    assert "authenticated_at" in done.data["auth"]
    job = await agent.sync(connection)
    assert (job["status"], job["entities_inserted"]) == ("COMPLETED", 3)


async def test_check_tells_good_from_bad_without_syncing(agent: Agent) -> None:
    collection = await agent.collection("checked")
    made = await agent.connection(collection, config={"entities": 8})
    checked = await agent.ok("check_connection", connection_id=made["id"])
    assert checked.data["ok"] is True
    assert "8 scripted entities" in checked.data["detail"]
    jobs = await agent.ok("list_jobs", connection_id=made["id"])
    assert jobs.items == []


async def test_incremental_sync_continues_until_forced_to_start_over(agent: Agent) -> None:
    collection = await agent.collection("incremental")
    made = await agent.sync_new(collection, config={"entities": 5}, schedule={"continuous": True})
    await agent.ok("update_connection", connection_id=made["id"], description="same upstream")
    later = await agent.sync(made["id"])
    assert (later["full_sync"], later["entities_processed"]) == (False, 0)
    forced = await agent.sync(made["id"], force_full_sync=True)
    assert (forced["full_sync"], forced["entities_unchanged"]) == (True, 5)


async def test_wait_returns_early_with_the_job_still_running(agent: Agent) -> None:
    collection = await agent.collection("early")
    made = await agent.connection(collection, config={"entities": 1000, "rate": 20})
    job = (await agent.ok("run_sync", connection_id=made["id"], wait_seconds=1)).data
    assert job["status"] in {"PENDING", "RUNNING"}
    running = (await agent.ok("get_connection", connection_id=made["id"])).data
    assert running["status"] == "syncing"
    cancelled = (await agent.ok("cancel_job", job_id=job["id"])).data
    assert cancelled["status"] in {"CANCELLING", "CANCELLED"}
    ended = (await agent.ok("get_job", job_id=job["id"], wait_seconds=WAIT_SECONDS)).data
    assert ended["status"] == "CANCELLED"
    kept = (await agent.ok("get_connection", connection_id=made["id"])).data
    assert kept["status"] == "active"


async def test_progress_is_reported_while_a_call_waits(agent: Agent) -> None:
    collection = await agent.collection("progress")
    made = await agent.connection(collection, config={"entities": 30, "rate": 15})
    heard: list[tuple[float, float | None]] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    arguments = {"connection_id": made["id"], "wait_seconds": WAIT_SECONDS}
    with anyio.fail_after(WAIT_SECONDS):
        result = await agent.client.call_tool("run_sync", arguments, progress_callback=listen)
    assert result.structured_content is not None
    assert result.structured_content["status"] == "COMPLETED"
    values = [progress for progress, _ in heard]
    assert len(values) >= 2
    assert values == sorted(set(values))
    assert values[-1] == 30
    assert heard[-1][1] == 30
