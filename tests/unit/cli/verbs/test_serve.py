"""`weft serve`: the arguments that it refuses or takes."""

from pathlib import Path

import pytest

from tests.support.terminal import Terminal
from weft.settings import Settings


@pytest.fixture
def server_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """Record the settings of each server that is started; none really serves."""
    started: list[Settings] = []

    async def serve(settings: Settings) -> None:
        started.append(settings)

    monkeypatch.setattr("weft.assembly.serve.serve_stdio", serve)
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return started


@pytest.mark.parametrize("folder", ["gone", "file", ""])
def test_folder_that_is_not_there_is_refused(
    terminal: Terminal, server_settings: list[Settings], tmp_path: Path, folder: str
) -> None:
    (tmp_path / "file").touch()
    result = terminal.run("serve", str(tmp_path), str(tmp_path / folder) if folder else "")
    assert result.exit_code == 2
    assert "FOLDER number" in result.stderr
    assert "is not a folder" in result.stderr
    assert str(tmp_path) not in result.output
    assert server_settings == []


def test_folders_that_are_there_replace_the_configured_ones(
    terminal: Terminal,
    server_settings: list[Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv("WEFT_FILES_ROOTS", str(tmp_path / "gone"))
    assert terminal.run("serve", "~/notes").exit_code == 0
    assert terminal.run("serve").exit_code == 0
    assert [settings.files_roots for settings in server_settings] == [
        (tmp_path / "notes",),
        (tmp_path / "gone",),
    ]


@pytest.mark.parametrize(
    "more", [[], ["--trusted-proxy", "10.0.0.1", "--allowed-host", "a.example"]]
)
def test_address_that_cannot_be_served_is_not_repeated(
    terminal: Terminal, server_settings: list[Settings], more: list[str]
) -> None:
    for host in ("s3cr3t canary", "s3cr3t-canary" * 20):
        result = terminal.run("serve", "--http", "--host", host, *more)
        assert result.exit_code == 2
        assert "WEFT_HTTP_HOST" in result.stderr
        assert "canary" not in result.output
