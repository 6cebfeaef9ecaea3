"""Fixtures of the command line's tests."""

import sys
from pathlib import Path

import pytest

# Pytest's import mode leaves this folder off the path, and the fakes are shared by its tests.
sys.path.insert(0, str(Path(__file__).parent))

from cli_fakes import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(home=tmp_path)
