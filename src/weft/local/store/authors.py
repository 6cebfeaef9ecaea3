"""Names of authors, in the form in which they are stored to be found by."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from weft.domain.text.folding import fold_text
from weft.local.store.values import loads

AUTHOR_KEYS: Final = ("author", "from")
"""The metadata that name who wrote an entity, or sent it; the first that is there counts."""
KEPT_MAX_CHARS: Final = 500


def folded_or_none(name: str | None) -> str | None:
    """Fold as `fold_text`; None, and a name of blanks, become None."""
    return fold_text(name.strip()) or None if name else None


def author_of(metadata: Mapping[str, object]) -> str | None:
    """Return the folded name of an entity's author, or its beginning; None if none is told."""
    if not metadata:
        return None
    found = next((value for key in AUTHOR_KEYS if (value := metadata.get(key))), None)
    if isinstance(found, list | tuple):
        found = ", ".join(each for each in cast("Sequence[object]", found) if isinstance(each, str))
    # SQLite's own string functions take a NUL as the end.
    return fold_text(found[:KEPT_MAX_CHARS].replace("\0", " ")) if isinstance(found, str) else None


def author_in(metadata: str) -> str | None:
    """Return the author that stored metadata names; see `author_of`."""
    return author_of(loads(metadata))
