"""Drafts: what a caller wishes for becomes columns, or one error that names the field."""

from datetime import UTC, datetime
from typing import Any

import pytest

from weft.domain.connections import (
    DESCRIPTION_MAX_CHARS,
    NAME_MAX_CHARS,
    AuthMethod,
    ConnectionChange,
)
from weft.domain.schedules import Schedule, ScheduleSpec
from weft.errors import InvalidInput
from weft.local.auth.draft import draft_columns, draft_schedule
from weft.sources.base import AnySource
from weft.sources.files.source import FilesSource
from weft.testing.stub import StubSource

CANARY = "s3cr3t-canary"
NOW = datetime(2026, 8, 1, tzinfo=UTC)


class ManyWays(StubSource):
    short_name = "many_ways"
    auth_methods = tuple(AuthMethod)


class LongName(StubSource):
    name = "A source with a name that is far too long for it"


class Uncursored(StubSource):
    cursor_fields = ()


def make_schedule(
    kind: type[AnySource], asked: ScheduleSpec, base: Schedule | None
) -> Schedule | None:
    return draft_schedule(kind, asked, base, NOW)


def draft(kind: type[AnySource] = StubSource, **fields: str | None) -> str | None:
    """Draft the only column that the change has."""
    (column,) = draft_columns(ConnectionChange.model_validate(fields), kind).values()
    return column


def spec(**fields: Any) -> ScheduleSpec:
    return ScheduleSpec.model_validate(fields)


def test_name_is_trimmed_or_made_from_the_source() -> None:
    assert draft(name="  Team docs ") == "Team docs"
    assert draft(name=None) == "Stub Connection"
    assert len(draft(LongName, name=None) or "") == NAME_MAX_CHARS


@pytest.mark.parametrize("name", ["", "abc", "  abc  ", "x" * (NAME_MAX_CHARS + 1)])
def test_name_of_a_wrong_length_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        draft(name=name)
    assert caught.value.field == "name"


@pytest.mark.parametrize("name", ["abcd", "x" * NAME_MAX_CHARS])
def test_name_at_either_limit_is_taken(name: str) -> None:
    assert draft(name=name) == name


def test_description_may_be_absent_empty_or_full() -> None:
    assert draft(description=None) is None
    assert draft(description="") is None
    assert draft(description="x" * DESCRIPTION_MAX_CHARS) == "x" * DESCRIPTION_MAX_CHARS
    with pytest.raises(InvalidInput) as caught:
        draft(description="x" * (DESCRIPTION_MAX_CHARS + 1))
    assert caught.value.field == "description"


@pytest.mark.parametrize(
    "name",
    ["other", "last_entity;", 'x" OR 1=1 --', "*", "LAST_ENTITY", "last_entity\0", "\u202e"],
)
def test_cursor_field_is_one_that_the_source_names(name: str) -> None:
    for kind in (StubSource, Uncursored):
        with pytest.raises(InvalidInput) as caught:
            make_schedule(kind, spec(continuous=True, cursor_field=name), None)
        assert caught.value.field == "schedule.cursor_field"
        assert "OR 1" not in str(caught.value)


def test_empty_spec_means_no_schedule() -> None:
    base = Schedule(cron="0 2 * * *")
    for empty in (spec(), spec(cron=None), spec(cron=None, timezone=None)):
        assert make_schedule(StubSource, empty, None) is None
        assert make_schedule(StubSource, empty, base) is None


def test_cron_is_normalised_and_read_in_utc_by_default() -> None:
    made = make_schedule(StubSource, spec(cron=" 0  2 * * *"), None)
    assert made == Schedule(cron="0 2 * * *", timezone="UTC")


def test_spec_changes_only_what_it_gives() -> None:
    base = Schedule(cron="0 2 * * *", timezone="Europe/Berlin")
    moved = make_schedule(StubSource, spec(cron="0 3 * * *"), base)
    assert moved == Schedule(cron="0 3 * * *"), "a cron without a time zone is in UTC"
    elsewhere = make_schedule(StubSource, spec(timezone="Asia/Tokyo"), base)
    assert elsewhere == Schedule(cron="0 2 * * *", timezone="Asia/Tokyo")


def test_cron_given_to_a_continuous_connection_ends_continuous_syncing() -> None:
    base = Schedule(continuous=True, cursor_field="last_entity")
    nightly = make_schedule(StubSource, spec(cron="0 2 * * *"), base)
    assert nightly is not None
    assert (nightly.cron, nightly.continuous) == ("0 2 * * *", False)
    guides = make_schedule(StubSource, spec(cron="0 2 * * *", continuous=False), base)
    assert guides == nightly


def test_continuous_given_to_a_connection_with_a_cron_ends_the_cron() -> None:
    made = make_schedule(StubSource, spec(continuous=True), Schedule(cron="0 2 * * *"))
    assert made is not None
    assert (made.cron, made.continuous) == (None, True)


def test_continuous_takes_the_sources_first_cursor_field() -> None:
    made = make_schedule(StubSource, spec(continuous=True), None)
    assert made is not None
    assert (made.continuous, made.cursor_field) == (True, "last_entity")
    without = make_schedule(Uncursored, spec(continuous=True), None)
    assert without is not None
    assert without.cursor_field is None


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        (StubSource, spec(cron="* * *"), "schedule.cron"),
        (StubSource, spec(cron="0 2 * * *", timezone="Mars/X"), "schedule.timezone"),
        (StubSource, spec(cron="0 2 * * *", cursor_field="x"), "schedule.cursor_field"),
        (Uncursored, spec(continuous=True, cursor_field="x"), "schedule.cursor_field"),
        (FilesSource, spec(continuous=True), "schedule.continuous"),
        (StubSource, spec(timezone="UTC"), "schedule"),
        (StubSource, spec(continuous=False), "schedule"),
        (StubSource, spec(cron="0 2 * * *", continuous=True), "schedule"),
    ],
)
def test_bad_schedule_names_the_field(
    kind: type[AnySource], given: ScheduleSpec, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_schedule(kind, given, None)
    assert caught.value.field == field


def test_schedule_cannot_lose_its_last_reason_to_run() -> None:
    with pytest.raises(InvalidInput) as caught:
        make_schedule(StubSource, spec(cron=None, timezone="UTC"), Schedule(cron="0 2 * * *"))
    assert caught.value.field == "schedule"


@pytest.mark.parametrize(
    "until", ["2026-07-31", "2026-08-01", "2036-12-31", "9999-12-31T23:00-12:00"]
)
def test_pause_that_is_over_or_endless_is_refused(until: str) -> None:
    asked = ScheduleSpec.model_validate({"cron": "0 2 * * *", "paused_until": until})
    with pytest.raises(InvalidInput) as caught:
        make_schedule(StubSource, asked, None)
    assert caught.value.field == "schedule.paused_until"


def test_change_of_the_pause_asks_for_another_next_time() -> None:
    base = Schedule(cron="0 2 * * *", next_run=NOW)
    paused = make_schedule(StubSource, ScheduleSpec(paused=True), base)
    assert paused is not None
    assert paused.next_run is None
    resumed = make_schedule(StubSource, ScheduleSpec(paused=False), paused)
    assert resumed == Schedule(cron="0 2 * * *")
