"""What jobs did: exact counts, bounded names, and whom that concerns."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from weft.domain.connections import Connection
from weft.domain.jobs import FindingKind, JobStatus
from weft.domain.reading.browsing import Change, ChangeKind, ChangeTotals, ReasonCount
from weft.local.store.base import Store
from weft.local.store.browse import (
    LOST,
    OTHER_REASONS,
    REASONS_KEPT_MAX,
    ChangeFilter,
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
    finish,
    get_connection,
    get_job,
    list_all,
    make_connection,
    make_entity,
)

NOON = datetime(2026, 5, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PAGE = 2
ALL = Scope(ORGANIZATION)


class ChangeContract:
    """What each job inserted, updated, deleted, skipped, failed and left out."""

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
            ("failed", "h", LOST),
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
        reason = ReasonCount(kind=ChangeKind.SKIPPED, reason="binary", count=2)
        assert found.totals.reasons[0] == reason
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
        await store.trash.delete_connection(ORGANIZATION, made.id)
        found = await _changes(store)
        assert (found.items, found.totals.jobs) == ((), 0)


@dataclass
class _Changes:
    """All that a store tells of changes."""

    items: tuple[Change, ...]
    totals: ChangeTotals


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
