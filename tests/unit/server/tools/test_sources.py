"""The tools that find a source and say what it takes, however many there are."""

from typing import Any

import pytest

from tests.support.server.fakes import Connect, FakeBackend
from tests.support.server.records import SOURCE
from tests.support.server.tool_calls import bad, good
from weft.server.render.size import RESULT_MAX_BYTES, wire_bytes

pytestmark = pytest.mark.anyio


def add_sources(backend: FakeBackend, number: int, **more: Any) -> None:
    """Fill the catalogue with sources whose descriptions are as long as Airweave's."""
    paragraph = "Connects to the API, é. " * 40
    backend.sources.rows = [
        SOURCE.model_copy(
            update={
                "short_name": f"source_{n:02}",
                "name": f"System {n}",
                "description": paragraph,
                "labels": (f"label{n}",),
                **more,
            }
        )
        for n in range(number)
    ]


async def test_sources_are_listed_with_what_they_need_and_the_next_call(connect: Connect) -> None:
    text, data = await good(connect, "list_sources")
    assert "- github: GitHub. Repositories. Needs: personal_access_token; repo_name." in text
    assert "Next: get_source" in text
    assert data["items"] == [
        {
            "short_name": "github",
            "name": "GitHub",
            "description": "Repositories.",
            "auth_methods": ["direct"],
            "auth_required": True,
            "needs": "personal_access_token; repo_name",
        }
    ]


async def test_many_sources_are_paged_and_those_to_come_are_named(
    connect: Connect, backend: FakeBackend
) -> None:
    add_sources(backend, 62)
    text, data = await good(connect, "list_sources")
    assert text.startswith("62 sources:")
    assert len(data["items"]) == 30
    assert "Others: source_30, source_31" in text
    assert text.count("\n") < 35
    later, more = await good(connect, "list_sources", cursor=data["next_cursor"], limit=100)
    assert [item["short_name"] for item in data["items"] + more["items"]] == [
        f"source_{n:02}" for n in range(62)
    ]
    assert "Others" not in later


async def test_list_stays_within_the_limit_of_results(
    connect: Connect, backend: FakeBackend
) -> None:
    add_sources(backend, 5000, short_name="x" * 300)
    text, data = await good(connect, "list_sources", limit=100)
    assert data["items"]
    assert wire_bytes([text, data]) <= RESULT_MAX_BYTES


async def test_words_find_sources(connect: Connect, backend: FakeBackend) -> None:
    add_sources(backend, 62)
    text, data = await good(connect, "list_sources", query="system")
    assert text.startswith("62 sources fit:")
    assert "Next: get_source" in text
    text, data = await good(connect, "list_sources", query="label7")
    assert text.startswith("1 source fits:")
    assert [item["short_name"] for item in data["items"]] == ["source_07"]


async def test_only_source_that_fits_is_shown_with_all_its_fields(connect: Connect) -> None:
    text, data = await good(connect, "list_sources", query="github")
    shown, full = await good(connect, "get_source", short_name="github")
    assert shown in text
    assert full.items() <= data["items"][0].items()
    assert "Next: create_connection(short_name='github'" in text


async def test_word_that_fits_nothing_leads_to_near_names_and_other_ways(connect: Connect) -> None:
    text, data = await good(connect, "list_sources", query="gihtub")
    assert "Did you mean github? Nothing else." in text
    assert data["items"] == []
    assert "list_sources" in data["next_step"]


async def test_cursor_of_another_query_is_refused(connect: Connect, backend: FakeBackend) -> None:
    add_sources(backend, 31)
    _, data = await good(connect, "list_sources")
    text = await bad(connect, "list_sources", query="system", cursor=data["next_cursor"])
    assert "cursor" in str(text)


async def test_source_shows_its_fields_and_how_it_was_checked(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.sources.rows = [SOURCE.model_copy(update={"checked_against": "documentation only"})]
    text, data = await good(connect, "get_source", short_name="github")
    assert "repo_name (string, required): owner/name" in text
    assert "personal_access_token (string, required, secret)" in text
    assert "checked against: documentation only" in text
    assert data["auth_required"] is True
