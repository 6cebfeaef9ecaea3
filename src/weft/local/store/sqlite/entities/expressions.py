"""Expressions of FTS5's language for what is looked for, and how many entities they fit."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log

from weft.local.store.search import Term
from weft.local.store.spelling import Phrase, Spelling, loosen, spell
from weft.local.store.sqlite.entities.excerpts import index_tokenizer
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session


@dataclass(frozen=True, slots=True)
class Word:
    """A term in its spellings.

    ``count`` is how many entities it fits, up to a limit; ``total`` is about how many it fits.
    ``is_loose``: the term itself is nowhere, and this is what is like it.
    ``is_wide``: it has beginnings of words, all of which are put together whenever it is evaluated.
    """

    spellings: Sequence[Spelling]
    count: int
    total: float
    is_required: bool = False
    is_loose: bool = False
    is_wide: bool = False

    @property
    def expression(self) -> str:
        """Write it in FTS5's language."""
        return _write(self.spellings)

    def take_matches(self, terms: Iterator[bool]) -> bool:
        """Tell whether it matches, if one can tell of each of its phrases, in their order."""
        found = [[next(terms, False) for _ in phrases] for phrases in self.spellings]
        return any(all(phrases) for phrases in found)


def drop_alike(db: Session, terms: Sequence[Term]) -> list[Term]:
    """Keep one of the terms that match the same words: ranking takes time by their square."""
    tokenize = index_tokenizer(db)
    alike: dict[tuple[str | bool, ...], Term] = {}
    for term in terms:
        key = (term.is_prefix, *(word for *_, word in tokenize(term.text.encode())))
        if key not in alike or term.is_required:
            alike[key] = term
    return list(alike.values())


def look_up(db: Session, terms: Sequence[Term], last: int, most: int) -> list[Word]:
    """Spell each term, loosely if it is nowhere; count to ``most``."""
    return [_look_up(db, term, last, most) for term in terms]


def write_terms(db: Session, terms: Sequence[Term]) -> list[Word]:
    """Spell each term, loosely if it is nowhere, without counting."""
    return [
        _write_term(term) if term.is_required or term.is_prefix else _look_up(db, term, 1, 1)
        for term in terms
    ]


def _write_term(term: Term) -> Word:
    spellings = spell(term.text, is_prefix=term.is_prefix)
    return Word(spellings, 1, 1.0, term.is_required, is_wide=term.is_prefix)


def _look_up(db: Session, term: Term, last: int, most: int) -> Word:
    spellings = spell(term.text, is_prefix=term.is_prefix)
    count, total = _count(db, spellings, last, most)
    if not count and not term.is_required:
        spellings = loosen(term.text) or spellings
        count, total = _count(db, spellings, last, most)
        return Word(spellings, count, total, is_loose=True, is_wide=True)
    # A spelling that finds nothing more would only count twice what the first one finds.
    fewer = [each for each in spellings if each is spellings[0] or each[0].in_names]
    if len(fewer) < len(spellings) and _count(db, fewer, last, most)[0] == count:
        spellings = fewer
    return Word(spellings, count, total, term.is_required, is_wide=term.is_prefix)


def _count(db: Session, spellings: Sequence[Spelling], last: int, most: int) -> tuple[int, float]:
    [(count, reached)] = db.execute(queries()["index_count"], (_write(spellings), most))
    # What was not counted is taken to be as dense as what was.
    return count, count * last / reached if count == most else float(count)


def weigh(total: float, last: int) -> float:
    """Return what a word adds to FTS5's score of an entity of usual length that has it once."""
    return log(max((last - total + 0.5) / (total + 0.5), 1.0 + 1e-6))


def join(words: Iterable[Word], operator: str) -> str:
    """Write several words as one expression."""
    return operator.join(word.expression for word in words)


def _write(spellings: Iterable[Spelling]) -> str:
    return f"({' OR '.join(_write_all(phrases) for phrases in spellings)})"


def _write_all(phrases: Spelling) -> str:
    written = " AND ".join(map(_write_phrase, phrases))
    return f"({written})" if len(phrases) > 1 else written


def _write_phrase(phrase: Phrase) -> str:
    """Write it as a literal, without NULs, which would end it."""
    where = "{title names} : " if phrase.in_names else ""
    literal = '"' + phrase.text.replace('"', '""').replace("\0", "") + '"'
    return f"{where}{literal}{' *' if phrase.is_prefix else ''}"
