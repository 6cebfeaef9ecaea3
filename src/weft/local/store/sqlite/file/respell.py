"""Spells stored texts anew and indexes them, when a migration has changed what the index holds."""

import sys
from typing import Any, Final, cast

from weft.local.store.spelling import find_names, find_parts
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session

NUMBERS_A_STEP: Final = 5_000
"""One statement for all would keep in memory what it has changed, until it ends."""

TOLD_FROM: Final = 20_000


def empty_index(db: Session) -> None:
    """Empty the index that a migration drops, in the transaction that is open."""
    for step in ("index_empty_words", "index_empty_sizes"):
        while list(db.execute(queries()[step], (NUMBERS_A_STEP,))):
            pass


def respell(db: Session) -> None:
    """Fill the names, parts and index of all entities, in the transaction that is open."""
    last = int(db.execute(queries()["body_last"]).get or 0)
    if last >= TOLD_FROM:
        sys.stderr.write(
            "Weft indexes the stored texts anew, once after this update; a minute or so for a"
            " million.\n"
        )
        sys.stderr.flush()
    functions = (("find_names", find_names, 2), ("find_parts", find_parts, 1))
    for function in functions:
        cast("Any", db).create_scalar_function(*function)
    for first in range(0, last + 1, NUMBERS_A_STEP):
        step = (first, first + NUMBERS_A_STEP - 1)
        db.execute(queries()["body_respell"], step)
        db.execute(queries()["index_insert"], step)
    for name, _, arguments in functions:
        cast("Any", db).create_scalar_function(name, None, arguments)
