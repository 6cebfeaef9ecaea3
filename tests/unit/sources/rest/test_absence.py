"""What could not be read any more is kept, and what is gone elsewhere is not."""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar

import pytest

from tests.support.sources.rest import FakeService
from weft.net.client import http_factory
from weft.sources.base import Complete, Event, Incomplete, NoFields, Skipped, SourceContext
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import NoAuth, Pages, Stream
from weft.testing.scripted_http import HttpReply, HttpRequest, serve
from weft.testing.source_contract import events_of

pytestmark = pytest.mark.anyio
PAGING = Pages(size=2)


class RoomsSource(RestSource[NoFields, NoFields]):
    short_name = "rooms"
    name = "Rooms"
    description = "Rooms with what is said in them."
    Config = NoFields
    base_url = "https://rooms.example"
    auth = NoAuth()
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(name="room", path="/rooms", paging=PAGING),
        Stream(
            name="note",
            path="/rooms/{_parent.id}/notes",
            parent="room",
            paging=PAGING,
            key=("_parent.id", "id"),
            may_lack=True,
        ),
        Stream(
            name="answer",
            path="/notes/{_parent.id}/answers",
            parent="note",
            paging=PAGING,
        ),
    )


@asynccontextmanager
async def list_rooms(*missing: str) -> AsyncGenerator[list[Event]]:
    """List two rooms, the second of which may not be read."""
    service = FakeService(
        "number",
        {
            "/rooms": [{"id": 1}, {"id": 2}],
            "/rooms/1/notes": [{"id": 11}],
            "/notes/11/answers": [],
        },
        token="",
    )

    def answer(request: HttpRequest) -> HttpReply:
        request.headers["authorization"] = ""
        return service(request)

    async def list_unseen(limit: int, /) -> Collection[str]:
        return missing[:limit]

    async with serve(answer) as site:
        context = SourceContext(
            http=http_factory({"127.0.0.1"}), options={"rooms_api_url": site.url}
        )
        context = replace(context, unseen_ids=list_unseen)
        yield await events_of(RoomsSource(NoFields(), NoFields(), context))


@pytest.mark.parametrize(
    ("missing", "verdict"),
    [
        ("note:1/12", Complete),
        ("note:2/21", Incomplete),
        ("answer:99", Incomplete),
    ],
)
async def test_only_what_lies_where_nothing_could_be_read_is_in_doubt(
    missing: str, verdict: type[Event]
) -> None:
    async with list_rooms(missing) as events:
        assert isinstance(events[-1], verdict)
        assert [event.id for event in events if isinstance(event, Skipped)] == ["note"]
