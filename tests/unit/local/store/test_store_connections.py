"""Connections: a check marks only what it looked at, and a delete returns what really went."""

from contextlib import closing
from datetime import timedelta
from typing import Any, cast

import anyio
import apsw
import pytest

from tests.support.store.bench import ORGANIZATION, START, Bench, entity
from weft.domain.connections import Connection, ConnectionStatus
from weft.errors import ErrorCategory
from weft.testing.store_contract.support import make_row

pytestmark = pytest.mark.anyio

LATER = START + timedelta(seconds=1)
REFUSED = (ConnectionStatus.NEEDS_REAUTH, ErrorCategory.API_KEY_INVALID, "refused")


async def change(bench: Bench, made: Connection, *, set_auth: bool, **columns: Any) -> Connection:
    """The connection after somebody changed it."""
    row = make_row(id=made.id, sync_id=made.sync_id, **columns)
    bench.pass_time(seconds=1)
    assert await bench.store.connections.update(
        row,
        expected_version=made.version,
        new_config=False,
        set_state=False,
        set_auth=set_auth,
    )
    return await bench.get(made)


async def mark_refused(bench: Bench, found: Connection) -> None:
    """Record that a check of the connection, as it was found, was refused."""
    await bench.store.connections.mark(
        found, ConnectionStatus.NEEDS_REAUTH, ErrorCategory.API_KEY_INVALID, "refused"
    )


def describe_check(
    connection: Connection,
) -> tuple[ConnectionStatus, ErrorCategory | None, str | None]:
    """Return the connection's words on its last check."""
    return connection.status, connection.error_category, connection.error_message


async def test_check_is_recorded_with_its_connection_alone(bench: Bench) -> None:
    made, other = await bench.connection(), await bench.connection()
    await mark_refused(bench, made)
    assert describe_check(await bench.get(made)) == REFUSED
    assert await bench.get(other) == other


async def test_check_is_recorded_although_the_connection_was_renamed_meanwhile(
    bench: Bench,
) -> None:
    made = await bench.connection()
    await change(bench, made, set_auth=False, name="Renamed")
    await mark_refused(bench, made)
    after = await bench.get(made)
    assert (after.name, describe_check(after)) == ("Renamed", REFUSED)


@pytest.mark.parametrize(
    ("set_auth", "columns"),
    [(True, {"authenticated_at": LATER}), (False, {"config": {"entities": 3}})],
    ids=["authorised", "configured"],
)
async def test_check_says_nothing_of_a_connection_that_was_changed_meanwhile(
    bench: Bench, set_auth: bool, columns: dict[str, Any]
) -> None:
    made = await bench.connection()
    anew = await change(bench, made, set_auth=set_auth, **columns)
    await mark_refused(bench, made)
    assert await bench.get(made) == anew
    await mark_refused(bench, anew)
    assert describe_check(await bench.get(made)) == REFUSED


async def test_check_of_a_connection_that_was_deleted_meanwhile_brings_nothing_back(
    bench: Bench,
) -> None:
    made = await bench.connection()
    await bench.store.trash.delete_connection(ORGANIZATION, made.id)
    await mark_refused(bench, made)
    assert await bench.store.connections.get(ORGANIZATION, made.id) is None


async def test_delete_returns_what_was_stored_at_that_moment_and_only_once(bench: Bench) -> None:
    made = await bench.connection()
    await bench.commit(await bench.claim_new(made), entity("a"), entity("b"))
    before = await bench.get(made)
    gone = await bench.store.trash.delete_connection(ORGANIZATION, made.id)
    assert gone is not None
    assert gone == before
    assert gone.entities.total_entities == 2
    assert await bench.store.trash.delete_connection(ORGANIZATION, made.id) is None


async def test_delete_returns_what_another_process_wrote_while_it_waited(bench: Bench) -> None:
    made = await bench.connection()
    gone: list[Connection | None] = []

    async def delete() -> None:
        gone.append(await bench.store.trash.delete_connection(ORGANIZATION, made.id))

    with closing(cast("Any", apsw).Connection(str(bench.path))) as other:
        other.execute("BEGIN IMMEDIATE; UPDATE any_connection SET name = 'Renamed'")
        async with anyio.create_task_group() as group:
            group.start_soon(delete)
            await anyio.wait_all_tasks_blocked()
            assert gone == [], "it waits for the other writer"
            other.execute("COMMIT")
    assert gone == [made.model_copy(update={"name": "Renamed"})]


async def test_deleted_connection_takes_jobs_and_records_and_leaves_others(bench: Bench) -> None:
    made, other = await bench.connection(), await bench.connection()
    await bench.list_all(made, entity("a", "word"))
    kept = await bench.list_all(other, entity("b", "word"))
    there = await bench.get(other)
    assert await bench.store.trash.delete_connection("somebody", made.id) is None
    assert await bench.get(made)
    assert await bench.store.trash.delete_connection(ORGANIZATION, made.id)
    assert await bench.store.connections.get(ORGANIZATION, made.id) is None
    assert await bench.store.trash.purge(2) == 1
    assert bench.rows("SELECT id FROM job") == [(kept.id,)]
    assert bench.rows("SELECT source_id FROM entity") == [("b",)]
    assert bench.rows("SELECT DISTINCT connection_no FROM entity_type") == bench.rows(
        "SELECT no FROM connection"
    )
    assert await bench.get(other) == there
