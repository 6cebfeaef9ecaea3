"""The command line in this process, as people and pipes run it."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner, Result

from tests.support.cli import FakeBackend
from weft.backend import Backend
from weft.cli.app import cli
from weft.cli.terminal.context import App
from weft.settings import Settings


@dataclass(frozen=True)
class Shell:
    """Runs the command line on a real database, with standard input that is no terminal."""

    home: Path

    def run(self, *arguments: str, stdin: str = "") -> Result:
        """Run a command with ``stdin`` piped in; WEFT_HOME names the database's folder."""
        app = App(shows_people=lambda: True, can_ask=lambda: False)
        return CliRunner().invoke(cli, arguments, obj=app, input=stdin, prog_name="weft")

    def list_items(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command that lists; return its items as JSON has them."""
        found: list[dict[str, Any]] = json.loads(self.run(*arguments, "--json").stdout)["items"]
        return found


@dataclass
class Terminal:
    """Runs the command line against a FakeBackend, for people or for a pipe."""

    home: Path
    backend: FakeBackend = field(default_factory=FakeBackend)
    people: bool = True
    ran_jobs: bool | None = None
    database: dict[str, Any] = field(default_factory=dict[str, Any])

    def run(self, *args: str, typed: str | None = None) -> Result:
        """Run a command as a person does who answers questions with ``typed``."""

        @asynccontextmanager
        async def open_backend(
            _settings: Settings, /, *, run_jobs: bool
        ) -> AsyncGenerator[Backend]:
            self.ran_jobs = run_jobs
            yield self.backend

        app = App(
            open_backend=open_backend,
            inspect_database=lambda _settings: self.database,
            inspect_api=lambda _settings: {"plan": "pro, active", "queries": "1 used, 500 allowed"},
            load_settings=lambda: Settings(home=self.home),
            shows_people=lambda: self.people,
            can_ask=lambda: typed is not None,
        )
        command: click.Group = cli
        return CliRunner().invoke(command, args, obj=app, input=typed, prog_name="weft")
