"""Jobs of the past in the store: lists, look-ups, logs, and what is pruned."""

from contextlib import closing
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from tests.support.store.bench import ORGANIZATION, Bench, entity, open_bench
from weft.domain.jobs import JobStatus
from weft.domain.reading.browsing import ChangeKind
from weft.local.store.browse import ChangeFilter, Scope

pytestmark = pytest.mark.anyio

MANY_JOBS = 30
# With those that begin and end a transaction.
FEW_STATEMENTS = 5


async def test_jobs_are_listed_newest_first_by_page_and_status(bench: Bench) -> None:
    made, other = await bench.connection(), await bench.connection()
    jobs = [await bench.list_all(made) for _ in range(3)]
    waiting = await bench.queue(other)

    async def list_ids(
        cursor: str | None = None, **filters: object
    ) -> tuple[list[str], str | None]:
        values = {"connection_id": None, "status": None} | filters
        page = await bench.store.jobs.list(ORGANIZATION, cursor=cursor, limit=2, **values)  # pyright: ignore[reportArgumentType] (checked by the callers)
        return [job.id for job in page.items], page.next_cursor

    first, cursor = await list_ids()
    assert first == [waiting.id, jobs[2].id]
    second, end = await list_ids(cursor)
    assert (second, end) == ([jobs[1].id, jobs[0].id], None)
    assert (await list_ids(connection_id=other.id))[0] == [waiting.id]
    assert (await list_ids(status=JobStatus.PENDING))[0] == [waiting.id]
    assert (await list_ids(connection_id=made.id, status=JobStatus.FAILED))[0] == []


async def test_job_is_found_by_id_and_prefix_in_any_case(bench: Bench) -> None:
    job = await bench.queue(await bench.connection())
    for text in (job.id, job.id.upper(), job.id[:8], job.id[:3]):
        assert [item.id for item in await bench.store.jobs.find(ORGANIZATION, text)] == [job.id]
    for text in ("", job.id[:2], "zzzzzzzz", "%", "____"):
        assert not await bench.store.jobs.find(ORGANIZATION, text)


async def test_job_of_another_organization_is_not_seen(bench: Bench) -> None:
    job = await bench.queue(await bench.connection())
    jobs = bench.store.jobs
    assert await jobs.get("somebody", job.id) is None
    assert not await jobs.find("somebody", job.id)
    assert not await jobs.log("somebody", job.id, 5)
    page = await jobs.list("somebody", connection_id=None, status=None, cursor=None, limit=5)
    assert page.items == ()


async def test_log_gives_its_last_lines_oldest_first(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    await bench.commit(claim, log=tuple(f"line {n}" for n in range(5)))
    lines = await bench.store.jobs.log(ORGANIZATION, claim.job_id, 2)
    assert [line.message for line in lines] == ["line 3", "line 4"]


async def test_old_ended_jobs_are_pruned_in_parts_and_live_ones_kept(bench: Bench) -> None:
    made, other = await bench.connection(), await bench.connection()
    jobs = [await bench.list_all(made, entity("a")) for _ in range(5)]
    kept = [await bench.list_all(other), await bench.queue(made)]
    steps = [await bench.store.jobs.prune(keep=2, limit=3) for _ in range(3)]
    page = await bench.store.jobs.list(
        ORGANIZATION, connection_id=None, status=None, cursor=None, limit=100
    )
    left = {job.id for job in page.items}
    assert {job.id for job in kept} <= left
    assert jobs[4].id in left
    assert sum(steps) == 7 - len(left)
    assert steps[-1] == 0
    assert (await bench.get(made)).sync.total_runs == 5, "the numbers of the history stay"


async def test_look_for_jobs_to_prune_waits_for_no_other_writer(bench: Bench) -> None:
    await bench.list_all(await bench.connection())
    with closing(cast("Any", apsw).Connection(str(bench.path))) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await bench.store.jobs.prune(keep=1, limit=10) == 0


async def test_jobs_of_a_status_are_not_looked_for_on_the_event_loop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await bench.queue(await bench.connection())
    monkeypatch.delattr("weft.local.store.sqlite.file.database.Database.peek")
    page = await bench.store.jobs.list(
        ORGANIZATION, connection_id=None, status=JobStatus.PENDING, cursor=None, limit=10
    )
    assert page.items == (job,)


async def test_look_at_changes_costs_no_more_when_other_jobs_changed_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> None:
    work = watch_statements(monkeypatch)
    async with open_bench(tmp_path / "weft.db") as bench:
        made, other = await bench.connection(), await bench.connection()
        job = await bench.list_all(made, entity("a"), entity("b"))
        looks = [
            (Scope(ORGANIZATION), ChangeFilter(job_id=job.id)),
            (Scope(ORGANIZATION, connection_id=made.id), ChangeFilter()),
        ]
        before = [await count_work(bench, work, *look) for look in looks]
        for number in range(MANY_JOBS):
            await bench.list_all(other, entity(f"e{number}"))
        for look, steps in zip(looks, before, strict=True):
            # A step aside in an index, but none for each of the other jobs.
            assert await count_work(bench, work, *look) < steps + MANY_JOBS


async def test_changes_of_many_jobs_are_counted_and_looked_for_in_few_statements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> None:
    work = watch_statements(monkeypatch)
    async with open_bench(tmp_path / "weft.db") as bench:
        made = await bench.connection()
        for number in range(MANY_JOBS):
            await bench.list_all(made, entity(f"e{number}"))
        for kind in (None, ChangeKind.FAILED):
            wanted = ChangeFilter(kind=kind)
            work.clear()
            await bench.store.browse.count_changes(Scope(ORGANIZATION), wanted)
            assert len(work) <= FEW_STATEMENTS
        work.clear()
        page = await bench.store.browse.changes(
            Scope(ORGANIZATION), ChangeFilter(kind=ChangeKind.FAILED), cursor=None, limit=10
        )
        assert page.items == ()
        assert len(work) <= FEW_STATEMENTS


def watch_statements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the steps that SQLite takes for each statement, on connections opened from now on."""
    steps: list[int] = []

    def watch(connection: Any) -> None:
        def note(event: dict[str, Any]) -> None:
            steps.append(event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"])

        connection.trace_v2(cast("Any", apsw).SQLITE_TRACE_PROFILE, note)

    monkeypatch.setattr(apsw, "connection_hooks", [*cast("Any", apsw).connection_hooks, watch])
    return steps


async def count_work(bench: Bench, work: list[int], scope: Scope, wanted: ChangeFilter) -> int:
    """Read and count changes; return the steps that took."""
    work.clear()
    await bench.store.browse.changes(scope, wanted, cursor=None, limit=10)
    await bench.store.browse.count_changes(scope, wanted)
    return sum(work)
