"""Times that others wrote are read, or passed over where no calendar has them."""

from datetime import UTC, datetime

import pytest

from weft.net.dates import parse_http_date, posix_time


def test_dates_of_http_are_read_in_utc() -> None:
    moment = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
    assert parse_http_date("Thu, 01 Jan 2026 12:30:00 GMT") == moment
    assert parse_http_date("Thu, 01 Jan 2026 13:30:00 +0100") == moment
    # "-0000" says that nothing is known of the zone; the standard of HTTP says that it is UTC.
    assert parse_http_date("Thu, 01 Jan 2026 12:30:00 -0000") == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "\0",
        "Mon, 01 Jan 99999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +9999999999999",
        "Mon, 99999999999999999999 Jan 2024 00:00:00 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


def test_seconds_beyond_the_calendar_are_no_time() -> None:
    assert posix_time(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert [posix_time(seconds) for seconds in (1e12, -1e12, 1e30)] == [None, None, None]
