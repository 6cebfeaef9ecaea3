"""Deleting in two steps over stdio: a preview, then a confirmation bound to what it showed."""

import pytest

from tests.acceptance.weft_process import MODES, Agent, Place, connect_client

pytestmark = pytest.mark.anyio


async def test_preview_deletes_nothing_and_shows_what_would_go(agent: Agent) -> None:
    collection = await agent.collection("shown")
    made = await agent.sync_new(
        collection, name="To be shown", config={"entities": 4}, schedule={"cron": "0 2 * * *"}
    )
    preview = await agent.ok("delete_connection", connection_id=made["id"])
    assert preview.data["deleted"] is False
    assert preview.data["entities"] == 4
    for fact in ("To be shown", "4 entities", "0 2 * * *", "running job: none", "source itself"):
        assert fact in preview.text
    assert (await agent.ok("get_connection", connection_id=made["id"])).data["id"] == made["id"]


async def test_reused_foreign_stale_and_invented_tokens_are_refused(agent: Agent) -> None:
    collection = await agent.collection("tokens")
    one = await agent.sync_new(collection, name="Number one", config={"entities": 2})
    two = await agent.sync_new(collection, name="Number two", config={"entities": 2})
    foreign = await fetch_token(agent, one["id"])
    stale = await fetch_token(agent, two["id"])
    await agent.ok("update_connection", connection_id=two["id"], description="changed")
    for wrong in (foreign, stale, "A" * 54, "nonsense", ""):
        text = await agent.expect_refusal(
            "delete_connection", connection_id=two["id"], confirmation_token=wrong
        )
        assert "confirmation_token" in text
        assert "nothing was deleted" in text
    assert len((await agent.ok("list_connections", readable_collection_id=collection)).items) == 2

    used = await fetch_token(agent, collection, "delete_collection", "readable_collection_id")
    text = await agent.expect_refusal(
        "delete_connection", connection_id=two["id"], confirmation_token=used
    )
    assert "nothing was deleted" in text


async def test_token_of_another_process_is_refused(agent: Agent) -> None:
    collection = await agent.collection("processes")
    made = await agent.connection(collection)
    async with connect_client(agent.place, MODES["legacy"]) as other:
        foreign = await fetch_token(other, made["id"])
    text = await agent.expect_refusal(
        "delete_connection", connection_id=made["id"], confirmation_token=foreign
    )
    assert "nothing was deleted" in text


async def test_deleting_stops_the_running_sync_first(agent: Agent) -> None:
    collection = await agent.collection("stopped")
    made = await agent.connection(collection, config={"entities": 1000, "rate": 20})
    job = (await agent.ok("run_sync", connection_id=made["id"])).data["id"]
    preview = await agent.ok("delete_connection", connection_id=made["id"])
    assert job in preview.text
    deleted = await agent.ok(
        "delete_connection",
        connection_id=made["id"],
        confirmation_token=preview.data["confirmation_token"],
    )
    assert deleted.data["deleted"] is True
    assert deleted.data["connection"]["id"] == made["id"]
    await agent.expect_refusal("get_job", job_id=job)
    await agent.expect_refusal(
        "delete_connection",
        connection_id=made["id"],
        confirmation_token=preview.data["confirmation_token"],
    )


async def test_collection_goes_with_its_connections_and_their_text(agent: Agent) -> None:
    collection = await agent.collection("whole")
    made = [await agent.sync_new(collection, config={"entities": 3}) for _ in range(2)]
    preview = await agent.ok("delete_collection", readable_collection_id=collection)
    assert preview.data["deleted"] is False
    assert "2 connections" in preview.text
    assert "6 entities" in preview.text
    deleted = await agent.ok(
        "delete_collection",
        readable_collection_id=collection,
        confirmation_token=preview.data["confirmation_token"],
    )
    assert (deleted.data["deleted"], deleted.data["entities"]) == (True, 6)
    for connection in made:
        await agent.expect_refusal("get_connection", connection_id=connection["id"])
    await agent.expect_refusal("search", readable_collection_id=collection, query="fox")


@pytest.mark.parametrize("mode", MODES.values())
async def test_two_processes_on_one_home_see_each_other(place: Place, mode: str) -> None:
    async with connect_client(place, mode) as one, connect_client(place, mode) as two:
        collection = await one.collection("shared")
        made = await one.connection(collection, config={"entities": 1000, "rate": 20})
        assert (await two.ok("get_connection", connection_id=made["id"])).data["id"] == made["id"]
        job = (await one.ok("run_sync", connection_id=made["id"])).data["id"]
        text = await two.expect_refusal("run_sync", connection_id=made["id"])
        assert job in text
        listed = await two.ok("list_jobs", connection_id=made["id"])
        assert [item["id"] for item in listed.items] == [job]
        await two.ok("cancel_job", job_id=job)
        assert (await one.job(job))["status"] == "CANCELLED"
        assert (await two.job(job))["status"] == "CANCELLED"

        await two.ok("update_connection", connection_id=made["id"], config={"rate": None})
        done = await two.sync(made["id"])
        assert done["status"] == "COMPLETED"
        seen = (await one.ok("get_connection", connection_id=made["id"])).data
        assert seen["sync"]["last_job"]["id"] == done["id"]
        assert seen["entities"]["total_entities"] == 1000
        found = await one.ok("search", readable_collection_id=collection, query="entity999")
        assert len(found.data["hits"]) == 1


async def fetch_token(
    agent: Agent, reference: str, tool: str = "delete_connection", field: str = "connection_id"
) -> str:
    """Ask for a preview; return its token."""
    return (await agent.ok(tool, **{field: reference})).data["confirmation_token"]
