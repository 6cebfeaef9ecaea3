"""Steps that the tests of the contract share."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from weft.domain.collections import Collection
from weft.domain.connections import AuthMethod, Connection, ConnectionStatus
from weft.domain.entities import Entity
from weft.domain.jobs import Job, JobStatus, JobTrigger, RunOptions
from weft.local.store.base import (
    Batch,
    BatchEvent,
    Claim,
    ConnectionRow,
    Outcome,
    Store,
)
from weft.local.store.brake import BRAKE_DEFAULTS, DeletionBrake, Sweep
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import ShownEntity, Term

PassTime = Callable[[timedelta], object]

ORGANIZATION = "organization-1"
COLLECTION = "docs"
OWNER = "owner-1"
LEASE = timedelta(seconds=30)
LOOKS_PER_LEASE = 8
AUTHENTICATED_AT = datetime(2026, 5, 1, tzinfo=UTC)


def make_entity(source_id: str, text: str = "", *, kind: str = "note", **fields: Any) -> Entity:
    """Make an entity whose title is its id."""
    return Entity(id=source_id, type=kind, title=source_id, text=text, **fields)


def make_row(readable_id: str = COLLECTION, **columns: Any) -> ConnectionRow:
    """Make the row of a connection with nothing special about it."""
    row = ConnectionRow(
        id=str(uuid4()),
        organization_id=ORGANIZATION,
        sync_id=str(uuid4()),
        short_name="stub",
        readable_collection_id=readable_id,
        name="Stub Connection",
        description=None,
        config={},
        auth_method=AuthMethod.DIRECT,
        authenticated_at=AUTHENTICATED_AT,
        auth_expires_at=None,
        redirect_url=None,
        credentials=None,
        state=ConnectionStatus.ACTIVE,
        error_category=None,
        error_message=None,
        schedule=None,
        host="",
    )
    return replace(row, **columns)


async def open_collection(store: Store, readable_id: str = COLLECTION) -> Collection:
    """Return the collection; create it if it is missing."""
    for found in await store.collections.find(ORGANIZATION, readable_id):
        return found
    return await store.collections.insert(ORGANIZATION, readable_id=readable_id, name="Team Docs")


async def make_connection(
    store: Store, readable_id: str = COLLECTION, **columns: Any
) -> Connection:
    """Make a connection, and its collection if need be."""
    await open_collection(store, readable_id)
    row = make_row(readable_id, **columns)
    await store.connections.insert(row)
    return await get_connection(store, row.id)


async def get_connection(store: Store, connection_id: str) -> Connection:
    """Get a connection that must be there."""
    found = await store.connections.get(ORGANIZATION, connection_id)
    assert found is not None
    return found


async def get_job(store: Store, job_id: str) -> Job:
    """Get a job that must be there."""
    found = await store.jobs.get(ORGANIZATION, job_id)
    assert found is not None
    return found


async def queue_job(store: Store, connection: Connection, *, force: bool = False) -> Job:
    """Queue a job of the connection."""
    options = RunOptions(force_full_sync=force)
    return await store.jobs.insert(
        ORGANIZATION, connection.id, trigger=JobTrigger.MANUAL, options=options
    )


async def try_claim(store: Store, owner: str = OWNER, *, host_limit: int = 2) -> Claim | None:
    """Claim the next job, if there is one."""
    return await store.jobs.claim(owner, lease=LEASE, host_limit=host_limit)


async def claim_next(store: Store, owner: str = OWNER) -> Claim:
    """Claim the next job; there must be one."""
    claim = await try_claim(store, owner)
    assert claim is not None
    return claim


async def claim_new(store: Store, connection: Connection, *, force: bool = False) -> Claim:
    """Queue a job of the connection and claim it."""
    job = await queue_job(store, connection, force=force)
    claim = await claim_next(store)
    assert claim.job_id == job.id
    return claim


async def commit(store: Store, claim: Claim, *events: BatchEvent) -> None:
    """Commit the events as one batch."""
    await store.entities.commit(claim, Batch(list(events)))


async def finish(
    store: Store, claim: Claim, status: JobStatus = JobStatus.COMPLETED, **outcome: Any
) -> bool:
    """End the job, or hand it back."""
    return await store.jobs.finish(claim, Outcome(status, **outcome), [])


async def sweep_all(store: Store, claim: Claim) -> Sweep:
    """Make all deletions of a job, as if somebody had agreed to those that are held."""
    swept = await store.entities.sweep(claim, BRAKE_DEFAULTS)
    if not swept.held:
        return swept
    return await store.entities.sweep(claim, replace(BRAKE_DEFAULTS, agreed=swept.held))


async def list_all(
    store: Store, connection: Connection, *events: BatchEvent, brake: DeletionBrake | None = None
) -> Job:
    """Run a whole full sync in one batch; without a brake, make all deletions."""
    claim = await store.entities.begin_listing(await claim_new(store, connection))
    await commit(store, claim, *events)
    await (store.entities.sweep(claim, brake) if brake else sweep_all(store, claim))
    assert await finish(store, claim)
    return await get_job(store, claim.job_id)


async def find(
    store: Store,
    *terms: str | Term,
    readable_id: str | None = COLLECTION,
    organization_id: str = ORGANIZATION,
    connection_id: str | None = None,
    limit: int = 100,
    offset: int = 0,
    **filters: Any,
) -> Sequence[ShownEntity]:
    """Search a collection, or all for None; a term that is only text is not required."""
    collection = await open_collection(store, readable_id) if readable_id else None
    scope = Scope(organization_id, collection.id if collection else None, connection_id)
    wanted = [Term(term) if isinstance(term, str) else term for term in terms]
    ranked = await store.search.rank(
        scope, wanted, EntityFilter(**filters), limit=limit, offset=offset
    )
    scores = [each.score for each in ranked]
    assert scores == sorted(scores, reverse=True)
    return await store.search.show(scope, wanted, [each.no for each in ranked])


async def find_titles(store: Store, *terms: str | Term, **options: Any) -> list[str]:
    """Return the titles that a search finds, best first."""
    return [each.title for each in await find(store, *terms, **options)]


def count_changes(job: Job) -> dict[str, int]:
    """Return the counts of a job that are not zero."""
    names = ("inserted", "updated", "deleted", "unchanged", "skipped", "failed")
    counts = {name: int(getattr(job, f"entities_{name}")) for name in names}
    return {name: count for name, count in counts.items() if count}


async def pass_watched(store: Store, pass_time: PassTime, leases: float) -> None:
    """Let time pass, and check the leases meanwhile as runners do."""
    for _ in range(round(leases * LOOKS_PER_LEASE)):
        pass_time(LEASE / LOOKS_PER_LEASE)
        await store.jobs.release_expired()
