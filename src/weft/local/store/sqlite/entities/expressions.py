"""Expressions of FTS5's language for what is looked for, and how many entities they fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weft.local.store.search import Term
from weft.local.store.spelling import Phrase, Spelling, loosen, spell
from weft.local.store.sqlite.entities.excerpts import index_tokenizer
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session


@dataclass(frozen=True, slots=True)
class Word:
    """A term as an expression.

    ``count`` is how many entities it fits, up to a limit; ``share`` is about how many of all.
    ``is_loose``: the term itself is nowhere, and the expression is for what is like it.
    """

    expression: str
    count: int
    share: float
    is_required: bool = False
    is_loose: bool = False


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
    """Write each term as an expression, a loose one if it is nowhere; count to ``most``."""
    return [_look_up(db, term, last, most) for term in terms]


def _look_up(db: Session, term: Term, last: int, most: int) -> Word:
    spellings = spell(term.text, is_prefix=term.is_prefix)
    expression = _write(spellings)
    count, share = _count(db, expression, last, most)
    if not count and not term.is_required:
        expression = _write(loosen(term.text) or spellings)
        return Word(expression, *_count(db, expression, last, most), is_loose=True)
    # A spelling that finds nothing more would only count twice what the first one finds.
    fewer = [each for each in spellings if each is spellings[0] or each[0].in_names]
    if len(fewer) < len(spellings) and _count(db, _write(fewer), last, most)[0] == count:
        expression = _write(fewer)
    return Word(expression, count, share, term.is_required)


def _count(db: Session, expression: str, last: int, most: int) -> tuple[int, float]:
    [(count, reached)] = db.execute(queries()["index_count"], (expression, most))
    # What was not counted is taken to be as dense as what was.
    among = reached if count == most else last
    return count, count / among if among else 0.0


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
