"""Whatever is asked in whatever order, and whoever dies meanwhile: the promises of jobs hold."""

import os
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.local.embedded import Embedded, open_embedded
from tests.support.patience import PATIENCE_SECONDS
from tests.support.process.workers import check_index, open_file
from weft.domain.connections import ConnectionChange
from weft.domain.jobs import Job, JobStatus, RunOptions
from weft.errors import Conflict, NotFound
from weft.local.backend import connections as connections_module
from weft.local.jobs import runner as runner_module
from weft.testing.stub import StubConfig, expected_texts

EXAMPLES = int(os.environ.get("TORTURE_EXAMPLES", "10"))
STEPS = 25
WORKERS_MAX = 2

R = TypeVar("R")
Opened = tuple[Embedded, AbstractContextManager[Embedded]]


class JobLife(RuleBasedStateMachine):
    """Connections, their jobs, and workers that come, die and end in order."""

    connections: Bundle[str] = Bundle("connections")
    deleted: Bundle[str] = Bundle("deleted")

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        self._home = Path(folder)
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._onlooker, _ = self._open(runs_jobs=False)
        self._workers: list[Opened] = []
        self._configs: dict[str, StubConfig] = {}
        self._deleted: set[str] = set()
        self._ended: dict[str, Job] = {}

    def teardown(self) -> None:
        try:
            self._settle_everything()
        finally:
            for worker in list(self._workers):
                self._end(worker)
            self._stack.close()

    # What may happen.

    @rule(
        target=connections,
        entities=st.integers(0, 60),
        page_size=st.sampled_from([7, 1_000]),
        rate=st.sampled_from([None, 400.0]),
    )
    def create(self, entities: int, page_size: int, rate: float | None) -> str:
        config = StubConfig(
            entities=entities, page_size=page_size, rate=rate, change_every=5, text_chars=40
        )
        values = config.model_dump(exclude_unset=True)
        made = self._call(self._onlooker.connect, values)
        self._configs[made.id] = config
        return made.id

    @rule(connection=connections, force=st.booleans())
    def run(self, connection: str, force: bool) -> None:
        jobs = self._onlooker.backend.jobs
        live = self._live(connection)
        in_the_way: str | None = None
        try:
            self._call(lambda: jobs.run(connection, RunOptions(force_full_sync=force)))
        except Conflict as conflict:
            in_the_way = conflict.job_id
        assert in_the_way is None or in_the_way in live, "only a live job is in the way"

    @rule(connection=connections)
    def cancel(self, connection: str) -> None:
        jobs = self._onlooker.backend.jobs
        last = self._call(lambda: self._onlooker.backend.connections.get(connection)).sync.last_job
        if last is None:
            return
        try:
            current = self._call(lambda: jobs.cancel(last.id))
        except Conflict:
            assert self._call(lambda: jobs.get(last.id)).status.is_terminal
        else:
            assert current.status in (JobStatus.CANCELLING, JobStatus.CANCELLED)

    @rule(target=deleted, connection=consumes(connections))
    def delete(self, connection: str) -> Any:
        self._call(lambda: self._onlooker.backend.connections.delete(connection))
        self._deleted.add(connection)
        with pytest.raises(NotFound):
            self._call(lambda: self._onlooker.backend.connections.get(connection))
        return multiple(connection)

    @rule(target=connections, connection=consumes(deleted))
    def restore(self, connection: str) -> Any:
        trash = self._onlooker.backend.trash
        restored = self._call(lambda: trash.restore(connection=connection))
        assert [each.id for each in restored.connections] == [connection]
        self._deleted.discard(connection)
        return multiple(connection)

    @rule(connection=consumes(deleted))
    def delete_for_good(self, connection: str) -> None:
        connections = self._onlooker.backend.connections
        self._call(lambda: connections.delete(connection, permanently=True))

    @rule(target=connections, connection=consumes(connections))
    def update(self, connection: str) -> Any:
        config = self._configs[connection]
        config = config.model_copy(update={"generation": config.generation + 1})
        change = ConnectionChange(config={"generation": config.generation})
        self._call(lambda: self._onlooker.backend.connections.update(connection, change))
        self._configs[connection] = config
        return multiple(connection)

    @precondition(lambda self: len(self._workers) < WORKERS_MAX)
    @rule()
    def start_worker(self) -> None:
        self._workers.append(self._open(runs_jobs=True))

    @precondition(lambda self: self._workers)
    @rule()
    def kill_worker(self) -> None:
        worker = self._workers[0]
        worker[0].runner.dead = True
        self._end(worker)

    @precondition(lambda self: self._workers)
    @rule()
    def end_worker(self) -> None:
        self._end(self._workers[0])

    @rule(changes=st.integers(1, 4))
    def let_them_work(self, changes: int) -> None:
        async def wait() -> None:
            for _ in range(changes):
                mark = self._onlooker.engine.changes.mark()
                await self._onlooker.engine.changes.wait(mark, 0.05)

        self._call(wait)

    # What must hold all the time.

    @invariant()
    def counts_equal_the_store(self) -> None:
        with open_file(str(self._home / "weft.db")) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                counted = list(db.execute(f"{_COUNTED} ORDER BY 1, 2"))
                rows = list(db.execute(f"{_ROWS} ORDER BY 1, 2"))
                bodies = db.execute("SELECT count(*) FROM entity_body").get
                expected = db.execute("SELECT count(*) FROM entity").get
                check_index(db)
                crowded = list(db.execute(_SEVERAL_LIVE))
                orphans = list(db.execute(_ORPHANS))
            finally:
                db.execute("ROLLBACK")
        assert counted == rows
        assert bodies == expected
        assert crowded == []
        assert orphans == []

    @invariant()
    def check_that_ended_jobs_stay(self) -> None:
        page = self._call(lambda: self._onlooker.backend.jobs.list(limit=100))
        found = {job.id: job for job in page.items}
        for job_id, job in self._ended.items():
            if job.source_connection_id not in self._deleted:
                assert found[job_id] == job
        for job in page.items:
            assert job.source_connection_id not in self._deleted
            if job.status.is_terminal:
                self._ended.setdefault(job.id, job)

    # Helpers.

    def _settle_everything(self) -> None:
        """With a living worker every job ends, and a last sync makes all as the oracle says."""
        if not self._workers:
            self.start_worker()
        self._wait_until_quiet()
        self.counts_equal_the_store()
        self.check_that_ended_jobs_stay()
        backend = self._onlooker.backend
        for connection in self._configs.keys() - self._deleted:
            last = self._call(backend.jobs.run, connection)
            done = self._call(self._onlooker.wait_for_end, last)
            assert done.status is JobStatus.COMPLETED
            made = self._call(backend.connections.get, connection)
            assert self._onlooker.texts(made) == expected_texts(self._configs[connection])
        self.counts_equal_the_store()
        assert self._onlooker.one("SELECT count(*) FROM job_seen") == 0

    def _wait_until_quiet(self) -> None:
        async def wait() -> None:
            with anyio.fail_after(PATIENCE_SECONDS):
                while True:
                    mark = self._onlooker.engine.changes.mark()
                    if not self._live():
                        return
                    await self._onlooker.engine.changes.wait(mark, 0.1)

        self._call(wait)

    def _live(self, connection: str | None = None) -> set[str]:
        sql = (
            "SELECT j.id FROM job j JOIN connection c ON c.no = j.connection_no"
            " WHERE j.status IN ('PENDING', 'RUNNING', 'CANCELLING') AND (?1 IS NULL OR c.id = ?1)"
        )
        return {job_id for (job_id,) in self._onlooker.rows(sql, connection)}

    def _open(self, *, runs_jobs: bool) -> Opened:
        opening = self._portal.wrap_async_context_manager(
            open_embedded(self._home, runs_jobs=runs_jobs, keeps_house=runs_jobs)
        )
        opened_engine = opening.__enter__()
        if not runs_jobs:
            self._stack.push(opening)
        return opened_engine, opening

    def _end(self, worker: Opened) -> None:
        self._workers.remove(worker)
        worker[1].__exit__(None, None, None)

    def _call(self, call: Callable[..., Coroutine[Any, Any, R]], *values: Any) -> R:
        return self._portal.call(call, *values)


# While a connection is purged, nobody sees its counts.
_KEPT = (
    "connection_no NOT IN (SELECT no FROM any_connection"
    " WHERE deleted_at IS NOT NULL AND restorable_until IS NULL)"
)
_COUNTED = f"SELECT connection_no, type, count FROM entity_type WHERE count > 0 AND {_KEPT}"
_ROWS = (
    f"SELECT connection_no, type, count(*) FROM entity WHERE {_KEPT} GROUP BY connection_no, type"
)
_SEVERAL_LIVE = (
    "SELECT connection_no FROM job WHERE status IN ('PENDING', 'RUNNING', 'CANCELLING')"
    " GROUP BY connection_no HAVING count(*) > 1"
)
_ORPHANS = (
    "SELECT 'entity', no FROM entity WHERE connection_no NOT IN (SELECT no FROM any_connection)"
    " UNION ALL"
    " SELECT 'job', no FROM job WHERE connection_no NOT IN (SELECT no FROM any_connection)"
    " UNION ALL SELECT 'log', no FROM job_log WHERE job_no NOT IN (SELECT no FROM job)"
)


def test_jobs_keep_their_promises_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(connections_module, "DELETE_WAIT_SECONDS", 0.3)
    run_state_machine_as_test(
        JobLife,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
