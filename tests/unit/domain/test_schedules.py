"""Schedules: five strict fields, real time zones, and a next run that is always ahead."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.domain.cron_notes import surprises_of
from weft.domain.schedules import (
    CONTINUOUS_INTERVAL,
    Schedule,
    ScheduleSpec,
    merge_schedule,
    next_run,
    validate_cron,
    validate_timezone,
)
from weft.errors import InvalidInput

BERLIN = "Europe/Berlin"
NEVER = ["0 0 30 2 *", "0 0 31 4,6 *", "0 0 31 2,4,6,9,11 *"]
MALFORMED = [
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * * 13 *",
    "* * * * 8",
    "*/0 * * * *",
    "5-1 * * * *",
    "a b c d e",
    "٣ * * * *",
    "; DROP TABLE connection *",
]


def next_due(cron: str, after: datetime, zone: str = BERLIN) -> datetime:
    found = next_run(Schedule(cron=cron, timezone=zone), after=after, last_start=None)
    assert found is not None
    return found


def list_slots(cron: str, start: datetime, count: int, zone: str = BERLIN) -> list[datetime]:
    """List the next runs, each computed at the time of the one before."""
    found = [start]
    for _ in range(count):
        found.append(next_due(cron, found[-1], zone))
    return found[1:]


def utc(*parts: int) -> datetime:
    year, month, day, *rest = parts
    hour, minute, second = (*rest, 0, 0, 0)[:3]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def test_cron_is_returned_with_single_spaces() -> None:
    assert validate_cron("  30\t2 *  * MON-FRI\n") == "30 2 * * MON-FRI"


@pytest.mark.parametrize("cron", ["", "* * * *", "* * * * * *", "@daily", "0 0 0 * * ? 2026"])
def test_other_than_five_fields_is_refused_with_their_number(cron: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_cron(cron)
    assert caught.value.field == "schedule.cron"
    assert f"{len(cron.split())} fields instead of 5" in caught.value.message


@pytest.mark.parametrize("cron", [*NEVER, *MALFORMED])
def test_cron_that_never_fires_is_refused_without_being_repeated(cron: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_cron(cron)
    assert caught.value.field == "schedule.cron"
    assert cron not in str(caught.value)


def test_rare_but_real_date_is_accepted() -> None:
    cron = validate_cron("0 12 29 2 *")
    assert next_due(cron, utc(2026, 1, 1), "UTC") == utc(2028, 2, 29, 12)


@pytest.mark.parametrize("name", ["UTC", BERLIN, "America/Argentina/Buenos_Aires"])
def test_iana_time_zone_is_accepted(name: str) -> None:
    assert validate_timezone(name) == name


@pytest.mark.parametrize(
    "name", ["", "Europe", "Mars/X", "../../etc/passwd", "/etc/localtime", "\0", "\ud800", "+02:00"]
)
def test_anything_else_is_no_time_zone(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_timezone(name)
    assert caught.value.field == "schedule.timezone"


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_makes_validation_fail_in_another_way(text: str) -> None:
    for check in (validate_cron, validate_timezone):
        with suppress(InvalidInput):
            check(text)


def test_connection_without_schedule_is_never_due() -> None:
    assert next_run(Schedule(), after=utc(2026, 1, 1), last_start=None) is None


def test_slot_in_utc_is_the_next_one_and_not_the_present_one() -> None:
    assert next_due("30 2 * * *", utc(2026, 5, 1, 2, 29, 59), "UTC") == utc(2026, 5, 1, 2, 30)
    assert next_due("30 2 * * *", utc(2026, 5, 1, 2, 30), "UTC") == utc(2026, 5, 2, 2, 30)
    assert next_due("30 2 * * *", utc(2026, 5, 1, 2, 30, 20), "UTC") == utc(2026, 5, 2, 2, 30)


def test_cron_is_read_in_its_time_zone_and_answered_in_utc() -> None:
    summer, winter = utc(2026, 7, 1), utc(2026, 1, 1)
    assert next_due("30 2 * * *", summer) == utc(2026, 7, 1, 0, 30)
    assert next_due("30 2 * * *", winter) == utc(2026, 1, 1, 1, 30)
    assert next_due("30 2 * * *", summer).tzinfo is ZoneInfo("UTC")
    elsewhere = summer.astimezone(timezone(timedelta(hours=-7)))
    assert next_due("30 2 * * *", elsewhere) == next_due("30 2 * * *", summer)


def test_time_that_spring_skips_runs_once_at_the_end_of_the_gap() -> None:
    # On 29 March 2026 clocks in Berlin go from 02:00 to 03:00, at 01:00 UTC.
    assert list_slots("30 2 * * *", utc(2026, 3, 27, 12), 4) == [
        utc(2026, 3, 28, 1, 30),
        utc(2026, 3, 29, 1, 0),
        utc(2026, 3, 30, 0, 30),
        utc(2026, 3, 31, 0, 30),
    ]


def test_time_that_autumn_repeats_runs_once() -> None:
    # On 25 October 2026 clocks in Berlin go from 03:00 to 02:00, at 01:00 UTC.
    assert list_slots("30 2 * * *", utc(2026, 10, 23, 12), 4) == [
        utc(2026, 10, 24, 0, 30),
        utc(2026, 10, 25, 0, 30),
        utc(2026, 10, 26, 1, 30),
        utc(2026, 10, 27, 1, 30),
    ]


def test_within_the_repeated_hour_the_next_run_is_not_in_the_past() -> None:
    # Between 01:00 and 01:30 UTC the clock shows 02:00 to 02:30 for the second time.
    for minute in range(60):
        assert next_due("30 2 * * *", utc(2026, 10, 25, 1, minute, 17)) == utc(2026, 10, 26, 1, 30)


def test_hourly_schedule_runs_every_real_hour_of_both_days() -> None:
    for start in (utc(2026, 3, 28, 22), utc(2026, 10, 24, 22)):
        expected = [start + timedelta(hours=n) for n in range(1, 9)]
        assert list_slots("0 * * * *", start, 8) == expected


@pytest.mark.parametrize("start", [utc(2026, 3, 28), utc(2026, 10, 24)])
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/20 2 * * *", "0 3 * * *", "15 * * * *"])
def test_slots_around_a_change_of_clocks_are_those_of_cronsim(cron: str, start: datetime) -> None:
    simulated = CronSim(cron, start.astimezone(ZoneInfo(BERLIN)))
    expected = [next(simulated).astimezone(UTC) for _ in range(8)]
    assert list_slots(cron, start, 8) == expected


@settings(deadline=None)
@given(
    after=st.datetimes(datetime(2026, 10, 24, 20), datetime(2026, 10, 25, 6))
    | st.datetimes(datetime(2026, 3, 28, 20), datetime(2026, 3, 29, 6))
    | st.datetimes(datetime(2025, 1, 1), datetime(2035, 1, 1)),
    cron=st.sampled_from(["* * * * *", "30 2 * * *", "*/7 1-3 * * *", "0 0 29 2 *", "59 2 * * 0"]),
    zone=st.sampled_from(["UTC", BERLIN, "Australia/Lord_Howe", "America/St_Johns"]),
)
def test_next_run_is_ahead_on_a_whole_minute(after: datetime, cron: str, zone: str) -> None:
    moment = after.replace(tzinfo=UTC)
    found = next_due(cron, moment, zone)
    assert found > moment
    assert (found.second, found.microsecond) == (0, 0)
    assert found.utcoffset() == timedelta(0)


def test_continuous_connection_is_due_an_interval_after_its_last_start() -> None:
    continuous, now = Schedule(continuous=True), utc(2026, 5, 1, 12)
    start = now - timedelta(minutes=1)
    assert next_run(continuous, after=now, last_start=start) == start + CONTINUOUS_INTERVAL
    assert next_run(continuous, after=now, last_start=None) == now
    overdue = now - timedelta(days=1)
    assert next_run(continuous, after=now, last_start=overdue) == now


@pytest.mark.parametrize("base", [None, Schedule(cron="0 3 * * *"), Schedule(continuous=True)])
def test_cron_beside_continuous_is_refused_and_both_are_named(base: Schedule | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        merge_schedule(ScheduleSpec(cron="0 2 * * *", continuous=True), base)
    for name in ("schedule.cron", "schedule.continuous"):
        assert name in caught.value.message
    assert caught.value.field == "schedule"
    assert caught.value.hint is not None


def test_cron_that_says_that_it_is_not_continuous_is_taken() -> None:
    spec = ScheduleSpec(cron="0 2 * * *", continuous=False, cursor_field="pushed_at")
    assert merge_schedule(spec, None) == Schedule(cron="0 2 * * *", cursor_field="pushed_at")


def test_pause_ends_with_the_slot_on_its_end() -> None:
    end = utc(2026, 8, 15, 2)
    paused = Schedule(cron="0 2 * * *", paused=True, paused_until=end)
    assert next_run(paused, after=utc(2026, 7, 1), last_start=None) == end
    assert next_run(paused, after=end, last_start=None) == end + timedelta(days=1)
    endless = Schedule(cron="0 2 * * *", paused=True)
    assert next_run(endless, after=end, last_start=None) is None


def test_end_of_a_pause_is_read_in_the_time_zone_of_the_schedule() -> None:
    spec = ScheduleSpec.model_validate({"paused_until": "2027-08-15"})
    paused = merge_schedule(spec, Schedule(cron="0 2 * * *", timezone="Asia/Tokyo"))
    assert paused is not None
    assert paused.paused_until == utc(2027, 8, 14, 15)
    assert paused.timezone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("given", "base", "field"),
    [
        ({"paused": True}, None, "schedule"),
        ({"paused": False}, None, "schedule"),
        (
            {"paused": False, "paused_until": "2030-01-01"},
            Schedule(continuous=True),
            "schedule.paused_until",
        ),
    ],
)
def test_pause_that_says_nothing_clear_is_refused(
    given: dict[str, object], base: Schedule | None, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        merge_schedule(ScheduleSpec.model_validate(given), base)
    assert caught.value.field == field


def test_cron_without_a_time_zone_is_in_utc_whatever_was_before() -> None:
    tokyo = Schedule(cron="0 2 * * *", timezone="Asia/Tokyo")
    assert merge_schedule(ScheduleSpec(cron="0 3 * * *"), tokyo) == Schedule(cron="0 3 * * *")
    moved = merge_schedule(ScheduleSpec(timezone="Europe/Berlin"), tokyo)
    assert moved == Schedule(cron="0 2 * * *", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("*/90 * * * *", "fires once in each hour"),
        ("*/45 * * * *", "is not every 45 minutes"),
        ("0 */5 * * *", "is not every 5 hours"),
        ("0 0 */2 * *", "is not every 2 days"),
        ("* 9 * * *", "fires every minute of that hour"),
        ("0 9 1 * 1", "on day 1 of the month and also on weekday 1"),
    ],
)
def test_cron_that_does_not_do_what_it_looks_like_is_told(cron: str, told: str) -> None:
    [note] = surprises_of(Schedule(cron=cron))
    assert told in note


@pytest.mark.parametrize("cron", ["*/15 * * * *", "0 9 * * 1-5", "0 */6 * * *", "* * * * *"])
def test_plain_cron_has_no_surprises(cron: str) -> None:
    assert surprises_of(Schedule(cron=cron)) == []
