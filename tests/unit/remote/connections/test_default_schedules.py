"""A connection gets the schedule that Airweave gives by default, and the result says which."""

import pytest

from tests.support.airweave.backend import STUB_AUTH, Place, make_connection, make_direct_auth
from weft.domain.schedules import ScheduleSpec
from weft.server.render.text import connection_text

pytestmark = pytest.mark.anyio

GITHUB_AUTH = make_direct_auth(personal_access_token="ghp_good")


async def test_schedule_that_is_left_out_is_daily_and_told(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "stub", auth=STUB_AUTH)
        now = place.world.clock.now()
    assert made.schedule is not None
    assert (made.schedule.cron or "").endswith(" * * *")
    assert made.schedule.next_run is None or made.schedule.next_run > now
    assert f"cron '{made.schedule.cron}'" in connection_text(made)


async def test_schedule_that_is_left_out_is_every_five_minutes_where_that_is_offered(
    place: Place,
) -> None:
    config = {"repo_name": "me/repo"}
    async with place.open() as backend:
        auth = GITHUB_AUTH
        made = await make_connection(backend, "github", auth=auth, config=config)
    assert made.schedule is not None
    assert made.schedule.cron == "*/5 * * * *" or made.schedule.continuous


async def test_empty_schedule_is_none(place: Place) -> None:
    async with place.open() as backend:
        auth = STUB_AUTH
        made = await make_connection(backend, "stub", auth=auth, schedule=ScheduleSpec())
        found = await backend.connections.get(made.id)
    assert made.schedule is None
    assert found.schedule is None
    assert "schedule: none" in connection_text(found)


async def test_schedule_is_not_said_to_be_none_before_the_consent_decides(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "notion")
        assert "schedule: what the API chooses" in connection_text(made)
        await place.consent(made.auth.auth_url)
        found = await backend.connections.get(made.id)
    assert found.schedule is not None
    assert f"cron '{found.schedule.cron}'" in connection_text(found)


async def test_draft_does_not_say_that_there_will_be_no_schedule(place: Place) -> None:
    async with place.open() as backend:
        left_out = await make_connection(backend, "stub")
        agreed = await make_connection(backend, "gmail", schedule=ScheduleSpec())
        none = await make_connection(backend, "stub", schedule=ScheduleSpec())
    assert all(made.is_draft for made in (left_out, agreed, none))
    assert "schedule: what the API chooses" in connection_text(left_out)
    assert "schedule: what the API chooses" in connection_text(agreed), "a consent makes it daily"
    assert "schedule: none" in connection_text(none)


async def test_draft_keeps_the_wish_for_no_schedule(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "stub", schedule=ScheduleSpec())
        assert made.is_draft
        assert backend.authorization is not None
        await backend.authorization.authorize(made.id, STUB_AUTH)
    (created,) = place.world.connections.values()
    assert created.sync is not None
    assert created.sync.cron is None
