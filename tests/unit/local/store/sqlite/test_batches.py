"""Batches: only the difference is written, counted to the entity, and all of it or nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from threading import get_ident
from typing import Any

import pytest

from tests.support.store.bench import ORGANIZATION, Bench, entity
from weft.domain.entities import Entity
from weft.domain.jobs import Job
from weft.errors import Fenced
from weft.local.store.base import Batch, BatchEvent
from weft.local.store.prepared import prepare
from weft.local.store.sqlite.entities import batches
from weft.local.store.sqlite.tables.jobs import write_log
from weft.sources.base import Checkpoint, Deleted, Expect, Failed, Skipped, Unchanged

pytestmark = pytest.mark.anyio


def counts(job: Job) -> dict[str, int]:
    """Those counts of a job that are not zero."""
    names = ("inserted", "updated", "deleted", "unchanged", "skipped", "failed")
    found = {name: getattr(job, f"entities_{name}") for name in names}
    return {name: count for name, count in found.items() if count}


async def commit_and_count(bench: Bench, *events: BatchEvent) -> dict[str, int]:
    """The counts of an incremental sync of one batch, on a connection that has a and b."""
    made = await bench.connection()
    await bench.list_all(made, entity("a", "alpha", version="1"), entity("b", "beta"))
    claim = replace(await bench.claim_new(made), full_sync=False)
    await bench.commit(claim, *events)
    await bench.sweep(claim)
    await bench.finish(claim)
    bench.check_index()
    return counts(await bench.job(claim))


async def test_new_entities_are_stored_whole_and_found(bench: Bench) -> None:
    made = await bench.connection()
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    full = Entity(
        id="päge/1\n",
        type="page",
        title="Crème brûlée",
        text="A dessert 🍮 of burnt cream",
        url="https://example.com/1?a=b#c",
        updated_at=at,
        metadata={"tags": ["x", None, 1.5], "deep": {"ü": True}},
        breadcrumbs=("Recipes", "Sweet → rich"),
        version="v1",
    )
    job = await bench.list_all(made, full)
    assert counts(job) == {"inserted": 1}
    assert await bench.hits("creme") == ["Crème brûlée"]
    [(number,)] = bench.rows("SELECT no FROM entity")
    stored = await bench.store.entities.get(ORGANIZATION, str(number), offset=0, max_chars=1_000)
    assert stored is not None
    assert (stored.source_entity_id, stored.type, stored.title) == ("päge/1\n", "page", full.title)
    assert (stored.text, stored.total_chars) == (full.text, len(full.text))
    assert (stored.url, stored.updated_at) == (full.url, at)
    assert (stored.metadata, stored.breadcrumbs) == (full.metadata, full.breadcrumbs)
    assert stored.connection_id == made.id


@pytest.mark.parametrize(
    "change",
    [
        {"type": "page"},
        {"title": "other"},
        {"text": "alpha2"},
        {"url": "https://example.com"},
        {"updated_at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"metadata": {"a": 1}},
        {"breadcrumbs": ("x",)},
    ],
)
async def test_change_of_any_part_is_an_update(bench: Bench, change: dict[str, Any]) -> None:
    changed = replace(entity("a", "alpha", version="1"), **change)
    assert await commit_and_count(bench, changed) == {"updated": 1}


async def test_parts_that_run_together_to_the_same_text_still_differ(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, Entity(id="a", type="t", title="one", text="two"))
    job = await bench.list_all(made, Entity(id="a", type="t", title="onet", text="wo"))
    assert counts(job) == {"updated": 1}


async def test_order_of_metadata_keys_is_no_change(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("a", metadata={"x": 1, "y": 2}))
    assert counts(await bench.list_all(made, entity("a", metadata={"y": 2, "x": 1}))) == {
        "unchanged": 1
    }


async def test_same_entity_again_writes_nothing_but_the_count(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("a", "alpha"))
    before = bench.rows("SELECT * FROM entity_body"), (await bench.get(made)).entities
    bench.pass_time(hours=1)
    assert counts(await bench.list_all(made, entity("a", "alpha"))) == {"unchanged": 1}
    assert (bench.rows("SELECT * FROM entity_body"), (await bench.get(made)).entities) == before


async def test_new_version_alone_is_unchanged_but_stored(bench: Bench) -> None:
    assert await commit_and_count(bench, entity("a", "alpha", version="2")) == {"unchanged": 1}
    [(connection_id,)] = bench.rows("SELECT id FROM connection")
    assert await bench.store.entities.versions(connection_id, ["a", "b", "zzz"]) == {"a": "2"}


async def test_version_that_is_no_longer_given_is_forgotten(bench: Bench) -> None:
    assert await commit_and_count(bench, entity("a", "alpha")) == {"unchanged": 1}
    [(connection_id,)] = bench.rows("SELECT id FROM connection")
    assert await bench.store.entities.versions(connection_id, ["a"]) == {}


async def test_versions_are_those_of_one_connection(bench: Bench) -> None:
    made = [await bench.connection() for _ in range(2)]
    for number, connection in enumerate(made):
        await bench.list_all(connection, entity("a", version=str(number)))
    found = [await bench.store.entities.versions(each.id, ["a"]) for each in made]
    assert found == [{"a": "0"}, {"a": "1"}]
    assert await bench.store.entities.versions(made[0].id, []) == {}


async def test_unchanged_of_a_stored_entity_is_counted(bench: Bench) -> None:
    assert await commit_and_count(bench, Unchanged("a")) == {"unchanged": 1}


async def test_unchanged_of_an_unknown_entity_is_a_failure(bench: Bench) -> None:
    assert await commit_and_count(bench, Unchanged("lost")) == {"failed": 1}


async def test_deletion_of_an_unknown_entity_counts_nothing(bench: Bench) -> None:
    assert await commit_and_count(bench, Deleted("unknown")) == {}


async def test_deleted_entity_is_gone_from_counts_and_search(bench: Bench) -> None:
    assert await commit_and_count(bench, Deleted("a")) == {"deleted": 1}
    assert await bench.hits("alpha") == []
    assert bench.rows("SELECT source_id FROM entity") == [("b",)]
    assert bench.rows("SELECT count(*) FROM entity_body") == [(1,)]


async def test_failed_entity_keeps_its_copy(bench: Bench) -> None:
    assert await commit_and_count(bench, Failed("a", "unreadable")) == {"failed": 1}
    assert await bench.hits("alpha") == ["a"]


@pytest.mark.parametrize(
    ("events", "expected", "hits"),
    [
        ([entity("a", "one"), entity("a", "two")], {"updated": 1}, {"two"}),
        ([entity("n", "one"), entity("n", "two")], {"inserted": 1}, {"alpha", "two"}),
        ([entity("a", "one"), Deleted("a")], {"deleted": 1}, set[str]()),
        ([Deleted("a"), entity("a", "one")], {"updated": 1}, {"one"}),
        ([entity("n", "one"), Deleted("n")], {}, {"alpha"}),
        ([Unchanged("a"), Unchanged("a")], {"unchanged": 1}, {"alpha"}),
        ([Unchanged("a"), entity("a", "one")], {"updated": 1}, {"one"}),
        ([Failed("a", "x"), entity("a", "one")], {"updated": 1}, {"one"}),
        ([entity("n", "one"), Failed("n", "x")], {"failed": 1}, {"alpha"}),
        ([Failed("a", "x"), Failed("a", "y")], {"failed": 1}, {"alpha"}),
        ([Skipped("n", "x"), Skipped("n", "y")], {"skipped": 1}, {"alpha"}),
        ([Deleted("a"), Deleted("a")], {"deleted": 1}, set[str]()),
    ],
)
async def test_last_event_of_an_id_counts_once(
    bench: Bench, events: list[BatchEvent], expected: dict[str, int], hits: set[str]
) -> None:
    assert await commit_and_count(bench, *events) == expected
    words = {word for word in ("alpha", "one", "two") if await bench.hits(word)}
    assert words == hits


async def test_type_counts_follow_an_entity_that_changes_its_type(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("a"), entity("b"), entity("c", kind="page"))
    first = await bench.get(made)
    assert await bench.types(made) == {"note": 2, "page": 1}
    later = bench.pass_time(hours=1)
    await bench.list_all(made, entity("a", kind="page"), entity("b"), entity("c", kind="page"))
    assert await bench.types(made) == {"note": 1, "page": 2}
    after = (await bench.get(made)).entities.by_type
    assert after["page"].last_updated == later != first.entities.by_type["page"].last_updated
    await bench.list_all(made, *(entity(name, kind="page") for name in "abc"))
    assert await bench.types(made) == {"page": 3}, "a type without entities is not listed"


async def test_progress_log_and_total_come_with_the_batch(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    await bench.commit(claim, Expect(7), entity("a"), log=("first",))
    await bench.commit(claim, entity("b"), log=("second",))
    job = await bench.job(claim)
    assert (job.entities_total, job.entities_inserted) == (7, 2)
    lines = await bench.store.jobs.log(ORGANIZATION, job.id, 10)
    assert [line.message for line in lines] == ["first", "second"]


async def test_commit_tells_its_own_loop_once_that_reading_may_go_on(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    await bench.commit(claim, entity("a"))
    assert bench.read_on == [get_ident()]
    await bench.commit(claim, entity("a"))
    assert bench.read_on == [get_ident()] * 2


async def test_batch_that_breaks_in_the_middle_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("a", "alpha"), entity("b", "beta"))
    claim = await bench.claim_new(made)
    tables = ("entity", "entity_body", "entity_type", "job", "job_log", "job_seen", "sequence")
    before = {name: bench.rows(f"SELECT * FROM {name}") for name in tables}

    def breaks(*arguments: Any) -> None:
        write_log(*arguments)
        raise ZeroDivisionError

    monkeypatch.setattr(batches, "write_log", breaks)
    events = [entity("a", "changed"), entity("n", "new"), Deleted("b"), Checkpoint({"at": 1})]
    with pytest.raises(ZeroDivisionError):
        await bench.commit(claim, *events, log=("lost",))
    assert {name: bench.rows(f"SELECT * FROM {name}") for name in tables} == before
    assert (await bench.hits("alpha"), await bench.hits("new")) == (["a"], [])
    bench.check_index()
    monkeypatch.undo()
    await bench.commit(claim, *events)
    assert counts(await bench.job(claim)) == {"inserted": 1, "updated": 1}
    assert await bench.sweep(replace(claim, full_sync=False)) == 1


async def test_checkpoint_is_stored_with_its_batch(bench: Bench) -> None:
    made = await bench.connection()
    claim = await bench.store.entities.begin_listing(await bench.claim_new(made))
    await bench.commit(claim, entity("a"), Checkpoint({"page": 1}), Checkpoint({"page": 2}))
    await bench.pass_watched(leases=1.5)
    taken = await bench.claim("owner-2")
    assert taken is not None
    assert (taken.job_id, taken.checkpoint) == (claim.job_id, {"page": 2})


async def test_job_that_was_interrupted_counts_nothing_twice(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("old", "old"), entity("same"))
    first = await bench.store.entities.begin_listing(await bench.claim_new(made))
    listed: Sequence[BatchEvent] = (
        entity("old", "changed"),
        entity("same"),
        entity("new"),
        Skipped("big", "too large"),
        Checkpoint({"page": 1}),
        Failed("bad", "unreadable"),
        Skipped("bigger", "too large"),
    )
    await bench.commit(first, *listed)
    await bench.pass_watched(leases=1.5)
    taken = await bench.claim("owner-2")
    assert taken is not None
    await bench.commit(taken, *listed, entity("more"))
    assert counts(await bench.job(taken)) == {
        "inserted": 2,
        "updated": 1,
        "unchanged": 1,
        "skipped": 3,
        "failed": 1,
    }


@pytest.mark.parametrize(
    "events",
    [
        [Failed("bad", "x"), Failed("bad", "y")],
        [Skipped("big", "x"), Skipped("big", "y")],
        [Failed("bad", "x"), entity("bad")],
        [Skipped("big", "x"), Deleted("big")],
    ],
)
async def test_counts_at_a_checkpoint_are_true_when_ids_repeat_after_it(
    bench: Bench, events: list[BatchEvent]
) -> None:
    first = await bench.store.entities.begin_listing(
        await bench.claim_new(await bench.connection())
    )
    await bench.commit(first, Checkpoint({"page": 1}), *events)
    await bench.pass_watched(leases=1.5)
    taken = await bench.claim("owner-2")
    assert taken is not None
    job = await bench.job(taken)
    assert (job.entities_failed, job.entities_skipped) == (0, 0)


@pytest.mark.parametrize("how", ["cancelled", "deleted", "claimed anew", "ended"])
async def test_writer_that_lost_its_claim_is_fenced_and_writes_nothing(
    bench: Bench, how: str
) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("old", "unseen"))
    claim = await bench.store.entities.begin_listing(await bench.claim_new(made))
    await bench.commit(claim, entity("a", "alpha"))
    if how == "cancelled":
        assert await bench.store.jobs.request_cancel(await bench.job(claim))
    elif how == "deleted":
        assert await bench.store.trash.delete_connection(ORGANIZATION, made.id)
    elif how == "claimed anew":
        await bench.pass_watched(leases=1.5)
        taken = await bench.claim("owner-2")
        assert taken is not None
        assert taken.fence > claim.fence
    else:
        assert await bench.finish(claim)
    before = bench.rows("SELECT source_id, hash FROM entity")
    with pytest.raises(Fenced):
        await bench.commit(claim, entity("b", "beta"), Deleted("a"))
    with pytest.raises(Fenced):
        await bench.store.entities.begin_listing(claim)
    if how != "deleted":
        with pytest.raises(Fenced):
            await bench.sweep(claim)
    assert bench.rows("SELECT source_id, hash FROM entity") == before
    assert await bench.hits("beta") == []
    bench.check_index()


async def test_listing_deletes_what_it_did_not_name(bench: Bench) -> None:
    made, other = await bench.connection(), await bench.connection()
    await bench.list_all(other, *(entity(f"other{n}") for n in range(3)))
    await bench.list_all(made, *(entity(f"e{n}", kind=f"type{n % 2}") for n in range(20)))
    job = await bench.list_all(
        made, entity("e3", kind="type1"), Failed("e4", "x"), Skipped("e5", "")
    )
    assert counts(job) == {"unchanged": 1, "deleted": 18, "failed": 1, "skipped": 1}
    assert await bench.types(made) == {"type1": 1, "type0": 1}
    assert await bench.types(other) == {"note": 3}
    bench.check_index()


async def test_listing_is_deleted_in_parts_that_each_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.local.store.sqlite.entities import entities  # the module, not the bench's store

    monkeypatch.setattr(entities, "DELETE_BATCH", 3)
    made = await bench.connection()
    await bench.list_all(made, *(entity(f"e{n}") for n in range(10)))
    assert counts(await bench.list_all(made, entity("e9"))) == {"unchanged": 1, "deleted": 9}


async def test_numbers_of_deleted_entities_are_never_used_again(bench: Bench) -> None:
    made = await bench.connection()
    seen: set[int] = set()
    for turn in range(3):
        await bench.list_all(made, entity(f"turn{turn}-a"), entity(f"turn{turn}-b"))
        numbers = {no for (no,) in bench.rows("SELECT no FROM entity")}
        assert not numbers & seen
        seen |= numbers
    await bench.store.trash.delete_connection(ORGANIZATION, made.id)
    while await bench.store.trash.purge(100):
        pass
    await bench.list_all(await bench.connection(), entity("again"))
    [(number,)] = bench.rows("SELECT no FROM entity")
    assert number > max(seen)


async def test_prepare_keeps_only_the_last_event_of_an_id() -> None:
    events: list[BatchEvent] = [entity("a"), Skipped("a", ""), Unchanged("a"), Deleted("a")]
    prepared = prepare(Batch(events))
    assert (prepared.deleted, prepared.entities) == ({"a"}, {})
    assert (prepared.skipped, prepared.unchanged, prepared.failed) == (set(), set(), set())


async def test_text_that_is_no_unicode_fails_that_entity_alone(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    await bench.commit(claim, entity("good"), entity("bad", "lone \ud800 surrogate"))
    assert bench.rows("SELECT source_id FROM entity") == [("good",)]
    assert (await bench.job(claim)).entities_failed == 1
