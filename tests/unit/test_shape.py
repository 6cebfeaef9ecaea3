"""No module is longer than a reader takes in; ruff bounds what is in it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE_LINES = 400


@pytest.mark.parametrize("folder", ["bench", "conformance", "scripts", "src", "tests"])
def test_modules_are_short(folder: str) -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert lines, "the folder has modules"
    assert not {name: count for name, count in lines.items() if count > MODULE_LINES}
