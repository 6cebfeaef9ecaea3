"""Totals of connections: right at any number, and the SQL judges as `Connection.attention` does."""

import json
import random
from typing import Any, Final

import pytest

from tests.support.store.bench import ORGANIZATION, Bench
from weft.domain.connections import Connection, ConnectionTotals
from weft.domain.jobs import JobStatus
from weft.errors import ErrorCategory
from weft.local.store.browse import UNKNOWN

pytestmark = pytest.mark.anyio

JUDGED: Final = 1500
PAGE: Final = 400
HOLD: Final = json.dumps({"count": 2, "everything": 0, "job_id": "j", "held_at": 1, "names": []})
# Copies of the one connection, of which every third failed and every other holds two entities.
COPY: Final = """
INSERT INTO any_connection (id, organization_id, collection_no, sync_id, short_name, name, config,
  auth_method, state, host, created_at, modified_at)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
SELECT c.id || i, organization_id, collection_no, c.sync_id || i, short_name, name, config,
  auth_method, iif(i % 3 = 0, 'error', 'active'), host, created_at, modified_at
FROM n, connection c WHERE c.no = 1
"""
HOLDING: Final = """
INSERT INTO entity_type (connection_no, type, media_type, count, last_updated)
SELECT no, 'note', '', 2, 1 FROM connection WHERE no % 2 = 0
"""
STATE: Final = """
UPDATE any_connection SET state = value ->> 1, paused = value ->> 2, hold = value ->> 3
FROM json_each(?) WHERE no = value ->> 0
"""
HELD: Final = """
INSERT INTO entity_type (connection_no, type, media_type, count, last_updated)
SELECT value ->> 0, 'note', '', value ->> 1, 1 FROM json_each(?) WHERE value ->> 1 >= 0
"""
JOB: Final = """
INSERT INTO job (no, id, connection_no, organization_id, status, trigger, created_at, full_sync,
  error_category, hold, incomplete, failed, skipped, inserted, updated, unchanged, deleted)
SELECT value ->> 0, 'job-' || (value ->> 0), value ->> 0, 'organization-1', value ->> 1, 'manual',
  1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8,
  value ->> 9, value ->> 10, value ->> 11
FROM json_each(?)
"""
REASON: Final = """
INSERT INTO job_reason (job_no, kind, reason, count)
SELECT value ->> 0, value ->> 1, 'max_pages', value ->> 2 FROM json_each(?)
"""


async def total(bench: Bench) -> ConnectionTotals:
    return await bench.store.connections.totals(
        ORGANIZATION, readable_collection_id=None, short_name=None
    )


async def list_all(bench: Bench, *, needs_attention: bool) -> list[Connection]:
    found: list[Connection] = []
    cursor: str | None = None
    while True:
        page = await bench.store.connections.list(
            ORGANIZATION,
            readable_collection_id=None,
            short_name=None,
            status=None,
            needs_attention=needs_attention,
            cursor=cursor,
            limit=PAGE,
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_there_is_nothing_to_count_in_a_new_store(bench: Bench) -> None:
    assert set((await total(bench)).model_dump().values()) == {0}


@pytest.mark.parametrize("number", [3, 200, 10_000])
async def test_totals_are_right_at_any_number(bench: Bench, number: int) -> None:
    await bench.connection()
    bench.rows(COPY, number - 1)
    bench.rows(HOLDING)
    found = await total(bench)
    assert found.model_dump() == {
        "connections": number,
        "entities": number // 2 * 2,
        "syncing": 0,
        "needs_attention": (number - 1) // 3,
    }


async def test_sql_judges_what_needs_somebody_as_the_domain_does(bench: Bench) -> None:
    await bench.connection()
    bench.rows(COPY, JUDGED - 1)
    chance = random.Random(7)
    for statement, make_row in (
        (STATE, make_state),
        (HELD, make_count),
        (JOB, make_job),
        (REASON, make_reason),
    ):
        rows = [(number, *make_row(chance)) for number in range(1, JUDGED + 1)]
        bench.rows(statement, json.dumps(rows))
    every = await list_all(bench, needs_attention=False)
    needing = [connection.id for connection in every if connection.attention]
    assert 100 < len(needing) < JUDGED - 100
    assert [found.id for found in await list_all(bench, needs_attention=True)] == needing
    assert await total(bench) == ConnectionTotals.of(every)


def make_state(chance: random.Random) -> tuple[Any, ...]:
    """Make a state, mostly good, whether it is paused, and what is held."""
    bad = chance.random() < 0.1
    return (
        chance.choice(["error", "needs_reauth", "pending_auth"]) if bad else "active",
        chance.random() < 0.2,
        HOLD if chance.random() < 0.05 else None,
    )


def make_count(chance: random.Random) -> tuple[Any, ...]:
    """Make the number of entities; 0 for a connection that was emptied, -1 for one never filled."""
    return (chance.choice([-1, 0, 5]),)


def make_job(chance: random.Random) -> tuple[Any, ...]:
    """Make a job, mostly completed, with few counts."""
    others = [each.value for each in JobStatus if each is not JobStatus.COMPLETED]
    status = chance.choice(others) if chance.random() < 0.3 else "COMPLETED"
    categories = [None, *(each.value for each in ErrorCategory)]
    return (
        status,
        chance.random() < 0.6,
        chance.choice(categories) if status in ("FAILED", "PENDING") else None,
        HOLD if chance.random() < 0.1 else None,
        chance.random() < 0.05,
        chance.random() < 0.05,
        *(chance.choice([0, 0, 1, 3]) for _ in range(5)),
    )


def make_reason(chance: random.Random) -> tuple[Any, ...]:
    """Make something that the job left out."""
    kinds = ["skipped", "failed", "empty", "limit", "older", "dead_links"]
    return chance.choice(kinds), chance.choice([0, 0, 1, 2, 9, UNKNOWN])
