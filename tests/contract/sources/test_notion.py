"""The source `notion` does what every source must do, and reads Notion's blocks and properties."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.sources.notion import (
    TOKEN,
    FakeNotion,
    block,
    data_source,
    error,
    id_of,
    page,
    runs,
    text_block,
)
from tests.support.sources.service_cases import CaseMaker
from weft.domain.entities import Entity
from weft.errors import CursorExpired
from weft.sources.base import AnySource, Complete, Incomplete, Skipped
from weft.sources.services.notion.source import NotionSource
from weft.testing.http_faults import Answer, HttpFaults
from weft.testing.scripted_http import serve
from weft.testing.source_contract import (
    Change,
    SourceCase,
    SourceContract,
    events_of,
    last_cursor,
)

make_case = CaseMaker(NotionSource, {"access_token": TOKEN})


def choice(name: str) -> dict[str, Any]:
    return {"Status": {"id": "s", "type": "status", "status": {"name": name, "color": "red"}}}


def make_notion() -> FakeNotion:
    return FakeNotion(
        things=[
            page(1, "Tea\u200b <b>notes</b>"),
            page(2, "Cups"),
            data_source(20, "Tasks"),
            page(30, "Buy tea", database=20, properties=choice("Open")),
            page(31, "Buy cups", database=20, properties=choice("Done")),
        ],
        blocks={
            id_of(1): [
                text_block(40, "toggle", "Green\u202e", has_children=True),
                text_block(41, "paragraph", "Black"),
            ],
            id_of(40): [text_block(42, "paragraph", "Sencha")],
            id_of(2): [],
            id_of(30): [text_block(43, "paragraph", "At the shop")],
            id_of(31): [],
        },
        cap=2,
        cap_of_lists=1,
    )


class TestNotion(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        notion = make_notion()

        async def mutate() -> Change:
            first, second, tasks, tea, _ = notion.things
            tea = {**tea, "properties": {**tea["properties"], **choice("Done")}}
            notion.things = [
                {**first, "last_edited_time": "2026-03-03T00:00:00.000Z"},
                {**second, "in_trash": True, "archived": True},
                tasks,
                {**tea, "last_edited_time": "2026-03-03T00:00:00.000Z"},
                page(33, "Teapots", edited="2026-03-03T00:01:00.000Z"),
            ]
            notion.blocks[id_of(1)] = [text_block(41, "paragraph", "White")]
            notion.blocks[id_of(33)] = [text_block(44, "paragraph", "Of clay")]
            gone = frozenset({f"page:{id_of(2)}", f"row:{id_of(31)}"})
            changed = {f"page:{id_of(1)}", f"row:{id_of(30)}", f"page:{id_of(33)}"}
            return Change(frozenset(changed), gone, relisted=gone)

        async with serve(notion) as site:
            yield make_case(
                site,
                bad_credentials={"access_token": "ntn_battery-staple"},
                mutate=mutate,
                hostile="JSON is parsed as by the source github.",
                faults=HttpFaults(
                    more={"overloaded": lambda _: _status(529), "conflict": lambda _: _status(409)}
                ),
            )


def _status(status: int) -> Answer:
    reply = error(status, "conflict_error")
    return Answer(reply.status, reply.headers, reply.body)


@asynccontextmanager
async def open_source(notion: FakeNotion) -> AsyncGenerator[AnySource]:
    async with serve(notion) as site:
        yield make_case(site).make()


async def read(source: AnySource, cursor: Any = None) -> dict[str, Entity]:
    events = await events_of(source, cursor)
    return {event.id: event for event in events if isinstance(event, Entity)}


ALL_BLOCKS = [
    text_block(50, "heading_1", "Tea"),
    text_block(51, "paragraph", "Hot", has_children=True),
    text_block(52, "numbered_list_item", "boil"),
    text_block(53, "numbered_list_item", "wait"),
    block(54, "to_do", rich_text=runs("drink"), checked=True, color="default"),
    block(55, "code", rich_text=runs("a = 1\nb = 2"), caption=[], language="python"),
    block(56, "table", has_children=True, table_width=2, has_column_header=True),
    block(57, "synced_block", has_children=True, synced_from={"block_id": id_of(70)}),
    block(58, "synced_block", has_children=True, synced_from={"block_id": id_of(99)}),
    block(59, "child_page", has_children=True, title="Cups"),
    block(60, "image", type="file", file={"url": "https://s3/key"}, caption=runs("a cup")),
    block(61, "bookmark", url="https://tea.example", caption=[]),
    block(62, "equation", expression="e=mc^2"),
    block(63, "callout", rich_text=runs("Mind", annotations={"bold": True}), color="red"),
    block(64, "paragraph", rich_text=runs("shop", href="/abc"), color="default"),
    block(65, "unsupported", block_type="button"),
    block(66, "link_to_page", type="page_id", page_id=id_of(2)),
    block(67, "meeting_notes", title=runs("Talk"), children={"notes_block_id": id_of(71)}),
]
ALL_BLOCKS_BELOW = {
    id_of(51): [text_block(80, "paragraph", "or cold")],
    id_of(56): [
        block(81, "table_row", cells=[runs("a"), runs("b|c")]),
        block(82, "table_row", cells=[runs("1"), runs("2")]),
    ],
    id_of(70): [text_block(83, "quote", "synced")],
    id_of(71): [text_block(84, "bulleted_list_item", "said")],
}
ALL_BLOCKS_TEXT = """\
# Tea
Hot
or cold
1. boil
2. wait
- [x] drink
```python
a = 1
b = 2
```
| a | b\\|c |
| --- | --- |
| 1 | 2 |
> synced
[A part that is not shared with the integration.]
[Cups](https://www.notion.so/0000003b000040008000000000000000)
a cup
https://tea.example
$$e=mc^2$$
> **Mind**
[shop](https://www.notion.so/abc)
<https://www.notion.so/00000002000040008000000000000000>
Talk
- said"""


@pytest.mark.anyio
async def test_blocks_become_markdown_and_keys_of_files_are_left_out() -> None:
    notion = FakeNotion([page(1, "Tea")], {id_of(1): ALL_BLOCKS, **ALL_BLOCKS_BELOW})
    async with open_source(notion) as source:
        (entity,) = (await read(source)).values()
    assert entity.text == ALL_BLOCKS_TEXT
    assert entity.title == "Tea"


@pytest.mark.anyio
async def test_properties_of_a_row_become_text_and_metadata() -> None:
    properties: dict[str, Any] = {
        "Note": {"type": "rich_text", "rich_text": runs("soon")},
        "Tags": {"type": "multi_select", "multi_select": [{"name": "a"}, {"name": "b"}]},
        "Due": {"type": "date", "date": {"start": "2026-04-01", "end": "2026-04-02"}},
        "Done": {"type": "checkbox", "checkbox": False},
        "Price": {"type": "formula", "formula": {"type": "number", "number": 3.5}},
        "Sum": {
            "type": "rollup",
            "rollup": {"type": "array", "array": [{"type": "url", "url": "https://a.example"}]},
        },
        "Key": {"type": "unique_id", "unique_id": {"prefix": "T", "number": 7}},
        "Others": {"type": "relation", "relation": [{"id": id_of(9)}]},
        "New kind": {"type": "of_tomorrow", "of_tomorrow": {"a": 1}},
        "Nobody": {"type": "people", "people": []},
    }
    select = {"id": "s", "name": "Kind", "type": "select", "select": {"options": [{"name": "x"}]}}
    notion = FakeNotion(
        [data_source(20, "Tasks", Kind=select), page(1, "Tea", database=20, properties=properties)],
        {id_of(1): []},
    )
    async with open_source(notion) as source:
        entities = await read(source)
    row = entities[f"row:{id_of(1)}"]
    assert row.text == (
        "Note: soon\nTags: a, b\nDue: 2026-04-01 to 2026-04-02\nDone: no\nPrice: 3.5\n"
        "Sum: https://a.example\nKey: T-7"
    )
    assert row.breadcrumbs == ("Tasks",)
    assert row.metadata["properties"]["Tags"] == "a, b"  # type: ignore[index,call-overload]
    assert entities[f"database:{id_of(20)}"].text == "About Tasks.\n\nName\nKind (x)"


@pytest.mark.anyio
async def test_page_that_may_yet_change_within_its_minute_is_read_again() -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:00.000Z")
    notion = FakeNotion([page(1, "Tea", edited=now), page(2, "Cups")], {id_of(1): [], id_of(2): []})
    async with open_source(notion) as source:
        cursor = last_cursor(await events_of(source))
        notion.blocks[id_of(1)] = [text_block(50, "paragraph", "more")]
        later = await read(source, cursor)
    assert {name: entity.text for name, entity in later.items()} == {f"page:{id_of(1)}": "more"}


@pytest.mark.anyio
async def test_list_that_notion_cut_off_deletes_nothing() -> None:
    async with open_source(FakeNotion([page(1, "Tea")], {id_of(1): []}, is_cut=True)) as source:
        events = await events_of(source)
    assert [event for event in events if isinstance(event, Incomplete)]
    assert not isinstance(events[-1], Complete)


@pytest.mark.anyio
async def test_endless_page_is_read_in_part_and_says_so() -> None:
    # A block that is its own child, as one that shows itself may be.
    loop = text_block(50, "paragraph", "round", has_children=True)
    notion = FakeNotion([page(1, "Tea")], {id_of(1): [loop], id_of(50): [loop]})
    async with open_source(notion) as source:
        (entity,) = (await read(source)).values()
    assert entity.text.startswith("round\nround\n")
    assert entity.text.endswith("[The page goes on; it is too long to be read whole.]")
    assert entity.metadata["is_cut"] is True


@pytest.mark.anyio
async def test_wait_that_notion_asks_for_is_kept() -> None:
    waits = [error(429, "rate_limited", retry_after="1"), error(529, "service_overload")]
    notion = FakeNotion([page(1, "Tea")], {id_of(1): []}, first=waits)
    async with open_source(notion) as source:
        assert await source.check() == "Notion as Weft in Ada's notes"


@pytest.mark.anyio
async def test_pages_in_the_trash_are_looked_for_by_a_listing_each_day() -> None:
    async with open_source(FakeNotion([page(1, "Tea")], {id_of(1): []})) as source:
        cursor = last_cursor(await events_of(source))
        cursor["listed_at"] = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
        with pytest.raises(CursorExpired):
            await events_of(source, cursor)


@pytest.mark.anyio
async def test_database_that_cannot_be_asked_is_skipped_and_the_others_are_read() -> None:
    notion = make_notion()
    mirror = data_source(21, "Mirror")
    notion.things.append(mirror)
    notion.refused.append(mirror["id"])
    async with open_source(notion) as source:
        events = await events_of(source)
    assert [event.id for event in events if isinstance(event, Skipped)] == ["row"]
    assert f"row:{id_of(30)}" in {event.id for event in events if isinstance(event, Entity)}
