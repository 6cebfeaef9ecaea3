"""`weft push`: give a connection its content, from JSON lines or a folder."""

import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Final, Never, cast

import anyio
import click
from pydantic import ValidationError

from weft.backend import Backend, Ingest
from weft.cli.terminal.completion import complete_connection
from weft.cli.terminal.confirm import confirm
from weft.cli.terminal.context import App, json_option, pass_app, say
from weft.cli.terminal.embedding import tell_not_embedded
from weft.cli.terminal.files import open_text
from weft.cli.terminal.follow import conclude
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.text import count, plain
from weft.domain.connections import agree_to_deletions
from weft.domain.entities import Entity
from weft.domain.jobs import Job
from weft.domain.pushing import TITLE_MAX_CHARS, Push, PushedEntity
from weft.errors import InvalidInput, Unsupported, WeftError
from weft.settings import Settings

STDIN: Final = "-"
BATCH_ITEMS: Final = 1_000
BATCH_CHARS: Final = 4_000_000
LINE_MAX_CHARS: Final = 32_000_000

Item = PushedEntity | str
"""An entity, or the id of one that is gone."""


@click.command(cls=Verb)
@click.argument("name", shell_complete=complete_connection)
@click.argument("source", metavar="FILE|FOLDER|-")
@click.option(
    "--replace", is_flag=True, help="This is everything: delete what the connection has besides."
)
@click.option("--delete", "gone", multiple=True, metavar="ID", help="Delete one; may be repeated.")
@click.option(
    "--apply-deletions", is_flag=True, help="With --replace: make the deletions that it held."
)
@click.option("--yes", is_flag=True, help="Do not ask before that.")
@json_option
@pass_app
def push(
    app: App,
    name: str,
    source: str,
    replace: bool,
    gone: tuple[str, ...],
    apply_deletions: bool,
    yes: bool,
) -> None:
    """Push content to the connection NAME, which is of the source `ingest`.

    FILE (or standard input, -) has one JSON object a line: id, title, text, and perhaps type, url,
    updated_at, metadata, breadcrumbs; {"delete": "ID"} deletes one. Of a FOLDER each file with text
    is an entity, as the source `files` reads it. What is there already stays as it is; the same
    push twice changes nothing.
    """
    if apply_deletions:
        if not replace:
            raise click.UsageError("--apply-deletions goes with --replace.")
        _confirm_deletions(app, name, yes)
    settings = app.load_settings()

    async def work(backend: Backend, content: AsyncGenerator[Item]) -> Job:
        async with aclosing(content):
            job = await _push(backend, name, content, replace, apply_deletions)
        await tell_not_embedded(backend, job.source_connection_id)
        return job

    folder = Path(source)
    if source != STDIN and folder.is_dir():
        content = _read_folder(settings, folder.absolute(), gone, strict=replace)
        conclude(app, app.run(work, content))
    with sys.stdin if source == STDIN else open_text(source) as file:
        conclude(app, app.run(work, _read_file(file, gone)))


def _confirm_deletions(app: App, name: str, yes: bool) -> None:
    found = app.run(lambda backend: backend.connections.get(name))
    total = count(agree_to_deletions(found), "entity", "entities")
    confirm(
        app,
        f"Deletes {total} of {found.entities.total_entities:,} of '{found.name}' that the last push"
        " did not name; what this one names stays. There is no undo.",
        yes=yes,
    )


async def _push(
    backend: Backend, name: str, items: AsyncIterator[Item], replace: bool, apply: bool
) -> Job:
    """Push all in as many batches as it takes; what fails on the way ends the push."""
    ingest = _ingest_of(backend)
    connection = await backend.connections.get(name)
    job: Job | None = None
    try:
        async with aclosing(_batches(items)) as batches:
            async for batch, more in batches:
                made = Push(
                    entities=tuple(item for item in batch if isinstance(item, PushedEntity)),
                    delete=tuple(item for item in batch if isinstance(item, str)),
                    replace=replace and job is None,
                    more=more,
                    job_id=job and job.id,
                )
                first = apply and job is None
                job = await ingest.push(connection.id, made, apply_deletions=first)
    except BaseException:
        if job is not None:
            say("Not all was pushed. What was stays, and nothing was deleted.")
            with anyio.CancelScope(shield=True), suppress(WeftError):
                await backend.jobs.cancel(job.id)
        raise
    return cast("Job", job)


def _ingest_of(backend: Backend) -> Ingest:
    if backend.ingest is None:
        raise Unsupported(
            "The API in WEFT_API_URL takes nothing that is pushed.",
            hint="Unset WEFT_API_URL to push to this machine's own database; to push to another "
            "Weft, send it to POST /source-connections/{id}/entities there.",
        )
    return backend.ingest


async def _batches(items: AsyncIterator[Item]) -> AsyncGenerator[tuple[list[Item], bool]]:
    """Yield batches, each with whether another one follows; one that is empty if there is none."""
    batch: list[Item] = []
    chars = 0
    async for item in items:
        if len(batch) >= BATCH_ITEMS or chars >= BATCH_CHARS:
            yield batch, True
            batch, chars = [], 0
        batch.append(item)
        chars += len(item.text) if isinstance(item, PushedEntity) else 0
    yield batch, False


async def _read_file(file: IO[str], gone: Iterable[str]) -> AsyncGenerator[Item]:
    for item in chain(gone, _read_lines(file)):
        yield item


def _read_lines(file: IO[str]) -> Iterable[Item]:
    number = 0
    try:
        while line := file.readline(LINE_MAX_CHARS):
            number += 1
            if len(line) == LINE_MAX_CHARS:
                _refuse(number, f"it is longer than {LINE_MAX_CHARS:,} characters")
            # Programs on Windows begin a file so.
            if line := line.strip().removeprefix("\ufeff"):
                yield _parse(line, number)
    except UnicodeDecodeError:
        _refuse(number + 1, "it is not UTF-8")


def _parse(line: str, number: int) -> Item:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        _refuse(number, "it is not JSON")
    if isinstance(value, dict) and list(cast("dict[str, object]", value)) == ["delete"]:
        gone = cast("dict[str, object]", value)["delete"]
        if isinstance(gone, str):
            return gone
        _refuse(number, "delete is not an id")
    try:
        return PushedEntity.model_validate(value)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the line"
        _refuse(number, f"{place}: {problem['msg']}")


def _refuse(number: int, problem: str) -> Never:
    raise InvalidInput(f"Line {number}: {plain(problem)}.", field="FILE")


async def _read_folder(
    settings: Settings, folder: Path, gone: Iterable[str], *, strict: bool
) -> AsyncGenerator[Item]:
    """Yield what the folder has; ``strict``: raise WeftError if something cannot be read."""
    for each in gone:
        yield each
    # Only this needs the sources.
    from weft.sources.base import Failed, Incomplete, NoFields, Skipped, SourceContext
    from weft.sources.files.config import FilesConfig
    from weft.sources.files.source import FilesSource

    context = SourceContext(http=_no_network, files_roots=(folder,), private_paths=(settings.home,))
    source = FilesSource(FilesConfig(path=str(folder)), NoFields(), context)
    async with aclosing(source.fetch(None)) as events:
        async for event in events:
            if isinstance(event, Entity):
                yield _to_pushed(event)
            elif isinstance(event, Skipped | Failed):
                say(plain(f"Left out {event.id}: {event.reason}"))
            if isinstance(event, Failed | Incomplete) and strict:
                raise WeftError(
                    f"The folder could not be read whole: {plain(event.reason)}",
                    hint="Without --replace what can be read is pushed.",
                )


def _to_pushed(entity: Entity) -> PushedEntity:
    return PushedEntity(
        id=entity.id,
        title=entity.title[:TITLE_MAX_CHARS],
        text=entity.text,
        type=entity.type,
        url=entity.url,
        updated_at=entity.updated_at,
        metadata=entity.metadata,
        breadcrumbs=entity.breadcrumbs,
    )


def _no_network(**_: object) -> Never:
    raise Unsupported("A folder is read without a network.")
