"""`weft search`: find what was synced."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from weft.backend import Backend
from weft.cli.terminal.completion import complete_collection
from weft.cli.terminal.context import App, emit, json_option, pass_app
from weft.cli.terminal.filters import connection_filter, type_filter
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.text import plain
from weft.domain.reading.browsing import parse_moment
from weft.domain.reading.search import (
    SEARCH_LIMIT_MAX,
    SearchHit,
    SearchMode,
    SearchQuery,
    SearchResults,
)
from weft.domain.text.highlights import find_highlights
from weft.errors import Unsupported

if TYPE_CHECKING:
    from rich.text import Text


@click.command(cls=Verb)
@click.argument("collection", shell_complete=complete_collection)
@click.argument("query", nargs=-1)
@click.option("--all", "in_all", is_flag=True, help="Search all collections; name none.")
@connection_filter
@click.option("--path", metavar="PATH", help="Only below this path, or where 'docs/*.md' fits.")
@click.option("--author", metavar="NAME", help="Only what they wrote or sent; a part of the name.")
@type_filter
@click.option("--since", metavar="TIME", help="Only what was updated since: 24h, 7d or a date.")
@click.option("--until", metavar="TIME", help="Only what was updated before then.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in SearchMode]),
    default=SearchMode.AUTO.value,
    show_default=True,
    help="By words, by meaning, or both as far as there is both.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, SEARCH_LIMIT_MAX),
    default=10,
    show_default=True,
    help="How many at most.",
)
@click.option("--cursor", metavar="CURSOR", help="Continue where next_cursor points.")
@json_option
@pass_app
def search(
    app: App,
    collection: str,
    query: tuple[str, ...],
    in_all: bool,
    connection: str | None,
    path: str | None,
    author: str | None,
    entity_type: str | None,
    since: str | None,
    until: str | None,
    mode: str,
    limit: int,
    cursor: str | None,
) -> None:
    """Search COLLECTION for QUERY; no quotes are needed."""
    now = datetime.now(UTC)
    words = (collection, *query) if in_all else query
    if not words:
        raise click.UsageError("Missing argument 'QUERY...'. With --all, no collection is named.")
    wanted = SearchQuery(
        readable_collection_id=None if in_all else collection,
        query=" ".join(words),
        mode=SearchMode(mode),
        connection=connection,
        path=path or None,
        author=author or None,
        entity_type=entity_type,
        since=parse_moment(since, now, "since"),
        until=parse_moment(until, now, "until"),
        limit=limit,
        cursor=cursor,
    )
    results = app.run(_search, wanted)
    if app.as_json:
        emit(results)
    else:
        _print(results, wanted)


async def _search(backend: Backend, wanted: SearchQuery) -> SearchResults:
    if backend.search is None:
        raise Unsupported("This backend cannot search.")
    return await backend.search.search(wanted)


def _print(results: SearchResults, wanted: SearchQuery) -> None:
    from rich.padding import Padding

    from weft.cli.terminal.tables import console

    out = console()
    if not results.hits:
        out.print("Nothing found.")
    elif results.matched == "any" and not results.by_meaning:
        out.print("Not all of these have all of the words.", style="yellow")
    for hit in results.hits:
        out.print(_highlight(plain(hit.title) or hit.entity_id, wanted.query, "bold"))
        out.print(Padding(_highlight(plain(hit.snippet), wanted.query), (0, 0, 0, 2)))
        about = " | ".join(plain(part) for part in _list_facts(hit))
        out.print(Padding(about, (0, 0, 1, 2)), style="dim")
    if results.note:
        out.print(plain(results.note), style="dim")
    if results.next_cursor and wanted.limit < SEARCH_LIMIT_MAX:
        out.print("There are more: raise --limit.", style="dim")
    elif results.next_cursor:
        out.print(f"There are more: --cursor {results.next_cursor}", style="dim", soft_wrap=True)


def _highlight(text: str, query: str, style: str = "") -> "Text":
    from rich.text import Text

    shown = Text(text, style=style)
    for begin, end in find_highlights(text, query):
        shown.stylize("bold yellow", begin, end)
    return shown


def _list_facts(hit: SearchHit) -> Iterator[str]:
    """Tell how good the hit is, what and where it is and what is nearly the same."""
    if hit.strength:
        yield hit.strength.value
    yield from (hit.type, hit.connection_name)
    if hit.updated_at:
        yield f"{hit.updated_at:%F}"
    yield hit.url or hit.path or hit.entity_id
    if hit.live:
        yield "searched live"
    if hit.copies:
        yield f"nearly the same: {', '.join(copy.title or copy.entity_id for copy in hit.copies)}"
