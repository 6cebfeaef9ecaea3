"""Lists of the local backend: what is stored, and what syncs did."""

from weft.backend import Browse, validate_limit
from weft.domain.reading.browsing import (
    BROWSE_LIMIT_MAX,
    LARGEST_SHOWN_MAX,
    ChangeList,
    ChangeQuery,
    EntityList,
    EntityQuery,
    LargestEntities,
    pattern_of,
)
from weft.domain.text.media_types import media_type_named
from weft.local.engine import Engine
from weft.local.resolve import find_collection, find_connection, find_job
from weft.local.store.base import Store
from weft.local.store.browse import SIZES_READ_MAX, ChangeFilter, EntityFilter, Scope


class LocalBrowse(Browse):
    def __init__(self, engine: Engine, organization_id: str) -> None:
        self._engine = engine
        self._organization_id = organization_id

    async def entities(self, query: EntityQuery) -> EntityList:
        store = self._engine.store
        scope = await find_scope(
            store, self._organization_id, query.readable_collection_id, query.connection
        )
        wanted = EntityFilter(
            pattern=pattern_of(query.path or ""),
            type=query.entity_type,
            media_type=media_type_named(query.entity_type or ""),
            since=query.since,
            until=query.until,
            order=query.order,
        )
        limit = validate_limit(query.limit, maximum=BROWSE_LIMIT_MAX)
        page = await store.browse.entities(scope, wanted, cursor=query.cursor, limit=limit)
        return EntityList(
            items=page.items,
            by_type=dict(await store.browse.count_types(scope)),
            by_media_type=dict(await store.browse.count_media_types(scope)),
            next_cursor=page.next_cursor,
        )

    async def largest(
        self, *, collection: str | None = None, connection: str | None = None
    ) -> LargestEntities:
        store = self._engine.store
        scope = await find_scope(store, self._organization_id, collection, connection)
        items = await store.browse.largest(scope, LARGEST_SHOWN_MAX)
        return LargestEntities(items=tuple(items), looked_at=SIZES_READ_MAX)

    async def changes(self, query: ChangeQuery) -> ChangeList:
        store = self._engine.store
        scope = await find_scope(
            store, self._organization_id, query.readable_collection_id, query.connection
        )
        job = await find_job(store, self._organization_id, query.job) if query.job else None
        wanted = ChangeFilter(
            job_id=job.id if job else None, kind=query.kind, since=query.since, until=query.until
        )
        limit = validate_limit(query.limit, maximum=BROWSE_LIMIT_MAX)
        page = await store.browse.changes(scope, wanted, cursor=query.cursor, limit=limit)
        totals = await store.browse.count_changes(scope, wanted)
        return ChangeList(items=page.items, totals=totals, next_cursor=page.next_cursor)


async def find_scope(
    store: Store, organization_id: str, collection: str | None, connection: str | None
) -> Scope:
    """Find what is named. Raises NotFound or Ambiguous."""
    found = await find_collection(store, organization_id, collection) if collection else None
    only = await find_connection(store, organization_id, connection) if connection else None
    return Scope(organization_id, found.id if found else None, only.id if only else None)
