"""`weft doctor`: what is installed, what is set, and whether it works."""

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from weft import __version__
from weft.assembly import KEYS_FOLDER_NAME
from weft.cli.context import App, emit, json_option, pass_app
from weft.errors import WeftError
from weft.settings import CONFIG_FILE_NAME, ENV_PREFIX, Settings, origins
from weft.sources.registry import SourceRegistry

EXIT_PROBLEM = 1
OTHERS = 0o077


@dataclass(slots=True)
class Report:
    """Everything that doctor found; ``problems`` are what a person must mend."""

    versions: dict[str, str]
    state: dict[str, str]
    settings: list[dict[str, Any]]
    database: dict[str, Any]
    sources: dict[str, str]
    problems: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])

    def document(self) -> dict[str, Any]:
        """The report as one JSON document."""
        return {
            "ok": not self.problems,
            "problems": self.problems,
            "notes": self.notes,
            "versions": self.versions,
            "state": self.state,
            "settings": self.settings,
            "database": self.database,
            "sources": self.sources,
        }


@click.command()
@json_option
@pass_app
def doctor(app: App) -> None:
    """Show what is installed, each setting and where it came from, and the database's health.

    Changes nothing. The exit code is 1 when something is wrong.
    """
    report = examine(app.load_settings(), app.inspect_database)
    if app.as_json:
        emit(report.document())
    else:
        _print(report)
    raise click.exceptions.Exit(EXIT_PROBLEM if report.problems else 0)


def examine(
    settings: Settings,
    inspect_database: Callable[[Settings], Mapping[str, Any]],
    registry: SourceRegistry | None = None,
) -> Report:
    """Look at everything; what cannot be looked at is a problem of the report, not an error."""
    report = Report(
        versions={
            "weft": __version__,
            "python": platform.python_version(),
            "mcp": version("mcp"),
            "platform": platform.platform(terse=True),
        },
        state={
            "home": str(settings.home),
            "database": str(settings.database_path),
            "config": str(settings.home / CONFIG_FILE_NAME),
            "keys": str(settings.home / KEYS_FOLDER_NAME),
        },
        settings=_settings(settings),
        database={},
        sources={},
    )
    _examine_home(settings, report)
    if settings.api_url is not None:
        # The local engine is not used: its folders, sources and database say nothing.
        report.state["backend"] = settings.api_url
        report.database = {"status": "not used, because WEFT_API_URL is set"}
        return report
    _examine_roots(settings, report)
    _examine_sources(registry or SourceRegistry(), report)
    _examine_database(settings, inspect_database, report)
    return report


def shown_value(value: object) -> str:
    """A setting's value as text; of a secret only whether it is set."""
    if isinstance(value, SecretStr):
        return "(set, not shown)" if value.get_secret_value() else "(empty)"
    if isinstance(value, tuple | frozenset):
        items = sorted(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        return os.pathsep.join(items) if isinstance(value, tuple) else ",".join(items)
    return str(value)


def _settings(settings: Settings) -> list[dict[str, Any]]:
    came_from = origins(settings)
    return [
        {
            "name": f"{ENV_PREFIX}{name}".upper(),
            "value": shown_value(getattr(settings, name)),
            "origin": came_from[name],
        }
        for name in Settings.model_fields
    ]


def _examine_home(settings: Settings, report: Report) -> None:
    home = settings.home
    if not home.exists():
        report.notes.append(f"{home} does not exist yet; the first use creates it.")
    elif home.is_dir() and (exposed := _exposed(home / KEYS_FOLDER_NAME)):
        report.problems.append(f"Other users can read {exposed}: chmod 600 it.")
    elif not (home.is_dir() and os.access(home, os.R_OK | os.W_OK | os.X_OK)):
        report.problems.append(f"{home} is not a folder that this user can write: set WEFT_HOME.")


def _exposed(keys: Path) -> Path | None:
    """A key file that others may read, if there is one."""
    files = keys.iterdir() if keys.is_dir() and os.access(keys, os.R_OK | os.X_OK) else ()
    return next((file for file in files if file.stat().st_mode & OTHERS), None)


def _examine_roots(settings: Settings, report: Report) -> None:
    if not settings.files_roots:
        report.notes.append(
            "WEFT_FILES_ROOTS is not set, so `files` and `git` read no local folder: set it to the "
            "folders that agents may have synced."
        )
    report.problems.extend(
        f"WEFT_FILES_ROOTS names {root}, which is not a folder that this user can read."
        for root in settings.files_roots
        if not (Path(root).is_dir() and os.access(root, os.R_OK | os.X_OK))
    )


def _examine_sources(registry: SourceRegistry, report: Report) -> None:
    for name in registry.names():
        try:
            report.sources[name] = registry.get(name).name
        except Exception as error:  # noqa: BLE001 (an installed source is foreign code: it may raise anything)
            report.sources[name] = "broken"
            crash = f"The source '{name}' cannot be loaded ({type(error).__name__})."
            report.problems.append(str(error) if isinstance(error, WeftError) else crash)


def _examine_database(
    settings: Settings,
    inspect_database: Callable[[Settings], Mapping[str, Any]],
    report: Report,
) -> None:
    try:
        report.database = dict(inspect_database(settings))
    except WeftError as error:
        report.database = {"status": "cannot be read"}
        report.problems.append(f"The database cannot be read: {error}")
        return
    report.problems.extend(report.database.pop("problems", ()))
    if sqlite := report.database.pop("sqlite_version", None):
        report.versions["sqlite"] = sqlite


def _print(report: Report) -> None:
    from weft.cli.output import console, print_record, print_table

    out = console()

    def heading(text: str) -> None:
        out.print(f"\n{text}", style="bold")

    out.print("Installed", style="bold")
    print_record(out, report.versions.items())
    heading("State")
    print_record(out, report.state.items())
    heading("Settings")
    rows = [(s["name"], s["value"] or "-", s["origin"]) for s in report.settings]
    print_table(out, ("setting", "value", "from"), rows, wide=("value",))
    heading("Database")
    print_record(
        out, ((key.replace("_", " "), _fact(value)) for key, value in report.database.items())
    )
    heading("Sources")
    print_record(out, report.sources.items())
    heading("Verdict")
    for note in report.notes:
        out.print(f"note: {note}")
    for problem in report.problems:
        out.print(f"problem: {problem}", style="red")
    if not report.problems:
        out.print("Nothing is wrong.", style="green")


def _fact(value: object) -> str:
    if isinstance(value, Mapping):
        items = value.items()  # pyright: ignore[reportUnknownVariableType]
        return ", ".join(f"{number:,} {word}" for word, number in items)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
