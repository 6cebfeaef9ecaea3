"""Lists entities and changes from indexes, a connection or a job at a time."""

import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from heapq import merge
from itertools import islice
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from weft.domain.base import Page
from weft.domain.reading.browsing import (
    REASONS_SHOWN_MAX,
    Change,
    ChangeKind,
    ChangeTotals,
    EntityOrder,
    ListedEntity,
    ReasonCount,
    literal_prefix,
)
from weft.domain.reading.cursors import KeyInteger, decode_keys, encode_keys
from weft.local.store.authors import folded_or_none
from weft.local.store.browse import (
    FILE_PREFIX,
    LOCATED_MAX,
    SIZES_READ_MAX,
    BrowseStore,
    ChangeFilter,
    EntityFilter,
    Scope,
    url_endings,
    url_of,
)
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.rows import Table, rows
from weft.local.store.values import micros_or_none, moment_or_none

FEW_CONNECTIONS: Final = 20
_INTEGER_MAX: Final = 2**63 - 1
_HIGHEST: Final = chr(sys.maxunicode)
_KINDS: Final = sorted(ChangeKind)
_ENTITY_KEYS: Final = TypeAdapter(tuple[KeyInteger, str, KeyInteger | None])
_CHANGE_KEYS: Final = TypeAdapter(tuple[KeyInteger, KeyInteger, str, str])


class Slim(NamedTuple):
    """The part of an entity that an index and the slim record tell."""

    no: int
    source_id: str
    type: str
    updated_at: int | None
    media_type: str | None = None


class SqliteBrowse(Table, BrowseStore):
    async def entities(
        self, scope: Scope, wanted: EntityFilter, *, cursor: str | None, limit: int
    ) -> Page[ListedEntity]:
        return await self._database.read(_list_entities, scope, wanted, cursor, limit)

    async def count_types(self, scope: Scope) -> Mapping[str, int]:
        return await self._database.read(_count_types, scope, "browse_types")

    async def count_media_types(self, scope: Scope) -> Mapping[str, int]:
        return await self._database.read(_count_types, scope, "browse_media_types")

    async def largest(self, scope: Scope, limit: int) -> Sequence[ListedEntity]:
        return await self._database.read(_largest, scope, limit)

    async def locate(self, scope: Scope, name: str) -> Sequence[ListedEntity]:
        return await self._database.read(_locate, scope, name)

    async def changes(
        self, scope: Scope, wanted: ChangeFilter, *, cursor: str | None, limit: int
    ) -> Page[Change]:
        now = self._database.now()
        return await self._database.read(_list_changes, scope, wanted, cursor, limit, now)

    async def count_changes(self, scope: Scope, wanted: ChangeFilter) -> ChangeTotals:
        return await self._database.read(_count_changes, scope, wanted, self._database.now())


def _list_entities(
    db: Session, scope: Scope, wanted: EntityFilter, cursor: str | None, limit: int
) -> Page[ListedEntity]:
    listed = ("entities", asdict(scope), _filters_of(wanted))
    after = None
    if cursor:
        no, source_id, updated_at = decode_keys(cursor, _ENTITY_KEYS, *listed)
        after = Slim(no, source_id, "", updated_at)
    owners = _read_owners(db, scope)
    # A statement for each connection, of which most are not read on: begin with few rows then.
    first = limit + 1 if len(owners) <= FEW_CONNECTIONS else 2
    streams = [_walk(db, no, wanted, after, (first, limit + 1)) for no in owners]
    found = list(islice(merge(*streams, key=lambda pair: _rank(pair[0], wanted.order)), limit + 1))
    shown = found[:limit]
    last = shown[-1][0] if len(found) > limit else None
    return Page(
        items=_to_listed(db, shown, owners),
        next_cursor=encode_keys((last.no, last.source_id, last.updated_at), *listed)
        if last
        else None,
    )


def globs_of(pattern: str) -> dict[str, str | None]:
    """Return the pattern for SQLite's GLOB, and that for ids with `FILE_PREFIX` before a path."""
    # To GLOB, [ is special as well.
    glob = pattern.replace("[", "[[]")
    # An asterisk stands for the prefix, too.
    return {"pattern": glob, "file_pattern": None if glob[:1] == "*" else f"{FILE_PREFIX}{glob}"}


def id_ranges(pattern: str) -> list[tuple[str, str]]:
    """Return in order the ranges of ids, which do not overlap, that have all ids that fit."""
    path = literal_prefix(pattern)
    prefixed = f"{FILE_PREFIX}{path}"
    starts = [path] if prefixed.startswith(path) else sorted([path, prefixed])
    return [(start, start + _HIGHEST) for start in starts]


def _filters_of(wanted: EntityFilter | ChangeFilter) -> dict[str, Any]:
    """Return what binds a cursor; not the times, because 24h is another moment on each page."""
    return {**asdict(wanted), "since": None, "until": None}


def _rank(item: Slim, order: EntityOrder) -> tuple[Any, ...]:
    if order is EntityOrder.NEWEST and item.updated_at is not None:
        return (0, -item.updated_at, -item.no)
    return (1, item.source_id, item.no)


def _walk(
    db: Session, owner: int, wanted: EntityFilter, after: Slim | None, sizes: tuple[int, int]
) -> Iterator[tuple[Slim, int]]:
    """Yield a connection's entities in order, with its number."""
    values: dict[str, Any] = {
        "connection_no": owner,
        **globs_of(wanted.pattern),
        "type": wanted.type,
        "media_type": wanted.media_type,
        "author": folded_or_none(wanted.author),
        "since": micros_or_none(wanted.since),
        "until": micros_or_none(wanted.until),
        "undated": wanted.order is EntityOrder.NEWEST,
    }
    if wanted.order is EntityOrder.NEWEST:
        if after is None or after.updated_at is not None:
            for item in _read_on(db, _read_by_time, values, after, sizes):
                yield item, owner
            after = None
        if wanted.since or wanted.until:
            return
    for low, high in id_ranges(wanted.pattern):
        within = values | {"prefix": low, "high": high}
        for item in _read_on(db, _read_by_path, within, after, sizes):
            yield item, owner


def _read_on(
    db: Session,
    read: Callable[[Session, dict[str, Any], Slim | None, int], list[Slim]],
    values: dict[str, Any],
    after: Slim | None,
    sizes: tuple[int, int],
) -> Iterator[Slim]:
    size, next_size = sizes
    while True:
        found = read(db, values, after, size)
        yield from found
        if len(found) < size:
            return
        after, size = found[-1], next_size


def _read_by_path(
    db: Session, values: dict[str, Any], after: Slim | None, limit: int
) -> list[Slim]:
    place = {
        "low": max(values["prefix"], after.source_id) if after else values["prefix"],
        "after_id": after.source_id if after else "",
        "after_no": after.no if after else 0,
        "limit": limit,
    }
    return _read_slim(db, "browse_by_path", values | place)


def _read_by_time(
    db: Session, values: dict[str, Any], after: Slim | None, limit: int
) -> list[Slim]:
    newest = values["until"] - 1 if values["until"] is not None else _INTEGER_MAX
    at = after.updated_at if after else None
    place = {
        "newest": newest if at is None else min(newest, at),
        "oldest": values["since"] if values["since"] is not None else -_INTEGER_MAX,
        "after_at": _INTEGER_MAX if at is None else at,
        "after_no": after.no if after else _INTEGER_MAX,
        "limit": limit,
    }
    return _read_slim(db, "browse_by_time", values | place)


def _read_slim(db: Session, query: str, values: dict[str, Any]) -> list[Slim]:
    return [Slim(*row) for row in db.execute(queries()[query], values)]


def _read_owners(db: Session, scope: Scope) -> dict[int, tuple[str, str]]:
    found = db.execute(queries()["browse_connections"], asdict(scope))
    return {no: (connection_id, name) for no, connection_id, name in found}


def _to_listed(
    db: Session, found: Sequence[tuple[Slim, int]], owners: Mapping[int, tuple[str, str]]
) -> tuple[ListedEntity, ...]:
    if not found:
        return ()
    values = {"nos": carray(array("q", (item.no for item, _ in found)))}
    told = {no: rest for no, *rest in db.execute(queries()["browse_titles"], values)}
    return tuple(
        ListedEntity(
            id=str(item.no),
            source_entity_id=item.source_id,
            connection_id=owners[owner][0],
            connection_name=owners[owner][1],
            type=item.type,
            title=told[item.no][0],
            size=told[item.no][1],
            media_type=item.media_type,
            updated_at=moment_or_none(item.updated_at),
        )
        for item, owner in found
    )


def _count_types(db: Session, scope: Scope, query: str) -> dict[str, int]:
    found: Iterator[Any] = iter(db.execute(queries()[query], asdict(scope)))
    return dict(found)


def _largest(db: Session, scope: Scope, limit: int) -> tuple[ListedEntity, ...]:
    owners = _read_owners(db, scope)
    if not owners:
        return ()
    values = {
        "connection_nos": carray(array("q", owners)),
        "read_limit": SIZES_READ_MAX,
        "limit": limit,
    }
    return _read_located(db, "browse_largest", values, owners)


def _locate(db: Session, scope: Scope, name: str) -> tuple[ListedEntity, ...]:
    owners = _read_owners(db, scope)
    if not owners or "\0" in name:  # No stored id has one, and none can be bound.
        return ()
    values = {
        "connection_nos": carray(array("q", owners)),
        "ids": carray(tuple(url_endings(name))),
        "name": name,
        "file": f"{FILE_PREFIX}{name}",
        "url": url_of(name),
        "limit": LOCATED_MAX,
    }
    return _read_located(db, "browse_locate", values, owners)


def _read_located(
    db: Session, query: str, values: dict[str, Any], owners: Mapping[int, tuple[str, str]]
) -> tuple[ListedEntity, ...]:
    found = db.execute(queries()[query], values)
    return _to_listed(db, [(Slim(no, *rest), owner) for no, owner, *rest in found], owners)


def _list_changes(
    db: Session, scope: Scope, wanted: ChangeFilter, cursor: str | None, limit: int, now: int
) -> Page[Change]:
    listed = ("changes", asdict(scope), _filters_of(wanted))
    place = decode_keys(cursor, _CHANGE_KEYS, *listed) if cursor else None
    found = list(islice(_walk_changes(db, scope, wanted, place, limit + 1, now), limit + 1))
    items = tuple(change for change, _ in found[:limit])
    more = len(found) > limit
    return Page(
        items=items, next_cursor=encode_keys(found[limit - 1][1], *listed) if more else None
    )


def _walk_changes(
    db: Session,
    scope: Scope,
    wanted: ChangeFilter,
    place: Sequence[Any] | None,
    limit: int,
    now: int,
) -> Iterator[tuple[Change, tuple[int, int, str, str]]]:
    """Yield the changes after a place, each with its own."""
    ended, job_no, kind, name = place or (_INTEGER_MAX, _INTEGER_MAX, "", "")
    values = _values_of(scope, wanted, now)
    start = {"from_ended": ended, "from_no": job_no}
    for job in rows(db, _query_jobs(scope, wanted, "browse_jobs_with_names"), values | start):
        is_first = job["no"] == job_no
        after = {
            "job_no": job["no"],
            "high_kind": values["high_kind"],
            "after_kind": kind if is_first else values["low_kind"],
            "after_name": name if is_first else "",
            "limit": limit,
        }
        for row in rows(db, queries()["browse_changes"], after):
            change = Change(
                job_id=job["job_id"],
                connection_id=job["connection_id"],
                connection_name=job["connection_name"],
                at=moment_or_none(job["completed_at"]),
                **row,
            )
            yield change, (job["ended"], job["no"], row["kind"], row["name"])


def _query_jobs(scope: Scope, wanted: ChangeFilter, end: str) -> str:
    """Return the query of the jobs, by the index that leads to the fewest."""
    if wanted.job_id:
        which = "browse_jobs_by_id"
    elif scope.connection_id:
        which = "browse_jobs_of_connection"
    else:
        which = "browse_jobs_of_organization"
    return " ".join(queries()[name] for name in ("browse_jobs", which, end))


def _values_of(scope: Scope, wanted: ChangeFilter, now: int) -> dict[str, Any]:
    return {
        **asdict(scope),
        "job_id": wanted.job_id,
        "kind": wanted.kind,
        "low_kind": wanted.kind or _KINDS[0],
        "high_kind": wanted.kind or _KINDS[-1],
        "since": -_INTEGER_MAX if wanted.since is None else micros_or_none(wanted.since),
        "until": micros_or_none(wanted.until),
        "now": now,
        "limit": REASONS_SHOWN_MAX,
    }


def _count_changes(db: Session, scope: Scope, wanted: ChangeFilter, now: int) -> ChangeTotals:
    values = _values_of(scope, wanted, now)
    [totals] = rows(db, _query_jobs(scope, wanted, "browse_totals"), values)
    reasons = rows(db, _query_jobs(scope, wanted, "browse_reasons"), values)
    return ChangeTotals(
        jobs=totals["jobs"],
        counts={kind: totals[kind] or 0 for kind in ([wanted.kind] if wanted.kind else _KINDS)},
        names=totals["names"] or 0,
        reasons=tuple(ReasonCount(**row) for row in reasons),
    )
