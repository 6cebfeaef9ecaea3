"""Bodies of requests to Airweave's API."""

from typing import Any, get_args

import pytest

from weft.domain.attention import AttentionKind
from weft.domain.base import Json
from weft.domain.connections import (
    Auth,
    AuthProviderAuth,
    DirectAuth,
    NewConnection,
    OAuthBrowserAuth,
    OAuthTokenAuth,
)
from weft.domain.schedules import Schedule, ScheduleSpec
from weft.errors import InvalidInput, WeftError
from weft.wire import bodies
from weft.wire.connections import AttentionAnswer


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        (Auth(direct=DirectAuth(credentials={"a": "b"})), {"credentials": {"a": "b"}}),
        (Auth(oauth_token=OAuthTokenAuth(access_token="t")), {"access_token": "t"}),
        (
            Auth(oauth_browser=OAuthBrowserAuth(client_id="i", client_secret="s")),
            {"client_id": "i", "client_secret": "s"},
        ),
        (
            Auth(auth_provider=AuthProviderAuth(provider_readable_id="p")),
            {"provider_readable_id": "p", "provider_config": {}},
        ),
    ],
)
def test_each_method_is_sent_in_its_untagged_form(auth: Auth, sent: Json) -> None:
    assert bodies.authentication(auth) == sent


def test_no_method_and_two_methods_are_refused() -> None:
    both = Auth(direct=DirectAuth(credentials={}), oauth_browser=OAuthBrowserAuth())
    for auth in (Auth(), both):
        with pytest.raises(InvalidInput) as caught:
            bodies.authentication(auth)
        assert caught.value.field == "auth"


def test_no_schedule_is_said_because_silence_means_daily() -> None:
    new = NewConnection(short_name="stub", readable_collection_id="docs", schedule=ScheduleSpec())
    assert bodies.new_connection(new)["schedule"] == {"cron": None}


def test_schedule_that_is_left_out_is_left_to_the_api() -> None:
    new = NewConnection(short_name="stub", readable_collection_id="docs")
    assert "schedule" not in bodies.new_connection(new)


def test_cron_given_to_a_continuous_connection_ends_continuous_syncing() -> None:
    base = Schedule(cron="*/5 * * * *", continuous=True)
    nightly = bodies.schedule(ScheduleSpec(cron="0 2 * * *"), base)
    assert nightly == {"cron": "0 2 * * *", "continuous": False}
    kept = bodies.schedule(ScheduleSpec(cursor_field="x"), base)
    assert kept == {"cron": "*/5 * * * *", "continuous": True, "cursor_field": "x"}
    every_few = bodies.schedule(ScheduleSpec(continuous=True), Schedule(cron="0 2 * * *"))
    assert every_few == {"cron": "*/5 * * * *", "continuous": True}


@pytest.mark.parametrize(
    ("spec", "base", "sent"),
    [
        ({"cron": " 0  2 * * * "}, None, {"cron": "0 2 * * *", "continuous": False}),
        ({"continuous": True}, None, {"cron": "*/5 * * * *", "continuous": True}),
        ({"cursor_field": "x"}, {"cron": "0 2 * * *"}, {"cron": "0 2 * * *", "cursor_field": "x"}),
        ({}, {"cron": "0 2 * * *"}, {"cron": None}),
        ({"timezone": "Asia/Tokyo"}, {"cron": "0 2 * * *"}, {"timezone": "Asia/Tokyo"}),
        ({"paused": False}, {"cron": "0 2 * * *", "paused": True}, {"paused": False}),
    ],
)
def test_schedule_is_merged_and_sent_whole(
    spec: dict[str, Any], base: dict[str, Any] | None, sent: Json
) -> None:
    made = bodies.schedule(ScheduleSpec(**spec), Schedule(**base) if base else None)
    assert made.items() >= sent.items()


@pytest.mark.parametrize(
    ("spec", "error", "field"),
    [
        ({"cron": "0 0 2 * * *"}, InvalidInput, "schedule.cron"),
        ({"cron": "@hourly"}, InvalidInput, "schedule.cron"),
        ({"cron": "0 2 * * *", "timezone": "Mars/X"}, InvalidInput, "schedule.timezone"),
        ({"cursor_field": "x"}, InvalidInput, "schedule"),
        ({"cron": "0 2 * * *", "continuous": True}, InvalidInput, "schedule"),
    ],
)
def test_schedule_that_the_api_would_take_wrongly_is_refused(
    spec: dict[str, Any], error: type[WeftError], field: str
) -> None:
    with pytest.raises(error) as caught:
        bodies.schedule(ScheduleSpec(**spec), None)
    assert caught.value.field == field


def test_every_kind_of_attention_is_described() -> None:
    described = AttentionAnswer.model_fields["kind"].annotation
    assert set(get_args(described)) == {kind.value for kind in AttentionKind}
