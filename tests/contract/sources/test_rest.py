"""The REST kit, in each way of paging, does what every source must do."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tests.support.sources.rest import FakeService
from weft.net.client import http_factory
from weft.sources.base import NoFields, SourceContext
from weft.sources.rest.rest_api import RestApiSource
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import (
    Bearer,
    Keyset,
    NextUrl,
    Pages,
    Paging,
    Request,
    Since,
    Stream,
    Token,
)
from weft.testing.http_faults import NO_WAIT, HttpFaults, wait_not
from weft.testing.scripted_http import serve
from weft.testing.source_contract import Change, SourceCase, SourceContract

LOCAL = "127.0.0.1"
HTTP = http_factory({LOCAL}, clock=NO_WAIT)


class NotesCredentials(BaseModel):
    """A key."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(description="Key that may read notes.")


def make_source(paging: Paging, records: str, **more: Any) -> type[RestSource[Any, Any]]:
    class NotesSource(RestSource[NoFields, NotesCredentials]):
        short_name = "notes"
        name = "Notes"
        description = "Notes of a notes server."
        Config = NoFields
        Credentials = NotesCredentials
        base_url = "https://notes.example"
        auth = Bearer(field="api_key")
        check_request = Request(path="/me", shows="name")
        sleep = staticmethod(wait_not)
        streams: ClassVar[tuple[Stream, ...]] = (
            Stream(
                name="note",
                path="/notes",
                records=records,
                paging=paging,
                title="title",
                text="body",
                url="https://notes.example/{id}",
                updated="updated_at",
                since=Since(param="since", form="iso"),
                author="author.name",
                metadata={"tags": "tags[].name"},
                **more,
            ),
            Stream(
                name="comment",
                path="/notes/{_parent.id}/comments",
                parent="note",
                only_if="has_comments",
                records=records,
                paging=paging,
                key=("_parent.id", "id"),
                text="body",
                breadcrumbs=("_parent.title",),
            ),
        )

    return NotesSource


def note(number: int, body: str = "A note\u200b about tea.", day: int = 1) -> dict[str, Any]:
    return {
        "id": number,
        "title": f"Note\x07 {number}",
        "body": body,
        "author": {"name": "Ada\u202e"},
        "has_comments": number == 1,
        "tags": [{"name": "a\nb"}, {"name": "tea"}],
        "updated_at": f"2026-03-{day:02}T00:00:{number:02}Z",
    }


async def serve_case(
    style: str, source: type[RestSource[Any, Any]], **options: Any
) -> AsyncGenerator[SourceCase]:
    service = FakeService(
        style,
        {
            "/notes": [note(number) for number in range(1, 6)],
            "/notes/1/comments": [{"id": n, "body": f"comment {n}"} for n in range(1, 4)],
        },
        objects={"/me": {"name": "Ada"}},
        **options,
    )

    async def mutate() -> Change:
        notes = service.collections["/notes"]
        service.collections["/notes"] = [
            *notes[:1],
            note(2, "changed", day=2),
            *notes[3:],
            note(6, "new", day=3),
        ]
        gone = frozenset({"note:3"})
        return Change(frozenset({"note:2", "note:6"}), gone, relisted=gone)

    async with serve(service) as site:
        yield SourceCase(
            source,
            {},
            SourceContext(http=HTTP, options={"notes_api_url": site.url}),
            credentials={"api_key": "correct-horse"},
            bad_credentials={"api_key": "battery-staple"},
            mutate=mutate,
            hostile="JSON is parsed as by the source github.",
            faults=HttpFaults(),
        )


ITEMS = "items"
WAYS: dict[str, tuple[Paging, str]] = {
    "number": (Pages(size=2), ""),
    "offset": (Pages(by="offset", param="offset", total="total", size=2), ITEMS),
    "token": (
        Token(param="cursor", at="meta.next", more="meta.more", size_param="per_page", size=2),
        ITEMS,
    ),
    "url": (NextUrl(at="next", size_param="per_page", size=2), ITEMS),
    "link": (NextUrl(size_param="per_page", size=2), ""),
    "keyset": (Keyset(param="after", at="id", total="total", size_param="per_page", size=2), ITEMS),
}


class TestWaysOfPaging(SourceContract):
    """Each way in which services page."""

    @pytest.fixture(params=WAYS)
    async def case(self, request: pytest.FixtureRequest) -> AsyncGenerator[SourceCase]:
        paging, records = WAYS[request.param]
        async for case in serve_case(request.param, make_source(paging, records)):
            yield case


class TestItems(SourceContract):
    """A service that can be asked for single records."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        source = make_source(WAYS["token"][0], ITEMS, item="/notes/{key}")
        async for case in serve_case("token", source):
            yield case


DEFINITION = """
base_url: https://notes.example
auth: bearer
check: {path: /me, shows: name}
streams:
  - name: note
    path: /notes
    records: items
    paging: {kind: token, param: cursor, at: meta.next, size_param: per_page, size: 2}
    title: title
    text: body
    updated: updated_at
    since: {param: since}
  - name: comment
    parent: note
    only_if: has_comments
    path: /notes/{_parent.id}/comments
    records: items
    paging: {kind: token, param: cursor, at: meta.next, size_param: per_page, size: 2}
    key: ["_parent.id", id]
    text: body
"""


class TestRestApi(SourceContract):
    """A service that its user describes in YAML."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        async for case in serve_case("token", RestApiSource):
            options = {"rest_api_api_url": case.context.options["notes_api_url"]}
            yield replace(
                case,
                config={"definition": DEFINITION},
                credentials={"token": "correct-horse"},
                bad_credentials={"token": "battery-staple"},
                context=replace(case.context, options=options, allow_hosts=frozenset({LOCAL})),
            )
