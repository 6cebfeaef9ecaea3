"""The command line over a backend in memory, as people and pipes run it."""

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
