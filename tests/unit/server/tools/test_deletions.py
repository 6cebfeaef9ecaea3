"""The tools that make and rename a collection, and that delete in two steps."""

import pytest

from tests.support.server.fakes import Connect, FakeBackend
from tests.support.server.records import make_collection, make_connection
from tests.support.server.tool_calls import bad, good, items

pytestmark = pytest.mark.anyio


async def test_collections_are_made_and_listed(connect: Connect) -> None:
    text, data = await good(connect, "create_collection", name="Team wiki", readable_id="wiki")
    assert data["readable_id"] == "wiki"
    assert "wiki" in text
    _, listed = await good(connect, "list_collections")
    assert [item["readable_id"] for item in items(listed)] == ["docs", "wiki"]


async def test_collection_is_renamed_and_its_id_and_counts_are_told(connect: Connect) -> None:
    text, data = await good(
        connect, "update_collection", readable_collection_id="docs", name="Team wiki"
    )
    assert (data["readable_id"], data["name"]) == ("docs", "Team wiki")
    assert "docs: 'Team wiki'" in text
    refused = await bad(connect, "update_collection", readable_collection_id="docs", name="abc")
    assert "name" in refused


async def test_delete_previews_first_and_then_deletes(
    connect: Connect, backend: FakeBackend
) -> None:
    text, data = await good(connect, "delete_connection", connection_id="c1")
    assert data["deleted"] is False
    assert "12 entities" in text
    assert "cron '0 2 * * *'" in text
    assert "Nothing is deleted at the source" in text
    assert "c1" in backend.connections.rows
    token = data["confirmation_token"]
    text, data = await good(
        connect, "delete_connection", connection_id="c1", confirmation_token=token
    )
    assert data["deleted"] is True
    assert data["entities"] == 12
    assert backend.connections.rows == {}


async def test_changed_connection_needs_a_new_preview(
    connect: Connect, backend: FakeBackend
) -> None:
    _, data = await good(connect, "delete_connection", connection_id="c1")
    backend.connections.rows["c1"] = make_connection("c1", version=4)
    text = await bad(
        connect,
        "delete_connection",
        connection_id="c1",
        confirmation_token=data["confirmation_token"],
    )
    assert "without confirmation_token" in text
    assert "c1" in backend.connections.rows


async def test_invented_token_deletes_nothing(connect: Connect, backend: FakeBackend) -> None:
    await bad(connect, "delete_connection", connection_id="c1", confirmation_token="yes")
    assert "c1" in backend.connections.rows


async def test_collection_is_deleted_in_two_steps(connect: Connect, backend: FakeBackend) -> None:
    _, data = await good(connect, "delete_collection", readable_collection_id="docs")
    assert data["deleted"] is False
    backend.collections.rows["other"] = make_collection("other")
    token = data["confirmation_token"]
    await bad(
        connect,
        "delete_collection",
        readable_collection_id="other",
        confirmation_token=token,
    )
    _, data = await good(
        connect, "delete_collection", readable_collection_id="docs", confirmation_token=token
    )
    assert data["deleted"] is True
    assert list(backend.collections.rows) == ["other"]
