"""From where the next sync of a table reads."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from weft.sources.sql.marks import Mark
from weft.sources.sql.tables import Table

TABLE = Table("t", "t", None, ("id",), (), (), "at")


@pytest.mark.parametrize(
    ("highest", "dialect", "bound"),
    [
        (5000, "mysql", 4000),
        (Decimal("5000.5"), "postgresql", Decimal("4000.5")),
        (5000.5, "sqlite", 4000.5),
        ("01J9Z", "postgresql", "01J9Z"),
        ("2026-01-02 00:05:00+00", "postgresql", datetime(2026, 1, 1, 23, 55, tzinfo=UTC)),
        ("2026-01-02T00:05:00Z", "sqlite", "2026-01-01T23:55"),
        ("2026-01-02 00:05:00", "sqlite", "2026-01-01 23:55"),
        (datetime(2026, 1, 2, 0, 5), "mysql", datetime(2026, 1, 1, 23, 55)),
        (date(2026, 1, 2), "mysql", datetime(2026, 1, 1, 23, 50)),
    ],
)
def test_next_sync_begins_a_little_below_the_highest_value(
    highest: Any, dialect: str, bound: object
) -> None:
    mark = Mark.parse(Mark.of(highest, TABLE).dump(), TABLE)
    assert mark is not None
    assert mark.lower_bound(dialect) == bound


@pytest.mark.parametrize("endless", ["infinity", "9999-12-31", "10000-01-01 00:00:00+00"])
def test_endless_time_hides_nothing_of_today(endless: str) -> None:
    bound = Mark.of(endless, TABLE).lower_bound("postgresql")
    now = datetime.now(UTC).replace(tzinfo=None)
    assert now - timedelta(days=3) < bound < now


@pytest.mark.parametrize("unusable", [None, True, b"\0", float("nan"), timedelta(1)])
def test_table_whose_values_do_not_grow_is_read_whole(unusable: object) -> None:
    assert Mark.parse(Mark.of(unusable, TABLE).dump(), TABLE) is None
