"""The bundle of `weft doctor --bundle`: what a bug report needs, without what is private.

What may be in it is listed, rather than what may not: numbers, words of a fixed set, and texts of
Weft's own from which names, addresses and paths are removed. The texts of sources that are not
Weft's own are left out, because nobody knows what they quote.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, get_origin

from weft.backend import Backend
from weft.cli.terminal.context import App
from weft.domain.base import Page
from weft.domain.connections import Connection
from weft.domain.jobs import Job, LogLine
from weft.domain.reading.browsing import BROWSE_LIMIT_MAX, ChangeQuery
from weft.errors import WeftError
from weft.settings import Settings
from weft.settings.faults import ENV_PREFIX
from weft.sources.registry import built_in_names

JOBS_MAX: Final = 20
LOG_LINES: Final = 50
CONNECTIONS_MAX: Final = 100
KNOWN_MIN_CHARS: Final = 3
PACKAGE: Final = "weft-mcp"
README: Final = """What `weft doctor --bundle` says about this Weft, for a bug report.

In it: versions, the names of settings (values only of numbers, switches and fixed choices), what
doctor found, counts, and the newest syncs with their errors and logs.
Not in it: secrets, texts of documents, addresses, and paths; names only with --with-names.
Look through it before you send it.
"""
_ADDRESS: Final = re.compile(r"\b[\w.+-]+://\S+|\S+@\S+|\b(?:\d{1,3}\.){3}\d{1,3}\b(?::\d+)?")
_PATH: Final = re.compile(r"(?<![\w.])(?:~|[A-Za-z]:\\|\.{0,2}/)(?:[^:;,'\"()\n.]|\.(?!\s|$))*")
"""From its beginning to the next mark of a sentence: folders may have blanks in their names."""
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_DOTTED: Final = re.compile(r"\b[\w-]+(?:[./:][\w-]+)+\b")
"""Names of files and of hosts."""
_LONG: Final = re.compile(r"\S{24,}")
_OF_ENTITY: Final = re.compile(r"(Skipped|Failed) .*: ", re.DOTALL)
"""The name is all up to the last colon: it may have colons itself."""


@dataclass(slots=True)
class Cleaner:
    """Removes from texts what may be private; ``known`` are texts that are."""

    known: set[str] = field(default_factory=set[str])
    with_names: bool = False

    def clean(self, text: str) -> str:
        """Return the text without what is known, without paths and without addresses."""
        for each in sorted(self.known, key=len, reverse=True):
            text = text.replace(each, "<private>")
        text = _PATH.sub("<path>", _ADDRESS.sub("<address>", text))
        if self.with_names:
            return text
        return _LONG.sub("<long>", _DOTTED.sub("<name>", _QUOTED.sub("<name>", text)))

    def clean_log(self, message: str) -> str:
        """Return a line of a job's log, without the name of the entity that it is about."""
        return self.clean(message if self.with_names else _OF_ENTITY.sub(r"\1 <name>: ", message))

    def learn(self, texts: Iterable[object]) -> None:
        """Take texts as private."""
        self.known.update(text for text in map(str, texts) if len(text) >= KNOWN_MIN_CHARS)


def write_bundle(file: BinaryIO, parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a ZIP file of JSON documents and what they are."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("README.txt", README)
        for name, part in parts.items():
            bundle.writestr(f"{name}.json", json.dumps(part, indent=2))


def build_parts(
    app: App, report: Mapping[str, Any], *, with_names: bool
) -> dict[str, Mapping[str, Any]]:
    """Return the documents of the bundle from what doctor found."""
    settings = app.load_settings()
    cleaner = _make_cleaner(settings, with_names=with_names)
    own = built_in_names() if settings.api_url is None else frozenset[str]()
    doctor = {
        "ok": report["ok"],
        "problems": [cleaner.clean(text) for text in report["problems"]],
        "notes": [cleaner.clean(text) for text in report["notes"]],
        "versions": report["versions"],
        "packages": _list_versions(),
        "database": {k: v for k, v in report["database"].items() if isinstance(v, bool | int)},
        "sources": {name: name in own or "not of Weft" for name in report["sources"]},
        "settings": _describe_settings(settings, report["settings"]),
        "meaning": {name: cleaner.clean(text) for name, text in report["meaning"].items()},
        "api": {name: cleaner.clean(text) for name, text in report["api"].items()},
    }
    jobs: Mapping[str, Any] = {}
    if settings.api_url is not None or report["database"].get("exists"):
        try:
            jobs = app.run(partial(_collect_jobs, cleaner=cleaner, own_sources=own))
        except WeftError as error:
            jobs = {"error": type(error).__name__}
    return {"doctor": doctor, "jobs": jobs}


def _make_cleaner(settings: Settings, *, with_names: bool) -> Cleaner:
    """Make what knows the paths and texts of the settings, and this user's home."""
    cleaner = Cleaner(with_names=with_names)
    values = [getattr(settings, name) for name in Settings.model_fields if not _is_fixed(name)]
    cleaner.learn([Path.home(), *_list_texts(values)])
    return cleaner


def _describe_settings(settings: Settings, found: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return each setting with its origin; the value only if it cannot be private."""
    return [
        {
            "name": each["name"],
            "origin": each["origin"],
            "value": _show(settings, str(each["name"]).removeprefix(ENV_PREFIX).lower()),
        }
        for each in found
    ]


def _list_versions() -> dict[str, str]:
    """Return the versions of the packages that Weft needs."""
    found: dict[str, str] = {}
    for line in requires(PACKAGE) or ():
        if "extra ==" in line:
            continue
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


async def _collect_jobs(
    backend: Backend, *, cleaner: Cleaner, own_sources: frozenset[str]
) -> dict[str, Any]:
    """Return the connections and the newest jobs with their logs, without what is private.

    The texts of jobs of ``own_sources`` are Weft's own.
    """
    connections = await backend.connections.list(limit=CONNECTIONS_MAX)
    collections = await backend.collections.list(limit=CONNECTIONS_MAX)
    jobs: Page[Job] = await backend.jobs.list(limit=JOBS_MAX)
    if not cleaner.with_names:
        for item in connections.items:
            cleaner.learn([item.name, item.description or "", item.readable_collection_id])
        cleaner.learn(text for item in collections.items for text in (item.name, item.readable_id))
    cleaner.learn(text for item in connections.items for text in _list_texts(item.config))
    sources = {item.id: item.short_name for item in connections.items}
    told: list[dict[str, Any]] = []
    for job in jobs.items:
        own = sources.get(job.source_connection_id) in own_sources
        lines = await backend.jobs.log(job.id, limit=LOG_LINES) if own else ()
        if own and not cleaner.with_names:
            cleaner.learn(await _list_names(backend, job))
        told.append(_describe_job(job, lines, cleaner, own=own))
    describe = partial(_describe_connection, with_names=cleaner.with_names)
    return {"connections": [describe(item) for item in connections.items], "jobs": told}


async def _list_names(backend: Backend, job: Job) -> list[str]:
    """Return names of entities that the log may be about."""
    if backend.browse is None:
        return []
    try:
        found = await backend.browse.changes(ChangeQuery(job=job.id, limit=BROWSE_LIMIT_MAX))
    except WeftError:
        return []
    return [text for item in found.items for text in (item.name, item.title or "")]


def _describe_connection(item: Connection, *, with_names: bool) -> dict[str, Any]:
    named = {"name": item.name, "collection": item.readable_collection_id} if with_names else {}
    return named | {
        "id": item.id,
        "source": item.short_name,
        "status": item.status,
        "authentication": item.auth.method,
        "authenticated": item.auth.authenticated,
        "entities": item.entities.total_entities,
        "schedule": item.schedule is not None and (item.schedule.cron or "continuous"),
        "runs": item.sync.total_runs,
        "failed_runs": item.sync.failed_runs,
    }


def _describe_job(
    job: Job, lines: Sequence[LogLine], cleaner: Cleaner, *, own: bool
) -> dict[str, Any]:
    private = {"connection_name", "error", "error_details"}
    texts = (job.error, job.error_details) if own else ()
    return job.model_dump(mode="json", exclude=private) | {
        "errors": [cleaner.clean(text) for text in texts if text],
        "log": [
            {
                "at": line.at.isoformat(),
                "level": line.level,
                "message": cleaner.clean_log(line.message),
            }
            for line in lines
        ],
    }


def _is_fixed(name: str) -> bool:
    """Return whether a setting is one of a few words."""
    return get_origin(Settings.model_fields[name].annotation) is Literal


def _show(settings: Settings, name: str) -> object:
    value = getattr(settings, name)
    if value is None or isinstance(value, bool | int | float) or _is_fixed(name):
        return value
    return "(set, not shown)" if value else "(empty)"


def _list_texts(value: object) -> list[str]:
    """Return the texts within a value of JSON or of the settings, and its paths."""
    if isinstance(value, str | Path):
        return [str(value)]
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _list_texts(each)]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, list | tuple | frozenset):
        return [text for each in value for text in _list_texts(each)]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return []
