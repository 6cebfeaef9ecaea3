"""Fills in who wrote the entities of before there was a column for it."""

from typing import Any, Final, cast

from weft.local.store.authors import author_in
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.respell import NUMBERS_A_STEP
from weft.local.store.sqlite.file.session import Session

AUTHORS_VERSION: Final = 19
"""The version of the schema that has the column."""


def fill_authors(db: Session) -> None:
    """Fill it from the metadata, in the transaction that is open."""
    cast("Any", db).create_scalar_function("author_in", author_in, 1)
    last = int(db.execute(queries()["body_last"]).get or 0)
    for first in range(0, last + 1, NUMBERS_A_STEP):
        db.execute(queries()["entity_fill_authors"], (first, first + NUMBERS_A_STEP - 1))
    cast("Any", db).create_scalar_function("author_in", None, 1)
