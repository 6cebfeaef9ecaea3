"""Pausing a schedule and letting it go on, from the command line."""

from datetime import datetime

from tests.support.terminal import Terminal
from weft.domain.connections import ConnectionChange
from weft.domain.schedules import ScheduleSpec


def find_spec(terminal: Terminal) -> ScheduleSpec | None:
    ((_, change),) = terminal.backend.calls_of("connections.update")
    assert isinstance(change, ConnectionChange)
    assert change.model_fields_set == {"schedule"}
    return change.schedule


def test_pause_lasts_until_it_is_resumed_or_until_a_date(terminal: Terminal) -> None:
    assert terminal.run("pause", "My notes").exit_code == 0
    assert find_spec(terminal) == ScheduleSpec(paused=True)


def test_date_of_a_pause_is_left_to_the_time_zone_of_the_schedule(terminal: Terminal) -> None:
    result = terminal.run("pause", "My notes", "--until", "2030-08-15")
    assert result.exit_code == 0
    assert "'My notes': " in result.stdout
    spec = find_spec(terminal)
    assert spec is not None
    assert spec.paused_until == datetime(2030, 8, 15)


def test_resume_only_ends_the_pause(terminal: Terminal) -> None:
    assert terminal.run("resume", "My notes").exit_code == 0
    assert find_spec(terminal) == ScheduleSpec(paused=False)
