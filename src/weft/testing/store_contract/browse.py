"""Lists of entities and of changes: filters, orders, pages, exact counts, bounded names."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from weft.domain.base import Page
from weft.domain.browsing import Change, ChangeKind, ChangeTotals, EntityOrder, ListedEntity
from weft.domain.connections import Connection
from weft.domain.jobs import FindingKind, JobStatus
from weft.errors import InvalidInput
from weft.local.store.base import Store
from weft.local.store.browse import (
    OTHER_REASONS,
    REASONS_KEPT_MAX,
    ChangeFilter,
    EntityFilter,
    Scope,
)
from weft.sources.base import Checkpoint, Failed, Omitted, Skipped, Unchanged
from weft.testing.store_contract.support import (
    ORGANIZATION,
    PassTime,
    claim_new,
    claim_next,
    commit,
    count_changes,
    find_hits,
    finish,
    get_connection,
    get_job,
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
    """What is stored, and what jobs did."""

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
        [hit] = await find_hits(store, "café")
        assert await _walk(store, EntityFilter()) == [
            ListedEntity(
                id=hit.entity_id,
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
        assert (await _changes(store, scope=strangers)).items == ()
        await store.connections.delete(ORGANIZATION, one.id)
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
        await store.connections.delete(ORGANIZATION, made.id)
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
        assert not await store.browse.locate(ALL, "file:///elsewhere/a/b.md")
        await list_all(store, await make_connection(store), make_entity("a/b.md"))
        assert len(await store.browse.locate(ALL, "a/b.md")) == 2

    @pytest.mark.anyio
    async def test_next_page_may_be_asked_for_with_a_moved_time(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, *(_dated(name, 0) for name in "abc"))
        since, found = NOON - HOUR, list[str]()
        cursor: str | None = None
        while cursor or not found:
            wanted = EntityFilter(since=since)
            page = await store.browse.entities(ALL, wanted, cursor=cursor, limit=1)
            found += [item.source_entity_id for item in page.items]
            cursor, since = page.next_cursor, since + HOUR / 60
        assert found == ["a", "b", "c"]

    @pytest.mark.anyio
    async def test_cursor_of_another_list_is_refused(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, *(make_entity(name) for name in "abc"))
        page = await store.browse.entities(ALL, EntityFilter(), cursor=None, limit=1)
        if not (page.next_cursor or "").isdecimal():  # A store without filters in its cursors.
            with pytest.raises(InvalidInput):
                await store.browse.entities(
                    ALL, EntityFilter(type="note"), cursor=page.next_cursor, limit=1
                )
            with pytest.raises(InvalidInput):
                await store.browse.changes(ALL, ChangeFilter(), cursor=page.next_cursor, limit=1)

    @pytest.mark.anyio
    async def test_job_keeps_what_it_did(self, store: Store, pass_time: PassTime) -> None:
        made = await make_connection(store)
        first = await list_all(store, made, make_entity("a"), make_entity("b"), make_entity("c"))
        pass_time(HOUR)
        second = await list_all(
            store,
            made,
            make_entity("a"),
            make_entity("b", "new"),
            make_entity("d"),
            Skipped("e", "binary"),
            Skipped("f", "binary"),
            Failed("g", "denied"),
            Unchanged("h"),
        )
        found = await _changes(store, job_id=second.id)
        assert [(item.kind, item.name, item.reason) for item in found.items] == [
            ("deleted", "c", None),
            ("failed", "g", "denied"),
            ("failed", "h", found.items[2].reason),
            ("inserted", "d", None),
            ("skipped", "e", "binary"),
            ("skipped", "f", "binary"),
            ("updated", "b", None),
        ]
        assert (found.items[0].title, found.items[0].type) == ("c", "note")
        assert found.items[0].at == second.completed_at
        assert {k: n for k, n in found.totals.counts.items() if n} == {
            kind: n for kind, n in count_changes(second).items() if kind != "unchanged"
        }
        assert next((r.kind, r.reason, r.count) for r in found.totals.reasons) == (
            "skipped",
            "binary",
            2,
        )
        assert found.totals.names == len(found.items)
        recent = await _changes(store, since=second.completed_at)
        assert recent == found
        older = await _changes(store, until=second.completed_at)
        assert [(item.name, item.job_id) for item in older.items] == [
            (name, first.id) for name in "abc"
        ]
        both = await _changes(store)
        assert both.items == (*found.items, *older.items)
        assert (await _changes(store, kind=ChangeKind.UPDATED)).totals.jobs == 1

    @pytest.mark.anyio
    async def test_names_are_bounded_and_counts_exact(self, store: Store) -> None:
        made = await make_connection(store)
        kept = 10
        first = await _list_bounded(store, made, kept, *(f"a{n}" for n in range(6)))
        found = await _changes(store, job_id=first)
        assert (len(found.items), found.totals.counts[ChangeKind.INSERTED]) == (2, 6)
        assert found.totals.names == len(found.items)
        jobs = [await _list_bounded(store, made, kept, f"b{n}", f"c{n}") for n in range(6)]
        assert (await _changes(store, job_id=first)).totals.names == 0
        assert (await _changes(store)).totals.names <= kept
        assert (await _changes(store, job_id=jobs[-1])).totals.names > 0
        everything = (await _changes(store)).totals
        assert everything.counts[ChangeKind.INSERTED] == 18

    @pytest.mark.anyio
    async def test_reasons_are_bounded(self, store: Store) -> None:
        made = await make_connection(store)
        skips = (Skipped(f"s{n}", f"reason {n}") for n in range(2 * REASONS_KEPT_MAX))
        await list_all(store, made, *skips)
        reasons = (await _changes(store)).totals.reasons
        others = reasons[0]
        assert (others.reason, others.count) == (OTHER_REASONS, REASONS_KEPT_MAX)

    @pytest.mark.anyio
    async def test_resumed_job_counts_reasons_once(self, store: Store) -> None:
        made = await make_connection(store)
        claim = await store.entities.begin_listing(await claim_new(store, made))
        events = [Skipped("a", "big"), Checkpoint({"at": 1}), Skipped("b", "big")]
        await commit(store, claim, *events)
        assert await finish(store, claim, JobStatus.PENDING)
        again = await claim_next(store)
        await commit(store, again, Skipped("b", "big"))
        assert await finish(store, again)
        totals = (await _changes(store, job_id=claim.job_id)).totals
        assert (totals.counts[ChangeKind.SKIPPED], totals.reasons[0].count) == (2, 2)
        job = await get_job(store, claim.job_id)
        assert job.entities_skipped == totals.counts[ChangeKind.SKIPPED]

    @pytest.mark.anyio
    async def test_job_tells_what_was_left_out_or_is_empty(self, store: Store) -> None:
        made = await make_connection(store)
        claim = await store.entities.begin_listing(await claim_new(store, made))
        beyond = Omitted(FindingKind.LIMIT, 7, "max_pages")
        empty = replace(make_entity("b"), text=" \n")
        await commit(store, claim, make_entity("a", "words"), empty, Skipped("c", "big"), beyond)
        assert await finish(store, claim, JobStatus.PENDING)
        again = await claim_next(store)
        # The source tells it all once more; what is stored already is not empty anew.
        older = Omitted(FindingKind.OLDER, None, "max_commits")
        more = replace(beyond, count=9)
        await commit(store, again, empty, Skipped("c", "big"), beyond, older)
        await commit(store, again, more)
        assert await finish(store, again)
        expected = {
            (FindingKind.LIMIT, "max_pages"): 9,
            (FindingKind.EMPTY, ""): 1,
            (FindingKind.SKIPPED, "big"): 1,
            (FindingKind.OLDER, "max_commits"): None,
        }
        job = await get_job(store, claim.job_id)
        last_job = (await get_connection(store, made.id)).sync.last_job
        for found in (job, last_job):
            assert found is not None
            assert {(e.kind, e.reason): e.count for e in found.findings} == expected
        assert [each.count for each in job.findings] == [9, 1, 1, None]
        assert {each.reason for each in (await _changes(store)).totals.reasons} == {"big"}

    @pytest.mark.anyio
    async def test_connections_that_need_somebody_are_listed_in_pages(self, store: Store) -> None:
        needing: list[str] = []
        for number in range(7):
            made = await make_connection(store)
            if number % 3 == 0:
                needing.append(made.id)
                await list_all(
                    store, made, make_entity("a", "words"), Omitted(FindingKind.LIMIT, 1, "most")
                )
            else:
                dead_links = Omitted(FindingKind.DEAD_LINKS, 1)
                await list_all(
                    store, made, make_entity("a", "words"), Skipped("b", "big"), dead_links
                )
        found: list[str] = []
        cursor = None
        while True:
            page = await store.connections.list(
                ORGANIZATION,
                readable_collection_id=None,
                short_name=None,
                status=None,
                needs_attention=True,
                cursor=cursor,
                limit=PAGE,
            )
            found += [each.id for each in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == needing[::-1]

    @pytest.mark.anyio
    async def test_listing_that_starts_over_forgets_its_skips(self, store: Store) -> None:
        made = await make_connection(store)
        claim = await store.entities.begin_listing(await claim_new(store, made))
        await commit(store, claim, make_entity("a"), Skipped("b", "big"))
        claim = await store.entities.begin_listing(claim)
        await commit(store, claim, make_entity("a"), Skipped("c", "odd"))
        assert await finish(store, claim)
        found = await _changes(store)
        assert [(item.kind, item.name) for item in found.items] == [
            ("inserted", "a"),
            ("skipped", "c"),
        ]
        assert [(each.reason, each.count) for each in found.totals.reasons] == [("odd", 1)]

    @pytest.mark.anyio
    async def test_changes_of_a_deleted_connection_go_with_it(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("a"))
        assert (await get_connection(store, made.id)).entities.total_entities == 1
        await store.connections.delete(ORGANIZATION, made.id)
        found = await _changes(store)
        assert (found.items, found.totals.jobs) == ((), 0)


def _dated(name: str, hours: int) -> Any:
    return make_entity(name, updated_at=NOON + hours * HOUR)


async def _walk(store: Store, wanted: EntityFilter, scope: Scope = ALL) -> list[ListedEntity]:
    """List all entities, in small pages."""
    found: list[ListedEntity] = []
    page = Page[ListedEntity](items=(), next_cursor=None)
    while not found or page.next_cursor:
        page = await store.browse.entities(scope, wanted, cursor=page.next_cursor, limit=PAGE)
        found += page.items
        if not page.items:
            break
    return found


class _Changes:
    """All that a store tells of changes."""

    def __init__(self, items: tuple[Change, ...], totals: ChangeTotals) -> None:
        self.items = items
        self.totals = totals

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Changes) and vars(self) == vars(other)

    __hash__ = None  # pyright: ignore[reportAssignmentType]


async def _changes(store: Store, *, scope: Scope = ALL, **wanted: Any) -> _Changes:
    """List all changes, in small pages, with their counts."""
    asked = ChangeFilter(**wanted)
    found: list[Change] = []
    cursor: str | None = None
    while True:
        page = await store.browse.changes(scope, asked, cursor=cursor, limit=PAGE)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return _Changes(tuple(found), await store.browse.count_changes(scope, asked))


async def _list_bounded(store: Store, connection: Connection, kept: int, *names: str) -> str:
    """Insert entities by a job that keeps few names; return its id."""
    claim = replace(await claim_new(store, connection), kept_names=kept)
    claim = await store.entities.begin_listing(claim)
    await commit(store, claim, *(make_entity(name) for name in names))
    assert await finish(store, claim)
    return claim.job_id
