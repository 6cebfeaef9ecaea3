"""Waits between repetitions of a request."""

import pytest

from weft.net.retry import back_off_seconds


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (60, 30.0)]
)
def test_back_off_doubles_up_to_its_cap(attempt: int, longest: float) -> None:
    waits = [back_off_seconds(attempt, first_s=0.5, longest_s=30) for _ in range(50)]
    assert all(longest / 2 <= wait <= longest for wait in waits)


def test_clients_that_failed_together_come_back_apart() -> None:
    assert len({back_off_seconds(3, first_s=1) for _ in range(20)}) > 1
