"""The command line on a database of its own."""

from pathlib import Path

import pytest

from tests.support.terminal import Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))
    return Shell(tmp_path)
