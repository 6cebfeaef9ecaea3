"""The repository that the tests of local repositories fill."""

from pathlib import Path

import pytest

from tests.support.sources.git_repos import RawRepository


@pytest.fixture
def repository(tmp_path: Path) -> RawRepository:
    return RawRepository(tmp_path / "allowed/repo")
