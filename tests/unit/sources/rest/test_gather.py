"""Records that belong together become one, and a listing whose page is gone begins anew."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

import pytest

from tests.support.sources.rest import FakeService
from weft.domain.base import Json
from weft.errors import CursorExpired, SourceMisconfigured, SourceUnavailable
from weft.net.client import http_factory
from weft.sources.base import Checkpoint, NoFields, SourceContext
from weft.sources.rest import gather as module
from weft.sources.rest.gather import gather
from weft.sources.rest.paging import Page
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import Gather, NoAuth, Record, Stream, Token
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json, serve
from weft.testing.source_contract import events_of, last_cursor

pytestmark = pytest.mark.anyio

BY_DAY = Gather(by="day", make=lambda held: [{"day": held[0]["day"], "ids": _ids(held)}])


def _ids(records: Sequence[Record]) -> list[int]:
    return [record["id"] for record in records]


async def gathered(*pages: Sequence[Record]) -> list[Page]:
    async def read() -> AsyncGenerator[Page]:
        for number, records in enumerate(pages):
            yield Page([*records], None, None if number == len(pages) - 1 else number)

    return [page async for page in gather(read(), BY_DAY, "'note'")]


async def test_group_that_goes_on_on_the_next_page_is_one_record() -> None:
    first = [{"day": "b", "id": 3}, {"day": "a", "id": 2}]
    found = await gathered(first, [{"day": "a", "id": 1}])
    assert [page.records for page in found] == [
        [{"day": "b", "ids": [3]}],
        [{"day": "a", "ids": [2, 1]}],
    ]


async def test_group_that_comes_twice_is_refused() -> None:
    with pytest.raises(SourceUnavailable):
        await gathered([{"day": "b", "id": 3}, {"day": "a", "id": 2}], [{"day": "b", "id": 1}])


async def test_group_beyond_the_limit_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHERED_MAX", 1)
    (page,) = await gathered([{"day": "a", "id": 2}, {"day": "a", "id": 1}])
    assert page.gap


async def test_listing_whose_saved_page_is_gone_begins_anew() -> None:
    class NotesSource(RestSource[NoFields, NoFields]):
        short_name = "notes"
        name = "Notes"
        description = "Notes of a notes server."
        Config = NoFields
        base_url = "https://notes.example"
        auth = NoAuth()
        streams = (
            Stream(
                name="note",
                path="/notes",
                records="items",
                paging=Token(param="cursor", at="meta.next", size=2),
                text="text",
            ),
        )

    notes = FakeService("token", {"/notes": [{"id": n, "text": "a"} for n in range(5)]}, token="")
    broken_after = 2

    def answer(request: HttpRequest) -> HttpReply:
        request.headers["authorization"] = ""
        if len(notes.asked) >= broken_after:
            return as_json({"error": "no such page"}, 400)
        return notes(request)

    async with serve(answer) as site:
        context = SourceContext(
            http=http_factory({"127.0.0.1"}), options={"notes_api_url": site.url}
        )
        source = NotesSource(NoFields(), NoFields(), context)
        saved: Json = {}
        with suppress(SourceMisconfigured):
            async for event in source.fetch(None):
                saved = event.cursor if isinstance(event, Checkpoint) else saved
        assert saved
        with pytest.raises(CursorExpired):
            await events_of(source, saved)
        broken_after = 100
        assert last_cursor(await events_of(source, saved))
