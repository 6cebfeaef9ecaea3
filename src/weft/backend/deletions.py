"""Finds what is to be deleted."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from weft.errors import NotFound

T = TypeVar("T")


async def find_to_delete(
    get: Callable[[str], Awaitable[T]],
    get_deleted: Callable[[str], Awaitable[T]],
    name: str,
    *,
    permanently: bool,
) -> T:
    """Get what is to be deleted: for good, also what was deleted before. Raises as ``get`` does."""
    try:
        return await get(name)
    except NotFound:
        with suppress(NotFound):
            if permanently:
                return await get_deleted(name)
        raise
