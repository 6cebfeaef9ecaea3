"""`weft export`: everything that is stored, as JSON lines."""

import json
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, BinaryIO, Final

import click

from weft.backend import Backend, Browse
from weft.cli.terminal.context import App, json_option, pass_app, say, show
from weft.cli.terminal.files import find_target, replacing
from weft.cli.terminal.filters import collection_filter, connection_filter, type_filter
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.text import count, plain
from weft.cli.verbs.content.reading import WINDOW_CHARS, browse_of, read_windows, search_of
from weft.domain.base import Frozen
from weft.domain.entities import StoredEntity
from weft.domain.reading.browsing import BROWSE_LIMIT_MAX, EntityQuery, ListedEntity
from weft.errors import NotFound

STDOUT: Final = "-"
WINDOW_FIELDS: Final = {"text", "offset", "total_chars"}


class Exported(Frozen):
    """What was written; ``removed`` are entities that a sync removed meanwhile."""

    entities: int
    removed: int = 0
    file: str | None = None


@click.command(cls=Verb)
@collection_filter
@connection_filter
@type_filter
@click.option(
    "-o", "--output", metavar="FILE", default=STDOUT, help="Write to FILE, not standard output."
)
@json_option
@pass_app
def export(
    app: App,
    collection: str | None,
    connection: str | None,
    entity_type: str | None,
    output: str,
) -> None:
    """Write the text and metadata of what is stored, as JSON lines: one entity a line.

    Without options everything is exported, but perhaps not what a sync adds meanwhile. FILE
    appears, readable by you alone, only when the export is complete, and replaces one of that name.
    Of an export to standard output, the exit code 0 says that it is complete.
    """
    wanted = EntityQuery(
        readable_collection_id=collection,
        connection=connection,
        entity_type=entity_type,
        limit=BROWSE_LIMIT_MAX,
    )
    if output == STDOUT:
        done = _run(app, wanted, sys.stdout.buffer, ascii_only=sys.stdout.isatty())
        say(_describe(done))
        return
    target = find_target(output)
    with replacing(target) as file:
        done = _run(app, wanted, file)
    done = done.model_copy(update={"file": str(target)})
    show(app, done, f"{_describe(done)} File: {plain(output)}")


def _run(app: App, wanted: EntityQuery, file: BinaryIO, *, ascii_only: bool = False) -> Exported:
    """Write all entities that fit. Raises OSError when ``file`` does not take them."""
    failures: list[OSError] = []

    def write(part: str) -> None:
        try:
            file.write(part.encode())
        except OSError as error:
            # Task groups would wrap it, and click knows what to do with a closed pipe.
            failures.append(error)
            raise

    dump = partial(json.dumps, ensure_ascii=ascii_only)
    try:
        done = app.run(partial(_export, wanted=wanted, write=write, dump=dump))
        file.flush()
    except Exception:
        if failures:
            raise failures[0] from None
        raise
    return done


async def _export(
    backend: Backend, *, wanted: EntityQuery, write: Callable[[str], None], dump: Callable[..., str]
) -> Exported:
    written = removed = 0
    browse, search = browse_of(backend), search_of(backend)
    async for item in _walk(browse, wanted):
        try:
            first = await search.entity(item.id, offset=0, max_chars=WINDOW_CHARS)
        except NotFound:
            removed += 1
            continue
        write(_open_line(first, item, dump))
        async with aclosing(read_windows(search, first)) as windows:
            async for text in windows:
                write(dump(text)[1:-1])
        write('"}\n')
        written += 1
    return Exported(entities=written, removed=removed)


async def _walk(browse: Browse, wanted: EntityQuery) -> AsyncGenerator[ListedEntity]:
    """List all entities, a page at a time."""
    while True:
        page = await browse.entities(wanted)
        for item in page.items:
            yield item
        if page.next_cursor is None:
            return
        wanted = wanted.model_copy(update={"cursor": page.next_cursor})


def _open_line(entity: StoredEntity, item: ListedEntity, dump: Callable[..., str]) -> str:
    """Return the line up to the beginning of the text, which comes last for that reason."""
    facts: dict[str, Any] = entity.model_dump(mode="json", exclude=WINDOW_FIELDS)
    return dump(facts | {"media_type": item.media_type})[:-1] + ', "text": "'


def _describe(done: Exported) -> str:
    gone = f" A sync removed {done.removed:,} more meanwhile." if done.removed else ""
    return f"Exported {count(done.entities, 'entity', 'entities')}.{gone}"
