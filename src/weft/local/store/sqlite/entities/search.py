"""Search on SQLite's full-text index: any of the words, ranked; what is quoted must be there."""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import HEAD_MAX_CHARS, Ranked, SearchStore, ShownEntity, Term
from weft.local.store.sqlite.entities.browse import globs_of
from weft.local.store.sqlite.entities.excerpts import cut_excerpt, index_tokenizer
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.rows import Table, rows
from weft.local.store.values import micros_or_none, moment_or_none

RANKED_MAX = 20_000
"""Entities that are ranked in a search, if there are rare words enough to find a page by."""

# They are in nearly every English text: ranking by them takes long and changes little.
_LITTLE_WORD = re.compile(
    r"an?|and|are|as|at|be|but|by|can|do|does|for|from|had|has|have|he|her|his|how|i|if|in|into|is|"
    r"its?|me|my|no|not|of|on|or|our|she|so|than|that|the|their|them|then|there|these|they|this|to|"
    r"us|was|we|were|what|when|where|which|who|why|will|with|would|your?"
)


class SqliteSearch(Table, SearchStore):
    """See SearchStore."""

    async def rank(
        self,
        scope: Scope,
        terms: Sequence[Term],
        wanted: EntityFilter,
        *,
        limit: int,
        offset: int = 0,
    ) -> Sequence[Ranked]:
        values = values_of(scope, wanted) | {"limit": limit, "offset": offset}
        async with self._database.searching:
            return await self._database.read(_rank, values, terms)

    async def show(
        self, scope: Scope, terms: Sequence[Term], numbers: Sequence[int]
    ) -> Sequence[ShownEntity]:
        if not numbers:
            return []
        async with self._database.searching:
            return await self._database.read(_show, scope.organization_id, terms, numbers)


def values_of(scope: Scope, wanted: EntityFilter) -> dict[str, Any]:
    """Return what statements are told of a scope and a filter."""
    return {
        "organization_id": scope.organization_id,
        "collection_id": scope.collection_id,
        "connection_id": scope.connection_id,
        "entity_type": wanted.type,
        "media_type": wanted.media_type,
        **globs_of(wanted.pattern),
        "since": micros_or_none(wanted.since),
        "until": micros_or_none(wanted.until),
    }


def _rank(db: Session, values: dict[str, Any], terms: Sequence[Term]) -> list[Ranked]:
    """Rank a page. One after the first is narrowed as the first one was."""
    wanted = _drop_alike(db, terms)
    words = [t for t in wanted if t.is_required or not _LITTLE_WORD.fullmatch(t.text.lower())]
    words = words or wanted
    rare = _find_rare(db, words)
    found = _list_ranked(db, values | {"match": _any_of(words, rare)}) if rare else []
    # Each page asks for one hit more than it shows. Thus the first one has as many as it asks for
    # if it is followed by pages with hits of their own, and none of them if it is widened here.
    if len(found) < (1 if values["offset"] else values["limit"]):
        found = _list_ranked(db, values | {"match": _any_of(words, [])})
    return found


def _list_ranked(db: Session, values: dict[str, Any]) -> list[Ranked]:
    return [Ranked(*row) for row in _rows(db, "entity_rank", values)]


def _show(
    db: Session, organization_id: str, terms: Sequence[Term], numbers: Sequence[int]
) -> list[ShownEntity]:
    words = _drop_alike(db, terms)
    nos = carray(array("q", numbers))
    values: dict[str, Any] = {"nos": nos, "match": _join(words, " OR ")}
    places = dict(_rows(db, "index_places", values)) if words else {}
    values["match"] = _join(words, " AND ")
    complete = {no for (no,) in _rows(db, "index_among", values)} if words else set[int]()
    values["organization_id"] = organization_id
    found = {row["no"]: row for row in rows(db, queries()["entity_show"], values)}
    tokenize = index_tokenizer(db)
    return [
        ShownEntity(
            no=no,
            source_id=row["source_id"],
            connection_id=row["id"],
            connection_name=row["name"],
            type=row["type"],
            title=row["title"],
            url=row["url"],
            updated_at=moment_or_none(row["updated_at"]),
            excerpt=cut_excerpt(tokenize, row["text"], places.get(no)),
            head=row["text"][:HEAD_MAX_CHARS],
            chars=len(row["text"]),
            has_none=places.get(no) is None,
            has_all=no in complete,
        )
        for no in numbers
        if (row := found.get(no))
    ]


def _drop_alike(db: Session, terms: Sequence[Term]) -> list[Term]:
    """Keep one of the terms that match the same words: ranking takes time by their square."""
    tokenize = index_tokenizer(db)
    alike: dict[tuple[str, ...], Term] = {}
    for term in terms:
        key = tuple(word for *_, word in tokenize(term.text.encode()))
        if key not in alike or term.is_required:
            alike[key] = term
    return list(alike.values())


def _find_rare(db: Session, words: Sequence[Term]) -> list[Term]:
    """Return the rarest words, as many as can be ranked in time; none if all can be."""
    if len(words) == 1 or any(word.is_required for word in words):
        return []
    if (db.execute(queries()["body_last"]).get or 0) <= RANKED_MAX:
        return []
    counts = [
        (db.execute(queries()["index_count"], (_literal(word), RANKED_MAX)).get, place)
        for place, word in enumerate(words)
    ]
    rare: list[Term] = []
    total = 0
    for count, place in sorted(counts):
        total += count
        if rare and total > RANKED_MAX:
            return rare
        # A word that is nowhere finds nothing.
        rare += [words[place]] if count else []
    return []


def _any_of(words: Sequence[Term], rare: Sequence[Term]) -> str:
    """Write the expression in FTS5's language: it wants the required, or one of the rare ones."""
    ranked = _join(words, " OR ")
    if required := [word for word in words if word.is_required]:
        return f"({_join(required, ' AND ')}) AND ({ranked})"
    return f"({_join(rare, ' OR ')}) AND ({ranked})" if rare else ranked


def _join(words: Iterable[Term], operator: str) -> str:
    return operator.join(_literal(word) for word in words)


def _literal(word: Term) -> str:
    """Write the word as a literal, without NULs, which would end it."""
    return '"' + word.text.replace('"', '""').replace("\0", "") + '"'


def _rows(db: Session, query: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    return iter(db.execute(queries()[query], values))
