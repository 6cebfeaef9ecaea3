"""Looks for what a request whose answer was lost has done, instead of sending it again."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from weft.errors import SourceUnavailable, TryLater
from weft.remote.client import AnswerLost
from weft.remote.patience import Patience

T = TypeVar("T")


async def done_once(
    send: Callable[[], Awaitable[T]],
    look: Callable[[], Awaitable[T | None]],
    patience: Patience,
    *,
    unknown: str,
) -> T:
    """What ``send`` answers, or what ``look`` finds when the answer is lost.

    ``look`` is asked several times, because the request may still be under way. When nothing is
    found, SourceUnavailable says in ``unknown`` how to tell what became of it.
    """
    try:
        return await send()
    except AnswerLost as lost:
        error = lost
    for number in range(patience.looks):
        # The first look comes at once: most answers are lost after the work was done.
        await anyio.sleep(patience.look_pause * (2**number - 1))
        try:
            found = await look()
        except TryLater:
            continue
        if found is not None:
            return found
    raise SourceUnavailable(f"{error.message} {unknown}")
