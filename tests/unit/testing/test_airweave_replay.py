"""The stand-in of Airweave answers as the real one did, in each recorded story."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.airweave.scenarios import NAMES, Replay, find_step, load_scenario, open_http
from weft.testing.airweave import Airweave, Clock
from weft.testing.airweave.state import Connection, Provider, new_id

pytestmark = pytest.mark.anyio

# Between these exchanges something was done to the real backend that no request did.
CLEANUP_CAME = "045_get_after_cleanup"
SESSION_EXPIRED = "069_callback_expired"
NOTION_ELSEWHERE = "b75c6fe6-f9ff-442d-9faf-a3ce3f179439"
LINK_EXPIRED = "078_link_expired_unopened"


def expire_session(world: Airweave, name: str) -> None:
    """Let the session and the link of a connection expire an hour ago."""
    found: Connection = next(c for c in world.connections.values() if c.name == name)
    assert found.session is not None
    found.session.expires -= timedelta(hours=1)
    found.session.link_expires -= timedelta(hours=1)


BETWEEN: dict[str, Callable[[Airweave], None]] = {
    CLEANUP_CAME: lambda world: world.clock.advance(200),
    SESSION_EXPIRED: lambda world: expire_session(world, "Notion expired"),
    LINK_EXPIRED: lambda world: expire_session(world, "Notion late"),
}
ARTEFACTS = {
    "collections_with_connections": {"body"},
    "byoc": {"entity_count"},
    "around": {
        "body",
        "class_name",
        "entity_schema",
        "details",
        "usage",
        "current_period",
        "limits",
        "detail",
        "previous_periods",
        "total_entities_all_time",
    },
    "search": {"detail"},
    "auth_providers": {"detail"},
}


@pytest.mark.parametrize("name", NAMES)
async def test_story_is_answered_as_it_was_recorded(name: str) -> None:
    clock = Clock(datetime(2026, 11, 28, 20, 14, tzinfo=UTC))
    world = Airweave(clock=clock, queue_seconds=0.5, run_seconds=0.7, cancel_seconds=0.5)
    if name == "refused_credentials":
        for kind in ("composio", "pipedream"):
            now = world.clock.now()
            made = Provider(new_id(), kind.title(), f"{kind}-fake", kind, now, now)
            world.providers[made.readable_id] = made
    async with open_http(world) as http:
        replay = Replay(world, http, free=frozenset(ARTEFACTS.get(name, ())))
        if name == "refused_credentials":
            # Its last two steps are about a connection of another story.
            for number in ("001", "040"):
                await replay.take(find_step("oauth_complete", number))
            (replay.known[NOTION_ELSEWHERE],) = world.connections
        for step in load_scenario(name):
            BETWEEN.get(step.name, lambda _: None)(world)
            await replay.take(step)
