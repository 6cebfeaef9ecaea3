"""Names are completed in the shell, without errors, requests or a new database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.shell_completion import CompletionItem, ShellComplete

from tests.support.cli import FakeBackend, make_connection, make_job
from weft.backend import Backend
from weft.cli.app import cli
from weft.cli.terminal.context import App
from weft.settings import Settings

ID = "0a1b2c3d-0000-4000-8000-000000000000"


class Shell:
    """Presses the key that completes, where there is a database."""

    def __init__(self, home: Path) -> None:
        self.backend = FakeBackend()
        self.settings = Settings(home=home)
        self.settings.database_path.touch()
        self.backend.known = {
            "one": make_connection(id="con-1", name="notes"),
            "two": make_connection(id=ID, name="Notes\x1b[31m of Ada"),
        }
        self.opened = 0

    def complete(self, *words: str) -> list[CompletionItem]:
        @asynccontextmanager
        async def open_backend(_: Settings, /, *, run_jobs: bool) -> AsyncGenerator[Backend]:
            assert not run_jobs
            self.opened += 1
            yield self.backend

        app = App(open_backend=open_backend, load_settings=lambda: self.settings)
        shell = ShellComplete(cli, {"obj": app}, "weft", "_WEFT_COMPLETE")
        return shell.get_completions(list(words[:-1]), words[-1])


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize("words", [("sync", "no"), ("search", "docs", "x", "--connection", "NO")])
def test_connections_are_completed_by_name(shell: Shell, words: tuple[str, ...]) -> None:
    found = shell.complete(*words)
    # A name that the shell would split, or that steers the terminal, is completed to its id.
    assert [item.value for item in found] == ["notes", ID]
    assert found[1].help == "Notes [31m of Ada, notes"


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (("search", "do"), ["docs"]),
        (("export", "--collection", ""), ["docs"]),
        (("sources", "fil"), ["files"]),
        (("connections", "create", "fi"), ["files"]),
        (("jobs", "show", "job"), ["job-1"]),
        (("sync", "zzz"), []),
        (("connections", "cr"), ["create"]),
        (("connections", "--source", "gith"), ["github"]),
    ],
)
def test_other_names_are_completed(shell: Shell, words: tuple[str, ...], values: list[str]) -> None:
    shell.backend.script = [make_job()]
    assert [item.value for item in shell.complete(*words)] == values


def test_no_database_is_made_and_no_api_is_asked(shell: Shell) -> None:
    home = shell.settings.home
    shell.settings = Settings(home=home, api_url="https://api.example", api_key="key")  # pyright: ignore[reportArgumentType]
    assert shell.complete("sync", "") == []
    shell.settings = Settings(home=home / "new")
    assert shell.complete("sync", "") == []
    assert shell.opened == 0


def test_trouble_completes_nothing(shell: Shell) -> None:
    shell.backend.connections = None  # pyright: ignore[reportAttributeAccessIssue]
    assert shell.complete("sync", "") == []
