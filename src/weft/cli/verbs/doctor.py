"""`weft doctor`: a report on the installation, the settings and the database."""

import os
import platform
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click
from pydantic import SecretStr

from weft import __version__
from weft.cli.terminal.context import App, TriedModels, emit, json_option, pass_app, show
from weft.cli.terminal.files import find_target, replacing
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.text import count, plain
from weft.cli.verbs.bundle import build_parts, write_bundle
from weft.cli.verbs.doctor_embedding import STANDSTILL, describe_waiting
from weft.domain.reading.ways import ENDPOINT
from weft.errors import InvalidInput, WeftError
from weft.local.from_settings import KEYS_FOLDER_NAME, tell_exposed_state
from weft.settings import CONFIG_FILE_NAME, Settings, origins
from weft.settings.faults import ENV_PREFIX
from weft.sources.registry import SourceRegistry
from weft.web.gate.operator_token import TOKEN_FILE_NAME

EXIT_PROBLEM: Final = 1
FREE_MIN_BYTES: Final = 10 << 20
OTHERS: Final = 0o077
_TO_DOCTOR = re.compile(r"\b(?:Run|Look with) `weft doctor`[;.] (\w)")


@dataclass(slots=True, kw_only=True)
class Report:
    """Everything that doctor found; a person must fix the ``problems``."""

    problems: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    versions: dict[str, str]
    state: dict[str, str]
    settings: list[dict[str, Any]]
    database: dict[str, Any]
    sources: dict[str, str]
    api: dict[str, str] = field(default_factory=dict[str, str])
    meaning: dict[str, str] = field(default_factory=dict[str, str])

    def document(self) -> dict[str, Any]:
        """Return the report as one JSON document."""
        return {"ok": not self.problems} | asdict(self)


@click.command(cls=Verb)
@click.option("--bundle", metavar="FILE", help="Write a ZIP file for a bug report instead.")
@click.option("--with-names", is_flag=True, help="Leave names of documents in the bundle.")
@json_option
@pass_app
def doctor(app: App, bundle: str | None, with_names: bool) -> None:
    """Show what is installed, each setting and where it came from, and the database's health.

    Changes nothing. The exit code is 1 when something is wrong. A bundle also has counts and the
    newest syncs with errors and logs, but no secrets, texts, addresses or paths.
    """
    if with_names and bundle is None:
        raise InvalidInput("--with-names is of --bundle.", field="with_names")
    target = find_target(bundle) if bundle is not None else None
    settings = app.load_settings()
    report = examine(settings, app.inspect_database, app.inspect_api)
    examine_meaning(settings, app.try_models, report)
    if target is not None:
        parts = build_parts(app, report.document(), with_names=with_names)
        with replacing(target) as file:
            write_bundle(file, parts)
        text = f"Wrote {plain(str(target))}. Look through it before you send it."
        show(app, {"file": str(target), "parts": list(parts)}, text)
        return
    if app.as_json:
        emit(report.document())
    else:
        _print(report)
    raise click.exceptions.Exit(EXIT_PROBLEM if report.problems else 0)


def examine(
    settings: Settings,
    inspect_database: Callable[[Settings], Mapping[str, Any]],
    inspect_api: Callable[[Settings], Mapping[str, str]],
    registry: SourceRegistry | None = None,
) -> Report:
    """Examine everything; report a part that cannot be examined as a problem, not an error."""
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
    if settings.api_url is not None:
        # The local engine is not used, so its folders, sources and database do not matter.
        report.state["backend"] = settings.api_url
        report.database = {"status": "not used, because WEFT_API_URL is set"}
        try:
            report.api = dict(inspect_api(settings))
        except WeftError as error:
            report.problems.append(f"The API in WEFT_API_URL does not serve: {error}")
    else:
        _examine_roots(settings, report)
        _examine_sources(registry or SourceRegistry(), report)
        _examine_database(settings, inspect_database, report)
    _examine_home(settings, report)
    report.problems.extend(tell_exposed_state(settings))
    _examine_files(settings, report)
    return report


def examine_meaning(
    settings: Settings,
    try_models: Callable[[Settings, Sequence[str]], TriedModels],
    report: Report,
) -> None:
    """Examine by what collections are searched by meaning, and whether that works here."""
    ways: Sequence[Mapping[str, Any]] = report.database.pop("ways", ())
    tried, reranker = try_models(settings, [each["way"] for each in ways])
    for each in ways:
        way, model = each["way"], each["model"]
        report.meaning[way] = (
            f"{count(each['collections'], 'collection')}, {each['embedded']:,} of "
            f"{count(each['total'], 'entity', 'entities')} embedded"
            f"{f' by {model}' if model else ''}"
        )
        if problem := tried[way].problem:
            report.problems.append(
                f"Collections that are embedded by '{way}' are found by words alone here: {problem}"
            )
        elif model not in (None, tried[way].model):
            report.notes.append(
                f"What {model} embedded is embedded anew by {tried[way].model}; until then it is "
                "found by words."
            )
    if waiting := describe_waiting(settings, ways):
        report.meaning["the others"] = waiting
        why = waiting.removeprefix(STANDSTILL)
        if why != waiting and not any(why in each for each in report.problems):
            report.problems.append(f"Not all is embedded, and it stands still: {why}")
    if settings.embeddings_url is not None and ENDPOINT not in report.meaning:
        report.notes.append(
            "WEFT_EMBEDDINGS_URL is set, and no collection is embedded by it: `weft collections "
            "embed NAME --by endpoint`."
        )
    if reranker is not None:
        report.meaning["reranked by"] = reranker.model or "nothing"
        if reranker.problem:
            report.problems.append(f"The best hits are not ordered anew: {reranker.problem}")


def format_value(value: object) -> str:
    """Format a setting's value; of a secret, show only whether it is set."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return "(set, not shown)" if value.get_secret_value() else "(empty)"
    if isinstance(value, Mapping):
        return ",".join(sorted(str(name) for name in value))  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, tuple | frozenset):
        items = sorted(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        return os.pathsep.join(items) if isinstance(value, tuple) else ",".join(items)
    return str(value)


def _settings(settings: Settings) -> list[dict[str, Any]]:
    came_from = origins(settings)
    return [
        {
            "name": f"{ENV_PREFIX}{name}".upper(),
            "value": format_value(getattr(settings, name)),
            "origin": came_from[name],
        }
        for name in Settings.model_fields
    ]


def _examine_home(settings: Settings, report: Report) -> None:
    home = settings.home
    there = next(folder for folder in (home, *home.parents) if os.path.lexists(folder))
    if report.database.get("read_only"):
        report.notes.append(
            "The database is read-only here: it can be read and searched, but not changed, and no"
            " sync runs."
        )
        return
    if not (there.is_dir() and os.access(there, os.R_OK | os.W_OK | os.X_OK)):
        cannot = "" if there == home else f"{home} cannot be made: "
        report.problems.append(
            f"{cannot}{there} is not a folder that this user can write: set WEFT_HOME."
        )
        return
    if there != home:
        report.notes.append(f"{home} does not exist yet; the first use creates it.")
    if shutil.disk_usage(there).free < FREE_MIN_BYTES:
        report.problems.append(f"The disk of {there} is full: free some space.")


def _examine_files(settings: Settings, report: Report) -> None:
    """Find secrets that other users can read, and certificates that this user cannot."""
    for file in _secret_files(settings.home):
        # The examination of the database has already reported the key that it needs.
        if file.stat().st_mode & OTHERS and not any(str(file) in told for told in report.problems):
            report.problems.append(f"Other users can read {file}: chmod 600 it.")
    report.problems.extend(
        f"WEFT_{name.upper()} names {file}, which is not a file that this user can read."
        for name in ("http_tls_cert", "http_tls_key")
        if (file := getattr(settings, name)) is not None
        and not (file.is_file() and os.access(file, os.R_OK))
    )


def _secret_files(home: Path) -> list[Path]:
    keys = home / KEYS_FOLDER_NAME
    candidates = [home / TOKEN_FILE_NAME] if _is_open(home) else []
    candidates += keys.iterdir() if _is_open(keys) else ()
    # An empty file, such as the lock of a rotation, holds no secret.
    return [file for file in sorted(candidates) if file.is_file() and file.stat().st_size]


def _is_open(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()


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
        report.problems.append(f"The database cannot be read: {_without_advice(str(error))}")
        return
    report.problems.extend(map(_without_advice, report.database.pop("problems", ())))
    if sqlite := report.database.pop("sqlite_version", None):
        report.versions["sqlite"] = sqlite


def _without_advice(problem: str) -> str:
    """Remove the advice to run `weft doctor`, since the person just did."""
    return _TO_DOCTOR.sub(lambda rest: rest[1].upper(), problem)


def _print(report: Report) -> None:
    from weft.cli.terminal.tables import console, print_record, print_table

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
    if report.api:
        heading("Plan at the API")
        print_record(out, report.api.items())
    if report.meaning:
        heading("Search by meaning")
        print_record(out, report.meaning.items())
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
