"""Reads stored entities through a backend: lists of them, and whole texts by windows."""

from collections.abc import AsyncGenerator
from typing import Final

from weft.backend import Backend, Browse, Search
from weft.domain.entities import StoredEntity
from weft.errors import TryLater, Unsupported

WINDOW_CHARS: Final = 1 << 18


def browse_of(backend: Backend) -> Browse:
    """Return what lists entities. Raises Unsupported."""
    if backend.browse is None:
        raise Unsupported(
            "The API in WEFT_API_URL has no list of what it stored.",
            hint="`weft search` finds single documents there.",
        )
    return backend.browse


def search_of(backend: Backend) -> Search:
    """Return what reads entities. Raises Unsupported."""
    if backend.search is None or "search.entity" in backend.unsupported:
        raise Unsupported("The API in WEFT_API_URL does not give out whole documents.")
    return backend.search


async def read_windows(search: Search, first: StoredEntity) -> AsyncGenerator[str]:
    """Yield the whole text in parts, of which ``first`` has the first one.

    Raises TryLater when a sync changed the text meanwhile, instead of mixing two texts.
    """
    read = len(first.text)
    yield first.text
    while read < first.total_chars:
        window = await search.entity(first.id, offset=read, max_chars=WINDOW_CHARS)
        same = (window.total_chars, window.updated_at) == (first.total_chars, first.updated_at)
        if not same or not window.text:
            raise TryLater("A sync changed the document while it was being read.")
        read += len(window.text)
        yield window.text
