"""Audit: a change and its audit row are written together."""

from datetime import timedelta

import pytest

from weft.domain.access.acting import acting
from weft.domain.access.audit import AuditEntry
from weft.errors import Conflict
from weft.local.store.base import Store
from weft.testing.store_contract.support import (
    ORGANIZATION,
    PassTime,
    claim_new,
    commit,
    get_job,
    make_connection,
    make_entity,
    queue_job,
)

DAY = timedelta(days=1)


async def list_actions(store: Store, connection_id: str | None = None) -> list[tuple[str, str]]:
    entries = await store.audit.list(connection_id=connection_id, since=None, limit=100)
    return [(entry.action, entry.target_kind) for entry in reversed(entries)]


class AuditContract:
    """Rows that changes write, and rows of refusals."""

    @pytest.mark.anyio
    async def test_changes_are_recorded_and_batches_are_not(self, store: Store) -> None:
        with acting(operation="contract", transport="test"):
            made = await make_connection(store)
            claim = await claim_new(store, made)
            await commit(store, claim, make_entity("a"))
            await store.jobs.request_cancel(await get_job(store, claim.job_id))
            with pytest.raises(Conflict):
                await queue_job(store, made)
            await store.trash.delete_connection(ORGANIZATION, made.id)
        assert await list_actions(store) == [
            ("create", "collection"),
            ("create", "connection"),
            ("run", "job"),
            ("cancel", "job"),
            ("delete", "connection"),
        ]
        assert len(await list_actions(store, made.id)) == 4, "of a deleted connection too"
        entries = await store.audit.list(connection_id=None, since=None, limit=9)
        assert {(entry.operation, entry.transport) for entry in entries} == {("contract", "test")}
        assert {entry.at for entry in entries} == {await store.now()}

    @pytest.mark.anyio
    async def test_old_rows_are_dropped(self, store: Store, pass_time: PassTime) -> None:
        for name in ("first", "second"):
            entry = AuditEntry(
                at=await store.now(),
                organization_id=ORGANIZATION,
                principal="p",
                transport="t",
                operation="o",
                action="refuse",
                target_kind="tool",
                target_id=name,
            )
            await store.audit.append(entry)
            pass_time(DAY)
        since = await store.now() - DAY
        recent = await store.audit.list(connection_id=None, since=since, limit=9)
        assert [entry.target_id for entry in recent] == ["second"]
        assert await store.audit.prune(1.5 * DAY, 9) == 1
        assert await store.audit.prune(1.5 * DAY, 9) == 0
        assert await list_actions(store) == [("refuse", "tool")]
