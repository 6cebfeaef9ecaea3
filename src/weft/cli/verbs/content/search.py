"""`weft search`: find what was synced."""

import re
from datetime import UTC, datetime

import click

from weft.backend import Backend
from weft.cli.terminal.completion import complete_collection
from weft.cli.terminal.context import App, emit, json_option, pass_app
from weft.cli.terminal.filters import connection_filter, type_filter
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.text import plain
from weft.domain.reading.browsing import parse_moment
from weft.domain.reading.search import SEARCH_LIMIT_MAX, SearchMode, SearchQuery, SearchResults
from weft.errors import Unsupported

_WORD = re.compile(r"[^\W_]+")


@click.command(cls=Verb)
@click.argument("collection", shell_complete=complete_collection)
@click.argument("query", nargs=-1)
@click.option("--all", "in_all", is_flag=True, help="Search all collections; name none.")
@connection_filter
@type_filter
@click.option("--since", metavar="TIME", help="Only what was updated since: 24h, 7d or a date.")
@click.option("--until", metavar="TIME", help="Only what was updated before then.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in SearchMode]),
    default=SearchMode.AUTO.value,
    help="By meaning only where Airweave searches.",
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
    entity_type: str | None,
    since: str | None,
    until: str | None,
    mode: str,
    limit: int,
    cursor: str | None,
) -> None:
    """Search COLLECTION for the words of QUERY; no quotes are needed."""
    now = datetime.now(UTC)
    words = (collection, *query) if in_all else query
    if not words:
        raise click.UsageError("Missing argument 'QUERY...'. With --all, no collection is named.")
    wanted = SearchQuery(
        readable_collection_id=None if in_all else collection,
        query=" ".join(words),
        mode=SearchMode(mode),
        connection=connection,
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
        _print(results, wanted.query)


async def _search(backend: Backend, wanted: SearchQuery) -> SearchResults:
    if backend.search is None:
        raise Unsupported("This backend cannot search.")
    return await backend.search.search(wanted)


def _print(results: SearchResults, query: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from weft.cli.terminal.tables import console

    out = console()
    if not results.hits:
        out.print("Nothing found.")
        return
    if results.matched == "any" and not results.by_meaning:
        out.print("Not all of these have all of the words.", style="yellow")
    words = _words_pattern(query)
    for hit in results.hits:
        title, snippet = Text(plain(hit.title) or hit.entity_id, style="bold"), plain(hit.snippet)
        title.highlight_regex(words, "yellow")
        found = Text(snippet)
        found.highlight_regex(words, "bold yellow")
        out.print(title)
        out.print(Padding(found, (0, 0, 0, 2)))
        where = [hit.type, hit.connection_name, hit.url or hit.entity_id]
        where += ["searched live"] if hit.live else []
        out.print(Padding(Text(" | ".join(map(plain, where)), style="dim"), (0, 0, 1, 2)))
    if results.note:
        out.print(plain(results.note), style="dim")
    if results.next_cursor:
        out.print("There are more: raise --limit.", style="dim")


def _words_pattern(query: str) -> re.Pattern[str]:
    """Return what matches the query's words, and slightly longer forms of them."""
    words = {re.escape(word) for word in _WORD.findall(query)}
    longest_first = "|".join(sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![a-z0-9])(?:{longest_first or '(?!)'})[a-z]{{0,3}}(?![a-z0-9])", re.I)
