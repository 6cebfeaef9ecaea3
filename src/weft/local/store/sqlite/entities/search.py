"""Search on SQLite's full-text index: any of the words, ranked; what is quoted must be there."""

import re
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from weft.domain.reading.search import SearchHit
from weft.local.store.base import Found, Term
from weft.local.store.sqlite.entities.excerpts import Tokenizer, cut_excerpt, index_tokenizer
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.rows import rows

RANKED_MAX = 20_000
"""Entities that are ranked in a search, if there are rare words enough to find a page by."""

# They are in nearly every English text: ranking by them takes long and changes little.
_LITTLE_WORD = re.compile(
    r"an?|and|are|as|at|be|but|by|can|do|does|for|from|had|has|have|he|her|his|how|i|if|in|into|is|"
    r"its?|me|my|no|not|of|on|or|our|she|so|than|that|the|their|them|then|there|these|they|this|to|"
    r"us|was|we|were|what|when|where|which|who|why|will|with|would|your?"
)


def search_entities(db: Session, values: dict[str, Any], terms: Sequence[Term]) -> Found:
    """Return a page of entities. A page after the first is narrowed as the first one was."""
    tokenize = index_tokenizer(db)
    wanted = _drop_alike(tokenize, terms)
    words = [t for t in wanted if t.is_required or not _LITTLE_WORD.fullmatch(t.text.lower())]
    words = words or wanted
    rare = _find_rare(db, words)
    hits = _rank(db, tokenize, values | {"match": _any_of(words, rare)}) if rare else []
    # Each page asks for one hit more than it shows. Thus the first one has as many as it asks for
    # if it is followed by pages with hits of their own, and none of them if it is widened here.
    if len(hits) < (1 if values["offset"] else values["limit"]):
        hits = _rank(db, tokenize, values | {"match": _any_of(words, [])})
    return Found(hits, _find_complete(db, wanted, hits))


def _drop_alike(tokenize: Tokenizer, terms: Sequence[Term]) -> list[Term]:
    """Keep one of the terms that match the same words: ranking takes time by their square."""
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


def _find_complete(db: Session, words: Sequence[Term], hits: Sequence[SearchHit]) -> frozenset[str]:
    """Return the ids of the hits that have all words."""
    found = [int(hit.entity_id) for hit in hits]
    if found and len(words) > 1:
        values = {"match": _join(words, " AND "), "nos": carray(array("q", found))}
        found = [int(no) for (no,) in db.execute(queries()["index_among"], values)]
    return frozenset(map(str, found))


def _rank(db: Session, tokenize: Tokenizer, values: dict[str, Any]) -> list[SearchHit]:
    return [
        SearchHit(
            entity_id=str(row["no"]),
            connection_id=row["id"],
            connection_name=row["name"],
            type=row["type"],
            title=row["title"],
            snippet=cut_excerpt(tokenize, row["text"], row["places"]),
            url=row["url"],
            score=float(f"{row['score']:.4g}"),
        )
        for row in rows(db, queries()["entity_search"], values)
    ]
