"""Lists of the store in memory: entities, and what jobs did to them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.store.memory.state import EntityState, JobState, NameRow, State
from weft.domain.base import Page
from weft.domain.jobs import Job
from weft.domain.reading.browsing import (
    REASONS_SHOWN_MAX,
    Change,
    ChangeKind,
    ChangeTotals,
    EntityOrder,
    ListedEntity,
    ReasonCount,
)
from weft.domain.text.media_types import media_type_of
from weft.local.store.authors import author_of, folded_or_none
from weft.local.store.base import Claim
from weft.local.store.browse import (
    FILE_PREFIX,
    LOCATED_MAX,
    LOST,
    NAME_KEPT_CHARS,
    OTHER_REASONS,
    REASON_KEPT_CHARS,
    REASONS_KEPT_MAX,
    UNSTORABLE,
    BrowseStore,
    ChangeFilter,
    EntityFilter,
    Scope,
    names_a_kind,
    url_of,
)
from weft.local.store.prepared import PreparedBatch


class MemoryBrowse(BrowseStore):
    """See BrowseStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _show(self, owner: str, each: EntityState) -> ListedEntity:
        entity = each.entity
        return ListedEntity(
            id=str(each.number),
            source_entity_id=entity.id,
            connection_id=owner,
            connection_name=self._state.connections[owner].row.name,
            type=entity.type,
            title=entity.title,
            size=len(entity.text.encode()),
            media_type=media_type_of(entity.id),
            updated_at=entity.updated_at,
        )

    async def entities(
        self, scope: Scope, wanted: EntityFilter, *, cursor: str | None, limit: int
    ) -> Page[ListedEntity]:
        found = [(o, e) for o, e in self._state.within(scope) if fits(e, wanted)]
        found.sort(key=lambda pair: _rank(pair[1], wanted.order))
        return _cut([self._show(*pair) for pair in found], cursor, limit)

    async def count_types(self, scope: Scope) -> Mapping[str, int]:
        return Counter(each.entity.type for _, each in self._state.within(scope))

    async def count_media_types(self, scope: Scope) -> Mapping[str, int]:
        found = (media_type_of(each.entity.id) for _, each in self._state.within(scope))
        return Counter(media_type for media_type in found if media_type)

    async def largest(self, scope: Scope, limit: int) -> Sequence[ListedEntity]:
        found = [self._show(*pair) for pair in self._state.within(scope)]
        return sorted(found, key=lambda each: -each.size)[:limit]

    async def locate(self, scope: Scope, name: str) -> Sequence[ListedEntity]:
        found = [
            (o, e)
            for o, e in self._state.within(scope)
            if name in (e.entity.id, e.entity.id.removeprefix(FILE_PREFIX))
            or e.entity.url == url_of(name)
        ]
        return tuple(self._show(*pair) for pair in found[:LOCATED_MAX])

    def _jobs(self, scope: Scope, wanted: ChangeFilter) -> list[JobState]:
        now = self._state.clock()
        found = [
            (number, each)
            for number, each in enumerate(self._state.jobs.values())
            if self._state.is_in(scope, each.job.source_connection_id)
            and wanted.job_id in (None, each.job.id)
            and any(counts_of(each.job).values())
            and (not wanted.since or (each.job.completed_at or now) >= wanted.since)
            and (not wanted.until or (each.job.completed_at or now) < wanted.until)
        ]

        def rank(pair: tuple[int, JobState]) -> tuple[bool, float, int]:
            ended = pair[1].job.completed_at
            return (ended is None, ended.timestamp() if ended else 0, pair[0])

        return [each for _, each in sorted(found, key=rank, reverse=True)]

    async def changes(
        self, scope: Scope, wanted: ChangeFilter, *, cursor: str | None, limit: int
    ) -> Page[Change]:
        found = [
            Change(
                kind=kind,
                name=name,
                job_id=each.job.id,
                connection_id=each.job.source_connection_id,
                connection_name=self._state.connections[each.job.source_connection_id].row.name,
                at=each.job.completed_at,
                type=row[0],
                title=row[1],
                reason=row[2],
            )
            for each in self._jobs(scope, wanted)
            for (kind, name), row in sorted(each.names.items())
            if wanted.kind in (None, kind)
        ]
        return _cut(found, cursor, limit)

    async def count_changes(self, scope: Scope, wanted: ChangeFilter) -> ChangeTotals:
        kinds = [wanted.kind] if wanted.kind else sorted(ChangeKind)
        jobs = [
            each
            for each in self._jobs(scope, wanted)
            if any(counts_of(each.job)[kind] for kind in kinds)
        ]
        reasons = sum((each.reasons for each in jobs), Counter[tuple[ChangeKind, str]]())
        ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        told = [
            ReasonCount(kind=kind, reason=reason, count=count)
            for (kind, reason), count in ordered
            if kind in kinds
        ]
        return ChangeTotals(
            jobs=len(jobs),
            counts={kind: sum(counts_of(each.job)[kind] for each in jobs) for kind in kinds},
            names=sum(kind in kinds for each in jobs for kind, _ in each.names),
            reasons=tuple(told[:REASONS_SHOWN_MAX]),
        )


def note_name(
    state: State, claim: Claim, held: JobState, kind: ChangeKind, name: str, row: NameRow
) -> None:
    """Keep a name if there is room, and drop those of the connection's older jobs beyond that."""
    if sum(each == kind for each, _ in held.names) < names_a_kind(claim.kept_names):
        held.names.setdefault((kind, _to_text(name, NAME_KEPT_CHARS)), row)
    total = 0
    for each in reversed(state.jobs.values()):
        if each.job.source_connection_id == claim.connection_id:
            total += len(each.names)
            if total > claim.kept_names and each is not held:
                each.names.clear()


def note_unread(
    state: State, claim: Claim, held: JobState, batch: PreparedBatch, lost: Sequence[str]
) -> None:
    """Keep the names and reasons of what was skipped or failed."""
    texts = {
        ChangeKind.FAILED: {
            **{name: batch.reasons.get(name, "") for name in batch.failed},
            **dict.fromkeys(lost, LOST),
            **dict.fromkeys(batch.unnameable, UNSTORABLE),
        },
        ChangeKind.SKIPPED: {name: batch.reasons.get(name, "") for name in batch.skipped},
    }
    for kind, group in texts.items():
        for name, text in group.items():
            reason = _to_text(text, REASON_KEPT_CHARS)
            note_name(state, claim, held, kind, name, (None, None, reason))
            key = (kind, reason)
            if key not in held.reasons and len(held.reasons) >= REASONS_KEPT_MAX:
                key = (kind, OTHER_REASONS)
            held.reasons[key] += 1
    held.omitted |= batch.omitted
    held.show_findings()


def note_checkpoint(held: JobState, batch: PreparedBatch) -> None:
    """Note the reasons up to the checkpoint: what comes after it is met again."""
    held.reasons_before = held.reasons.copy()
    held.omitted_before = held.omitted.copy()
    for kind, names in ((ChangeKind.FAILED, batch.failed), (ChangeKind.SKIPPED, batch.skipped)):
        for name in names & batch.after_checkpoint:
            held.reasons_before[kind, batch.reasons[name][:REASON_KEPT_CHARS]] -= 1


def forget_unread(held: JobState) -> None:
    """Forget what was skipped and failed: the listing starts over."""
    held.reasons.clear()
    held.reasons_before.clear()
    held.omitted.clear()
    held.omitted_before.clear()
    held.show_findings()
    unread = (ChangeKind.SKIPPED, ChangeKind.FAILED)
    held.names = {key: row for key, row in held.names.items() if key[0] not in unread}


def fits(each: EntityState, wanted: EntityFilter) -> bool:
    entity = each.entity
    pattern = "".join({"*": ".*", "?": "."}.get(c) or re.escape(c) for c in wanted.pattern)
    at = entity.updated_at
    return (
        any(
            re.fullmatch(pattern, name, re.DOTALL)
            for name in (entity.id, entity.id.removeprefix(FILE_PREFIX))
        )
        and (
            wanted.type in (None, entity.type)
            or wanted.media_type in (media_type_of(entity.id) or "",)
        )
        and (folded_or_none(wanted.author) or "") in (author_of(entity.metadata) or "")
        and (wanted.since is None or (at is not None and at >= wanted.since))
        and (wanted.until is None or (at is not None and at < wanted.until))
    )


def _rank(each: EntityState, order: EntityOrder) -> tuple[Any, ...]:
    at = each.entity.updated_at
    if order is EntityOrder.NEWEST and at is not None:
        return (0, -at.timestamp(), -each.number)
    return (1, each.entity.id, each.number)


def _cut(items: Sequence[Any], cursor: str | None, limit: int) -> Page[Any]:
    start = int(cursor or 0)
    end = start + limit
    return Page(items=tuple(items[start:end]), next_cursor=str(end) if end < len(items) else None)


def _to_text(text: str, most: int) -> str:
    return text[:most].encode(errors="replace").decode()


def counts_of(job: Job) -> dict[ChangeKind, int]:
    """Return how many entities the job did each thing to."""
    return {kind: int(getattr(job, f"entities_{kind}")) for kind in ChangeKind}
