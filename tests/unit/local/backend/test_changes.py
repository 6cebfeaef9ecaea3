"""News of changes of the local backend."""

import anyio
import pytest

from tests.support.patience import PATIENCE_SECONDS
from weft.local.backend.changes import LocalChanges
from weft.local.engine import Engine

pytestmark = pytest.mark.anyio


async def test_follower_hears_at_once_and_after_each_burst_of_changes(idle_engine: Engine) -> None:
    news = LocalChanges(idle_engine).follow()
    with anyio.fail_after(PATIENCE_SECONDS):
        await anext(news)
        idle_engine.changes.announce()
        idle_engine.changes.announce()
        await anext(news)
    with anyio.move_on_after(0.3) as quiet:
        await anext(news)
    assert quiet.cancelled_caught


async def test_change_between_two_looks_is_not_missed(idle_engine: Engine) -> None:
    news = LocalChanges(idle_engine).follow()
    with anyio.fail_after(PATIENCE_SECONDS):
        await anext(news)
        # The follower is busy with what it heard; nobody waits at this moment.
        idle_engine.changes.announce()
        await anext(news)
