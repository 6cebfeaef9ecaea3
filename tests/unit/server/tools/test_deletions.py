"""The tools that make and rename a collection, and that delete in two steps."""

from datetime import UTC, datetime

import pytest
from mcp import MCPError

from tests.support.server.fakes import Connect, FakeBackend
from tests.support.server.records import make_collection, make_connection, make_listed
from tests.support.server.tool_calls import bad, good, items

pytestmark = pytest.mark.anyio


async def test_collections_are_made_and_listed(connect: Connect) -> None:
    text, data = await good(connect, "create_collection", name="Team wiki", readable_id="wiki")
    assert data["readable_id"] == "wiki"
    assert "wiki" in text
    _, listed = await good(connect, "list_collections")
    assert [item["readable_id"] for item in items(listed)] == ["docs", "wiki"]


async def test_another_way_to_embed_is_told_and_the_usual_one_is_not(
    connect: Connect, backend: FakeBackend
) -> None:
    usual, _ = await good(connect, "list_collections")
    assert "embedded" not in usual
    docs = backend.collections.rows["docs"]
    backend.collections.rows["docs"] = docs.model_copy(update={"embedded_by": "endpoint"})
    text, listed = await good(connect, "list_collections")
    assert "embedded by endpoint" in text
    assert items(listed)[0]["embedded_by"] == "endpoint"


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
    assert backend.browse is not None
    assert backend.browse.sized == 1, "names are looked for only where they are shown"


async def test_preview_names_the_largest_documents_and_the_end_of_the_undo(
    connect: Connect, backend: FakeBackend
) -> None:
    assert backend.browse is not None
    backend.browse.entities_found = [
        make_listed("a/report.pdf").model_copy(update={"size": 12_345})
    ]
    for tool, arguments in (
        ("delete_connection", {"connection_id": "c1"}),
        ("delete_collection", {"readable_collection_id": "docs"}),
    ):
        text, _ = await good(connect, tool, **arguments)
        assert "a/report.pdf, 12,345 bytes of text" in text
        assert "for good" in text
        assert "This cannot be undone." in text
        backend.trash.hours = 72
        text, data = await good(connect, tool, **arguments)
        assert "restore_connection can undo it until 20" in text
        assert "for good" not in text
        token = data["confirmation_token"]
        refused = await bad(connect, tool, **arguments, permanently=True, confirmation_token=token)
        assert "does not belong to this deletion" in refused, "the preview was of another one"
        backend.trash.hours = 0


async def test_restore_lists_what_can_be_restored_and_restores_it(
    connect: Connect, backend: FakeBackend
) -> None:
    text, data = await good(connect, "restore_connection")
    assert (text, data["items"]) == ("Nothing can be restored.", [])
    until = datetime(2026, 12, 2, 10, tzinfo=UTC)
    gone = make_connection("c9", name="Old wiki").model_copy(update={"restorable_until": until})
    backend.trash.connections = [gone]
    text, data = await good(connect, "restore_connection")
    assert "'Old wiki' (c9)" in text
    assert "until 2026-12-02T10:00:00Z" in text
    assert data["items"][0]["restorable_until"] == "2026-12-02T10:00:00Z"
    text, data = await good(connect, "restore_connection", connection_id="Old wiki")
    assert "Restored 1 connection" in text
    assert data["next_step"] == "run_sync(connection_id='c9') reads what has changed meanwhile."
    await bad(connect, "restore_connection", connection_id="Old wiki")


async def test_backend_that_keeps_nothing_offers_no_restore_and_says_why(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.unsupported = frozenset({"trash.restore"})
    async with connect() as client:
        told = {tool.name: tool.description or "" for tool in (await client.list_tools()).tools}
        assert "restore_connection" not in told
        assert "restore_connection" not in told["delete_connection"]
        with pytest.raises(MCPError, match="What is deleted here is deleted for good"):
            await client.call_tool("restore_connection", {})


async def test_collection_that_comes_back_under_another_id_says_so(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.trash.collections = [make_collection("docs-x7")]
    backend.trash.taken = "docs"
    text, data = await good(connect, "restore_connection", readable_collection_id="docs-x7")
    assert "and collection 'Documents' (docs-x7)" in text
    assert "another collection is called docs by now" in data["notes"][0]


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
