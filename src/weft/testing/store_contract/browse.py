"""Lists of entities: filters, orders, pages, exact counts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from weft.domain.reading.browsing import EntityOrder, ListedEntity
from weft.errors import InvalidInput
from weft.local.store.base import Store
from weft.local.store.browse import (
    ChangeFilter,
    EntityFilter,
    Scope,
)
from weft.testing.store_contract.support import (
    ORGANIZATION,
    find,
    find_titles,
    get_connection,
    list_all,
    make_connection,
    make_entity,
    open_collection,
)

NOON = datetime(2026, 5, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PAGE = 2
ALL = Scope(ORGANIZATION)


class BrowseContract:
    """What is stored."""

    @pytest.mark.anyio
    async def test_entities_are_listed_by_path_in_pages(self, store: Store) -> None:
        one, two = await make_connection(store), await make_connection(store)
        await list_all(store, one, *(make_entity(name) for name in ("b", "d/e", "a")))
        await list_all(store, two, *(make_entity(name) for name in ("b", "c")))
        found = await _walk(store, EntityFilter())
        assert [item.source_entity_id for item in found] == ["a", "b", "b", "c", "d/e"]
        assert {item.connection_id for item in found[1:3]} == {one.id, two.id}

    @pytest.mark.anyio
    async def test_listed_entity_says_what_it_is(self, store: Store) -> None:
        made = await make_connection(store)
        entity = make_entity("docs/a.md", "café", url="https://host/docs/a.md", updated_at=NOON)
        await list_all(store, made, entity)
        [hit] = await find(store, "café")
        assert await _walk(store, EntityFilter()) == [
            ListedEntity(
                id=str(hit.no),
                source_entity_id="docs/a.md",
                connection_id=made.id,
                connection_name=made.name,
                type="note",
                title="docs/a.md",
                size=5,
                media_type="text/markdown",
                updated_at=NOON,
            )
        ]

    @pytest.mark.anyio
    async def test_newest_first_and_those_without_a_date_last(self, store: Store) -> None:
        one, two = await make_connection(store), await make_connection(store)
        await list_all(store, one, _dated("old", 1), make_entity("b"), _dated("new", 4))
        await list_all(store, two, _dated("mid", 2), make_entity("a"), _dated("late", 3))
        found = await _walk(store, EntityFilter(order=EntityOrder.NEWEST))
        assert [item.source_entity_id for item in found] == ["new", "late", "mid", "old", "a", "b"]

    @pytest.mark.anyio
    @pytest.mark.parametrize("order", EntityOrder)
    async def test_filters(self, store: Store, order: EntityOrder) -> None:
        made = await make_connection(store)
        names = ("a/b.md", "a/b/c.md", "a/[x].md", "b.md", "a.txt")
        await list_all(store, made, *(_dated(name, n) for n, name in enumerate(names)))
        await list_all(store, await make_connection(store), make_entity("a/y", kind="other"))

        async def names_of(**wanted: Any) -> set[str]:
            found = await _walk(store, EntityFilter(order=order, **wanted))
            return {item.source_entity_id for item in found}

        assert await names_of(pattern="a/*.md") == {"a/b.md", "a/b/c.md", "a/[x].md"}
        assert await names_of(pattern="a/[x]*") == {"a/[x].md"}
        assert await names_of(pattern="?.md") == {"b.md"}
        assert await names_of(pattern="*b*", type="note") == {"a/b.md", "a/b/c.md", "b.md"}
        assert await names_of(type="other") == {"a/y"}
        assert await names_of(type="text/plain", media_type="text/plain") == {"a.txt"}
        assert await names_of(since=NOON + HOUR, until=NOON + 3 * HOUR) == {"a/b/c.md", "a/[x].md"}

    @pytest.mark.anyio
    @pytest.mark.parametrize("order", EntityOrder)
    async def test_file_is_listed_by_its_path_where_its_id_has_a_prefix(
        self, store: Store, order: EntityOrder
    ) -> None:
        made = await make_connection(store)
        names = ("file:docs/a", "file:docs/b", "file:f", "file:g", "docs/c", "f", "zoo")
        await list_all(store, made, *(_dated(name, n) for n, name in enumerate(names)))
        for pattern, count in {"docs/*": 3, "f*": 5, "g": 1, "?": 3, "file:*": 4, "z*": 1}.items():
            found = await _walk(store, EntityFilter(order=order, pattern=pattern))
            listed = [item.source_entity_id for item in found]
            assert len(listed) == len(set(listed)) == count, pattern
            assert order is not EntityOrder.PATH or listed == sorted(listed)

    @pytest.mark.anyio
    @pytest.mark.parametrize("order", EntityOrder)
    async def test_part_of_the_authors_name_is_found_in_any_case(
        self, store: Store, order: EntityOrder
    ) -> None:
        made = await make_connection(store)
        await list_all(
            store,
            made,
            make_entity("note", "word", metadata={"author": "Zoë MÜLLER"}),
            make_entity("mail", "word", metadata={"from": "ada@example.org", "to": "muller"}),
            make_entity("page", "word", metadata={"authors": ["Muller"], "author": 7}),
            make_entity("talk", "word", metadata={"author": ["Ada", "Zoe"]}),
        )
        wanted = {"muller": ["note"], "ADA": ["mail", "talk"], "Zoë": ["note", "talk"], "%": []}
        for author, names in wanted.items():
            found = await _walk(store, EntityFilter(order=order, author=author))
            assert [item.source_entity_id for item in found] == names, author
            assert sorted(await find_titles(store, "word", author=author)) == names, author
        changed = make_entity("note", "word", metadata={"author": "Grace"})
        await list_all(store, made, changed)
        assert await find_titles(store, "word", author="grace") == ["note"]
        assert await find_titles(store, "word", author="müller") == []

    @pytest.mark.anyio
    async def test_update_moves_an_entity_in_time(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, _dated("a", 1), _dated("b", 2))
        await list_all(store, made, _dated("a", 3), _dated("b", 2))
        found = await _walk(store, EntityFilter(order=EntityOrder.NEWEST))
        assert [item.source_entity_id for item in found] == ["a", "b"]

    @pytest.mark.anyio
    async def test_scope_bounds_lists_and_counts(self, store: Store) -> None:
        one, two = await make_connection(store), await make_connection(store, "other")
        await list_all(store, one, make_entity("a"), make_entity("b", kind="page"))
        await list_all(store, two, make_entity("c"))
        other = Scope(ORGANIZATION, (await open_collection(store, "other")).id)
        strangers = Scope("organization-2", connection_id=one.id)
        assert await store.browse.count_types(ALL) == {"note": 2, "page": 1}
        assert await store.browse.count_types(other) == {"note": 1}
        assert await store.browse.count_types(strangers) == {}
        assert [item.source_entity_id for item in await _walk(store, EntityFilter(), other)] == [
            "c"
        ]
        assert await _walk(store, EntityFilter(), strangers) == []
        assert await store.browse.locate(strangers, "a") == ()
        page = await store.browse.changes(strangers, ChangeFilter(), cursor=None, limit=PAGE)
        assert page.items == ()
        await store.trash.delete_connection(ORGANIZATION, one.id)
        assert [item.source_entity_id for item in await _walk(store, EntityFilter())] == ["c"]

    @pytest.mark.anyio
    async def test_media_types_are_counted_as_entities_come_and_go(self, store: Store) -> None:
        made = await make_connection(store)
        names = ("a.PDF", "b.pdf", "c.md", "https://host.example/", "d", "e.unknown")
        await list_all(store, made, *map(make_entity, names))
        counted = await store.browse.count_media_types(ALL)
        assert counted == {"application/pdf": 2, "text/markdown": 1}
        await list_all(store, made, make_entity("b.pdf", kind="page"), make_entity("d"))
        assert await store.browse.count_media_types(ALL) == {"application/pdf": 1}
        assert await store.browse.count_types(ALL) == {"note": 1, "page": 1}
        types = (await get_connection(store, made.id)).entities.by_type
        assert {name: each.count for name, each in types.items()} == {"note": 1, "page": 1}
        await store.trash.delete_connection(ORGANIZATION, made.id)
        assert await store.browse.count_media_types(ALL) == {}

    @pytest.mark.anyio
    async def test_entity_is_located_by_its_id_and_its_url(self, store: Store) -> None:
        made = await make_connection(store)
        urls = {"a/b.md": "file:///r/a/b.md", "commit:1": "https://h/c/1", "https://h/": None}
        await list_all(store, made, *(make_entity(n, url=url) for n, url in urls.items()))
        for name, url in urls.items():
            for wanted in (name, url or name):
                found = await store.browse.locate(ALL, wanted)
                assert [item.source_entity_id for item in found] == [name], wanted
        await list_all(store, await make_connection(store), make_entity("file:c.md"))
        assert len(await store.browse.locate(ALL, "c.md")) == 1
        await list_all(
            store, await make_connection(store), make_entity("ü", url="file:///r/%C3%BC")
        )
        for path, count in {"/r/ü": 1, "/r/a/b.md": 1, "/a/b.md": 0}.items():
            assert len(await store.browse.locate(ALL, path)) == count, path
        assert not await store.browse.locate(ALL, "file:///elsewhere/a/b.md")
        assert not await store.browse.locate(ALL, "a/b.md\0")
        await list_all(store, await make_connection(store), make_entity("a/b.md"))
        assert len(await store.browse.locate(ALL, "a/b.md")) == 2

    @pytest.mark.anyio
    async def test_largest_texts_come_first(self, store: Store) -> None:
        made = await make_connection(store)
        sizes = {"a": 3, "b": 900, "c": 20}
        await list_all(store, made, *(make_entity(k, "x" * n) for k, n in sizes.items()))
        found = await store.browse.largest(Scope(ORGANIZATION, connection_id=made.id), 2)
        assert [(each.source_entity_id, each.size) for each in found] == [("b", 900), ("c", 20)]

    @pytest.mark.anyio
    async def test_next_page_may_be_asked_for_with_a_moved_time(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, *(_dated(name, 0) for name in "abc"))
        cursor: str | None = None
        for number, name in enumerate("abc"):
            wanted = EntityFilter(since=NOON - HOUR + number * HOUR / 60)
            page = await store.browse.entities(ALL, wanted, cursor=cursor, limit=1)
            assert [item.source_entity_id for item in page.items] == [name]
            cursor = page.next_cursor
        assert cursor is None

    @pytest.mark.anyio
    async def test_cursor_of_another_list_is_refused(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, *(make_entity(name) for name in "abc"))
        page = await store.browse.entities(ALL, EntityFilter(), cursor=None, limit=1)
        assert page.next_cursor is not None
        if page.next_cursor.isdecimal():
            pytest.skip("a cursor of this store is a position, and says of no list")
        other = EntityFilter(type="note")
        with pytest.raises(InvalidInput):
            await store.browse.entities(ALL, other, cursor=page.next_cursor, limit=1)
        with pytest.raises(InvalidInput):
            await store.browse.changes(ALL, ChangeFilter(), cursor=page.next_cursor, limit=1)


def _dated(name: str, hours: int) -> Any:
    return make_entity(name, updated_at=NOON + hours * HOUR)


async def _walk(store: Store, wanted: EntityFilter, scope: Scope = ALL) -> list[ListedEntity]:
    """List all entities, in small pages."""
    found: list[ListedEntity] = []
    cursor: str | None = None
    while True:
        page = await store.browse.entities(scope, wanted, cursor=cursor, limit=PAGE)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found
