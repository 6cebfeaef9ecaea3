"""Names: the suggestion for a misspelt one."""

import pytest

from weft.domain.text.names import suggest

KNOWN = ("connections", "collections", "jobs")


@pytest.mark.parametrize(
    ("name", "nearest"), [("conections", "connections"), ("colections", "collections"), ("x", None)]
)
def test_misspelt_name_is_answered_with_the_nearest_known_one(
    name: str, nearest: str | None
) -> None:
    assert suggest(name, KNOWN) == nearest


def test_cutoff_decides_how_near_is_near_enough() -> None:
    assert suggest("job", KNOWN, cutoff=0.9) is None
    assert suggest("job", KNOWN, cutoff=0.5) == "jobs"
