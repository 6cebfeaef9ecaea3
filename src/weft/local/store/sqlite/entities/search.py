"""Search on SQLite's full-text index: any of the words, ranked; what is quoted must be there."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from weft.local.store.authors import folded_or_none
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import (
    HEAD_MAX_CHARS,
    Ranked,
    SearchStore,
    ShownEntity,
    Term,
    drop_little,
)
from weft.local.store.sqlite.entities.browse import globs_of
from weft.local.store.sqlite.entities.excerpts import cut_excerpt, find_places, index_tokenizer
from weft.local.store.sqlite.entities.expressions import (
    Word,
    drop_alike,
    join,
    look_up,
    weigh,
    write_terms,
)
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.rows import Table, rows
from weft.local.store.values import micros_or_none, moment_or_none

RANKED_MAX = 20_000
"""Entities that are ranked in a search, if there are enough among them for a page."""

ENOUGH = 11
"""If so many have rare words, no more are looked for among those that have frequent words alone."""

NAMED_MAX = 5_000
"""Older ones that are ranked beside the newest, as they are named so."""

FREQUENT_SHARE = 0.5
"""What is in more of the entities tells them apart no more: bm25 counts it as nothing."""

FREQUENT_MAX, RARER_MIN = 100_000, 3
"""Words of more entities take long to weigh, and change little beside so many rarer ones."""

TOGETHER_MIN = 1_000
"""Frequent words are looked for together if so many entities have all of them."""


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
        "author": folded_or_none(wanted.author),
        "since": micros_or_none(wanted.since),
        "until": micros_or_none(wanted.until),
    }


def _rank(db: Session, values: dict[str, Any], terms: Sequence[Term]) -> list[Ranked]:
    """Rank a page. One after the first is narrowed as the first one was."""
    last = db.execute(queries()["body_last"]).get or 0
    looked_for = drop_little(drop_alike(db, terms))
    words = look_up(db, looked_for, last, RANKED_MAX + 1)
    if any(word.is_required and not word.count for word in words):
        return []
    # Also of words that are nowhere: who lacks them has only a share of what is looked for.
    whole = sum(weigh(word.total, last) for word in words)
    words = sorted((word for word in words if word.count), key=lambda word: word.total)
    if not words:
        return []
    offset, end = values["offset"], values["offset"] + values["limit"]
    found, is_all = list[Ranked](), False
    if last > RANKED_MAX:
        found, is_all = _rank_narrowly(db, values | {"limit": end}, words, last)
        found = found[offset:]
    # Each page asks for one hit more than it shows. Thus the first one has enough if it is followed
    # by pages with hits of their own, and none of them has any if it is widened here.
    if not is_all and len(found) < (1 if offset else min(values["limit"], ENOUGH)):
        found = _list_ranked(db, values | {"limit": end}, _any_of(words))[offset:]
    return [Ranked(no, score / whole) for no, score in found]


def _rank_narrowly(
    db: Session, values: dict[str, Any], words: Sequence[Word], last: int
) -> tuple[list[Ranked], bool]:
    """Rank no more entities than there is time for: those with rare words, or the newest ones.

    Return also whether these are all that have the words.
    """
    telling = _drop_frequent(words, last)
    required = [word for word in words if word.is_required]
    if required:
        gate, match = join(required, " AND "), _any_of(telling)
        few = min(word.count for word in required) <= RANKED_MAX
    else:
        gate, match, few = _narrow(db, telling)
    if few:
        return _list_ranked(db, values, match), bool(required) or gate == join(words, " OR ")
    after = db.execute(queries()["index_place"], (gate, RANKED_MAX)).get or 0
    scores = dict(_list_ranked(db, values, match, after))
    if after and not any(word.is_wide for word in words):
        # Older ones that are named so.
        named = f"{{title names}} : ({gate})"
        after_named = db.execute(queries()["index_place"], (named, NAMED_MAX)).get or 0
        for no, score in _list_ranked(db, values, named, after_named):
            scores[no] = scores.get(no, 0.0) + score
    best = sorted(scores.items(), key=lambda item: -item[1])
    return [Ranked(*item) for item in best[: values["limit"]]], not after and bool(required)


def _drop_frequent(words: Sequence[Word], last: int) -> list[Word]:
    """Leave out words that hardly tell entities apart; the rarest comes first and stays."""
    return [
        word
        for place, word in enumerate(words)
        if word.is_required
        or not place
        or word.total <= min(FREQUENT_SHARE * last, FREQUENT_MAX if place >= RARER_MIN else last)
    ]


def _narrow(db: Session, words: Sequence[Word]) -> tuple[str, str, bool]:
    """Return an expression that few entities fit, one to rank them by, and whether few fit it."""
    totals = accumulate(word.count for word in words)
    rare = [word for word, total in zip(words, totals, strict=True) if total <= RANKED_MAX]
    ranked = join(words, " OR ")
    if len(rare) == len(words):
        return ranked, ranked, True
    if rare:
        gate = join(rare, " OR ")
        return gate, f"({gate}) AND ({ranked})", True
    everything = join(words, " AND ")
    [(count, _)] = db.execute(queries()["index_count"], (everything, TOGETHER_MIN))
    if count == TOGETHER_MIN:
        return everything, everything, False
    gate = words[0].expression
    return gate, gate if len(words) == 1 else f"{gate} AND ({ranked})", False


def _has_all(words: Sequence[Word], match: str) -> bool:
    """Tell whether `match_places` says that each word itself matches."""
    terms = iter([digit == "1" for digit in match.partition(" ")[0]])
    return all(word.take_matches(terms) and not word.is_loose for word in words)


def _any_of(words: Sequence[Word]) -> str:
    """Write that all words are wanted that are required, or else any."""
    ranked = join(words, " OR ")
    required = [word for word in words if word.is_required]
    if len(required) == len(words):
        return join(words, " AND ")
    return f"({join(required, ' AND ')}) AND ({ranked})" if required else ranked


def _list_ranked(db: Session, values: dict[str, Any], match: str, after: int = 0) -> list[Ranked]:
    found = _rows(db, "entity_rank", values | {"match": match, "after": after})
    return [Ranked(*row) for row in found]


def _show(
    db: Session, organization_id: str, terms: Sequence[Term], numbers: Sequence[int]
) -> list[ShownEntity]:
    looked_for = drop_little(drop_alike(db, terms))
    words = write_terms(db, looked_for)
    nos = carray(array("q", numbers))
    # Looking each entity up evaluates the expression for each.
    how = "index_scan" if any(word.is_wide for word in words) else "index_places"
    values: dict[str, Any] = {"nos": nos, "first": min(numbers), "last": max(numbers)}
    values["match"] = join(words, " OR ")
    matches = dict(_rows(db, how, values)) if words else {}
    places = {no: place for no, match in matches.items() if (place := match.partition(" ")[2])}
    complete = {no for no, match in matches.items() if _has_all(words, match)}
    values["organization_id"] = organization_id
    found = {row["no"]: row for row in rows(db, queries()["entity_show"], values)}
    tokenize = index_tokenizer(db)
    for no in numbers:
        if no in found and places.get(no) is None:
            sought = (term.text for term in looked_for)
            places[no] = find_places(tokenize, found[no]["text"], sought)
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


def _rows(db: Session, query: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    return iter(db.execute(queries()[query], values))
