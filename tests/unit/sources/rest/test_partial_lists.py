"""Lists that hold too much, too little, or what may still change are read as what they are."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from tests.support.sources.rest import FakeService
from weft.domain.entities import Entity
from weft.net.client import http_factory
from weft.sources.base import Complete, Deleted, Event, Failed, Incomplete, NoFields, SourceContext
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import NoAuth, Record, Since, Stream
from weft.testing.scripted_http import serve
from weft.testing.source_contract import events_of, last_cursor

pytestmark = pytest.mark.anyio


async def complete(source: "NotesSource", record: Record) -> Record:
    return {**record, "body": source.bodies[record["id"]]}


class NotesSource(RestSource[NoFields, NoFields]):
    short_name = "notes"
    name = "Notes"
    description = "Notes of a notes server."
    Config = NoFields
    base_url = "https://notes.example"
    auth = NoAuth()
    bodies: ClassVar[dict[str, str]] = {}
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(
            name="note",
            path="/notes",
            records="items",
            cut="is_cut",
            among=lambda record: record["kind"] == "note",
            wanted="is_there",
            updated="at",
            since=Since(param="since"),
            version="version",
            load=complete,
            text="body",
        ),
    )


def note(name: str, kind: str = "note", **more: Any) -> dict[str, Any]:
    return {"id": name, "kind": kind, "at": "2026-03-01T00:00:00Z", "is_there": True} | more


@asynccontextmanager
async def serve_notes(answer: dict[str, Any]) -> AsyncGenerator[SourceContext]:
    service = FakeService("", {}, token="", objects={"/notes": answer})
    service.header = "accept"
    service.token = "application/json"
    NotesSource.bodies.clear()
    NotesSource.bodies.update({each["id"]: f"text of {each['id']}" for each in answer["items"]})
    async with serve(service) as site:
        yield SourceContext(http=http_factory({"127.0.0.1"}), options={"notes_api_url": site.url})


def texts_in(events: list[Event]) -> dict[str, str]:
    return {event.id: event.text for event in events if isinstance(event, Entity)}


async def test_list_that_the_service_cut_off_is_a_gap() -> None:
    async with serve_notes({"items": [note("a")], "is_cut": True}) as context:
        events = await events_of(NotesSource(NoFields(), NoFields(), context))
    assert [event for event in events if isinstance(event, Incomplete)]
    assert not isinstance(events[-1], Complete)


async def test_records_of_another_kind_are_passed_over_and_not_said_to_be_gone() -> None:
    items = [note("a", version="1"), note("b", "folder", is_there=False)]
    async with serve_notes({"items": items}) as context:
        source = NotesSource(NoFields(), NoFields(), context)
        events = await events_of(source)
        items.append(note("c", "folder", is_there=False, at="2026-03-02T00:00:00Z"))
        later = await events_of(source, last_cursor(events))
    assert texts_in(events) == {"note:a": "text of a"}
    assert not [event for event in later if isinstance(event, Deleted | Entity)]


async def test_only_what_has_no_version_yet_is_read_again_although_its_record_is_the_same() -> None:
    items = [note("a", version="1"), note("b")]
    async with serve_notes({"items": items}) as context:
        source = NotesSource(NoFields(), NoFields(), context)
        cursor = last_cursor(await events_of(source))
        NotesSource.bodies.update(a="changed", b="changed")
        later = await events_of(source, cursor)
    assert texts_in(later) == {"note:b": "changed"}


async def test_record_that_is_not_as_documented_fails_alone() -> None:
    items = [note("a", version="1"), note("b", version="1")]
    async with serve_notes({"items": items}) as context:
        del NotesSource.bodies["a"]  # What completes the note then raises a KeyError.
        events = await events_of(NotesSource(NoFields(), NoFields(), context))
    assert [event.id for event in events if isinstance(event, Failed)] == ["note:a"]
    assert texts_in(events) == {"note:b": "text of b"}
