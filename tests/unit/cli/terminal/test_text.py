"""Words for people."""

import io
from datetime import UTC, datetime, timedelta

import pytest

from weft.cli.terminal.tables import console, print_table
from weft.cli.terminal.text import ago, count, duration, plain, short_ids

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "just now"),
        (90, "1 min ago"),
        (7_300, "2 h ago"),
        (200_000, "2 d ago"),
        (-30, "in a moment"),
        (-7_300, "in 2 h"),
    ],
)
def test_times_are_relative_in_one_unit(seconds: int, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


def test_missing_time_and_duration_are_a_dash() -> None:
    assert (ago(None), duration(None)) == ("-", "-")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.051, "0.05 s"), (3.21, "3.2 s"), (245, "4 min 05 s"), (3_720, "1 h 02 min")],
)
def test_durations_read_naturally(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_counts_agree_with_their_noun() -> None:
    assert count(1, "entity", "entities") == "1 entity"
    assert count(2000, "run") == "2,000 runs"


def test_plain_text_keeps_letters_and_drops_what_steers() -> None:
    assert plain("naïve\x1b[31m\u202e text\u200b\nend") == "naïve [31m text end"


def test_short_ids_grow_until_they_differ() -> None:
    ids = ["aaaaaaaa-1", "aaaaaaaa-2", "bbbbbbbb-1"]
    assert len(set(short_ids(ids).values())) == 3
    assert short_ids(["aaaaaaaa-1", "bbbbbbbb-1"])["aaaaaaaa-1"] == "aaaaaaaa"


@pytest.mark.parametrize("width", [80, 120])
def test_table_stays_within_the_terminal(width: int) -> None:
    written = io.StringIO()
    out = console(written)
    out.width = width
    print_table(out, ("a", "b"), [("short", "long word " * 40)], wide=("b",))
    lines = written.getvalue().splitlines()
    assert max(len(line) for line in lines) <= width
    assert "short" in lines[2]
