"""`weft sources`: the catalogue of sources."""

import json
from dataclasses import asdict
from functools import partial

import anyio
import click

from weft.backend import Backend
from weft.backend.catalogue import find_sources
from weft.cli.terminal.completion import complete_source
from weft.cli.terminal.context import App, emit, json_option, pass_app, say
from weft.cli.terminal.credentials import credentials_for
from weft.cli.terminal.files import read_text
from weft.cli.terminal.groups import LIST, ListGroupWithName, Verb
from weft.cli.terminal.listing import show_page
from weft.cli.terminal.paging import collect
from weft.cli.terminal.text import plain
from weft.domain.base import Json, Page
from weft.domain.sources import FieldInfo, SourceInfo
from weft.domain.text.words import quantity
from weft.errors import NotFound

SHOWN_CHARS = 200


@click.group(cls=ListGroupWithName)
def sources() -> None:
    """List what can be connected, and try a definition of your own."""


@sources.command("try", cls=Verb)
@click.argument("file", type=click.Path())
@click.option("--credentials-stdin", is_flag=True, help="Read credentials as JSON.")
@click.option("--count", default=10, show_default=True, type=click.IntRange(1, 1000))
@json_option
@pass_app
def try_definition(app: App, file: str, credentials_stdin: bool, count: int) -> None:
    """Try FILE, the definition of a service for the source rest_api.

    FILE is YAML or JSON. It is checked, the service is asked whether the credentials are good, and
    the first records are shown as they would be stored. Nothing is stored.
    """
    from weft.assembly.trial import describe_source, try_source

    config: Json = {"definition": read_text(file)}
    settings = app.load_settings()
    info = describe_source("rest_api")
    auth = credentials_for(app, info, from_stdin=credentials_stdin, ask=True)
    credentials = auth.direct.credentials if auth and auth.direct else {}
    trial = anyio.run(try_source, settings, "rest_api", config, credentials, count)
    if app.as_json:
        entities = [asdict(entity) for entity in trial.entities]
        emit({"reached": trial.reached, "problems": trial.problems, "entities": entities})
        return
    say(f"{plain(trial.reached)}.")
    for entity in trial.entities:
        say(f"\n{plain(entity.id)}  {plain(entity.title)}")
        text = " ".join(entity.text.split())
        say(f"  {plain(text[:SHOWN_CHARS])}{'…' * (len(text) > SHOWN_CHARS)}")
    for problem in trial.problems:
        say(f"warning: {plain(problem)}")
    many = quantity(len(trial.entities), "record")
    say(f"\nThat is all: {many}." if trial.is_all else f"\nThe first {many}. Nothing was stored.")


@sources.command(LIST, cls=Verb)
@click.argument("query", nargs=-1, shell_complete=complete_source)
@json_option
@pass_app
def list_sources(app: App, query: tuple[str, ...]) -> None:
    """List the sources that can be connected, or show the fields of one.

    QUERY is the short name of one, or words to find some by: mail, tickets, postgres.
    """
    found = app.run(partial(_find, " ".join(query)))
    if isinstance(found, SourceInfo):
        _show(app, found)
        return
    show_page(
        app,
        found,
        lambda info: (info.short_name, info.name, info.needs() or "nothing", info.description),
        columns=("source", "name", "needs", "what it reads"),
        wide=("needs", "what it reads"),
        footnote="`weft sources NAME` shows a source's fields.",
    )


async def _find(query: str, backend: Backend) -> SourceInfo | Page[SourceInfo]:
    """Return the one source of that short name, or all that fit the words."""

    async def page(*, cursor: str | None, limit: int) -> Page[SourceInfo]:
        return await find_sources(backend.sources, query, cursor=cursor, limit=limit)

    if query in [source.short_name for source in await backend.sources.list()]:
        return await backend.sources.get(query)
    found = await collect(page)
    if found.note:
        raise NotFound("No source fits that.", field="QUERY", hint=found.note)
    return found


def _show(app: App, info: SourceInfo) -> None:
    if app.as_json:
        emit(info)
        return
    from weft.cli.terminal.tables import console, print_record, print_table

    out = console()
    print_record(
        out,
        [
            ("source", info.short_name),
            ("name", info.name),
            ("description", info.description),
            ("credentials", _needs(info)),
            *([("checked against", info.checked_against)] if info.checked_against else ()),
            ("authentication", ", ".join(info.auth_methods)),
            *(
                [("auth provider accounts", ", ".join(map(plain, info.provider_readable_ids)))]
                if info.provider_readable_ids
                else ()
            ),
            *(
                [("sync", "none, every search asks the source itself")]
                if info.federated_search
                else [("continuous sync", "yes" if info.supports_continuous else "no")]
            ),
            ("entity types", ", ".join(info.entity_types) or "-"),
        ],
    )
    for title, fields in (("Configuration", info.config_fields), ("Credentials", info.auth_fields)):
        if fields:
            out.print(f"\n{title}", style="bold")
            rows = [(f.name, _type(f), _presence(f), f.description) for f in fields]
            print_table(out, ("field", "type", "", "description"), rows, wide=("description",))


def _needs(info: SourceInfo) -> str:
    if info.auth_required:
        return "needed"
    return "optional" if info.auth_fields else "none"


def _type(field: FieldInfo) -> str:
    return "secret" if field.secret else field.type


def _presence(field: FieldInfo) -> str:
    if field.required:
        return "required"
    return "" if field.default in (None, "") else f"default {json.dumps(field.default)}"
