"""`weft entities` and `weft show`: what is stored, what syncs did to it, and one text."""

from datetime import UTC, datetime
from functools import partial

import click

from weft.backend import Backend
from weft.cli.terminal.completion import complete_connection, complete_job
from weft.cli.terminal.context import App, emit, json_option, pass_app
from weft.cli.terminal.filters import collection_filter, connection_filter, type_filter
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.listing import show_page
from weft.cli.terminal.text import ago, plain
from weft.cli.verbs.content.reading import WINDOW_CHARS, browse_of, read_windows, search_of
from weft.domain.base import Page
from weft.domain.entities import StoredEntity
from weft.domain.reading.browsing import (
    BROWSE_LIMIT_DEFAULT,
    BROWSE_LIMIT_MAX,
    Change,
    ChangeKind,
    ChangeList,
    ChangeQuery,
    EntityList,
    EntityOrder,
    EntityQuery,
    ListedEntity,
    parse_moment,
)
from weft.errors import InvalidInput

ANY = "any"


@click.command(cls=Verb)
@click.argument("path", required=False)
@collection_filter
@connection_filter
@type_filter
@click.option("--since", metavar="TIME", help="Only from then on: 24h, 7d or a date.")
@click.option("--until", metavar="TIME", help="Only before then.")
@click.option("--newest", is_flag=True, help="The newest first, instead of by path.")
@click.option(
    "--changes",
    type=click.Choice([ANY, *(kind.value for kind in ChangeKind)]),
    help="List instead what syncs did that ended in that time.",
)
@click.option(
    "--job", metavar="ID", shell_complete=complete_job, help="List instead what this sync did."
)
@click.option(
    "--limit",
    type=click.IntRange(1, BROWSE_LIMIT_MAX),
    default=BROWSE_LIMIT_DEFAULT,
    show_default=True,
    help="How many at most.",
)
@click.option("--cursor", metavar="CURSOR", help="Continue where next_cursor points.")
@json_option
@pass_app
def entities(
    app: App,
    path: str | None,
    collection: str | None,
    connection: str | None,
    entity_type: str | None,
    since: str | None,
    until: str | None,
    newest: bool,
    changes: str | None,
    job: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List what is stored, by PATH: a prefix, or a pattern with * for any text."""
    now = datetime.now(UTC)
    after, before = parse_moment(since, now, "since"), parse_moment(until, now, "until")
    if changes is None and job is None:
        wanted = EntityQuery(
            readable_collection_id=collection,
            connection=connection,
            path=path,
            entity_type=entity_type,
            since=after,
            until=before,
            order=EntityOrder.NEWEST if newest else EntityOrder.PATH,
            limit=limit,
            cursor=cursor,
        )
        _show_entities(app, app.run(_list_entities, wanted))
        return
    if path or entity_type or newest:
        raise InvalidInput("PATH, --type and --newest do not go with --changes or --job.")
    asked = ChangeQuery(
        readable_collection_id=collection,
        connection=connection,
        job=job,
        kind=ChangeKind(changes) if changes and changes != ANY else None,
        since=after,
        until=before,
        limit=limit,
        cursor=cursor,
    )
    _show_changes(app, app.run(_list_changes, asked))


@click.command(cls=Verb)
@click.argument("entity")
@click.option(
    "--connection",
    metavar="NAME",
    shell_complete=complete_connection,
    help="The connection that synced it.",
)
@json_option
@pass_app
def show(app: App, entity: str, connection: str | None) -> None:
    """Print the stored text of ENTITY: its path, its URL or its id."""
    found = app.run(partial(_read_whole, entity=entity, connection=connection))
    if app.as_json:
        emit(found)
        return
    click.echo(plain(found.text, lines=True))


async def _list_entities(backend: Backend, wanted: EntityQuery) -> EntityList:
    return await browse_of(backend).entities(wanted)


async def _list_changes(backend: Backend, wanted: ChangeQuery) -> ChangeList:
    return await browse_of(backend).changes(wanted)


async def _read_whole(backend: Backend, *, entity: str, connection: str | None) -> StoredEntity:
    search = search_of(backend)
    found = await search.entity(entity, connection=connection, offset=0, max_chars=WINDOW_CHARS)
    text = "".join([part async for part in read_windows(search, found)])
    return found.model_copy(update={"text": text})


def _show_entities(app: App, found: EntityList) -> None:
    if app.as_json:
        emit(found)
        return
    total = sum(found.by_type.values())
    types = ", ".join(f"{plain(name)} {number}" for name, number in found.by_type.items())
    media = "".join(f"; {name} {number}" for name, number in found.by_media_type.items())
    show_page(
        app,
        Page[ListedEntity](items=found.items, next_cursor=found.next_cursor),
        _entity_cells,
        columns=("path", "kind", "text bytes", "updated", "connection"),
        numbers=("text bytes",),
        wide=("path", "connection"),
        none="Nothing fits." if total else "Nothing is stored.",
        footnote=f"Stored in all: {total} ({types}){media}." if total else "",
    )


def _entity_cells(item: ListedEntity) -> tuple[str, ...]:
    return (
        plain(item.source_entity_id),
        item.media_type or plain(item.type),
        str(item.size),
        ago(item.updated_at) if item.updated_at else "",
        plain(item.connection_name),
    )


def _show_changes(app: App, found: ChangeList) -> None:
    if app.as_json:
        emit(found)
        return
    counts = {kind: number for kind, number in found.totals.counts.items() if number}
    unnamed = sum(counts.values()) - found.totals.names
    said = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    left = f" The names of {unnamed} are not kept." if unnamed > 0 else ""
    show_page(
        app,
        Page[Change](items=found.items, next_cursor=found.next_cursor),
        _change_cells,
        columns=("change", "name", "reason", "connection", "sync ended"),
        wide=("name", "reason", "connection"),
        none=f"In all: {said}.{left}" if said else "Nothing changed, was skipped or failed.",
        footnote=f"In all: {said}.{left}",
    )


def _change_cells(item: Change) -> tuple[str, ...]:
    return (
        item.kind.value,
        plain(item.name),
        plain(item.reason or ""),
        plain(item.connection_name),
        ago(item.at) if item.at else "runs",
    )
