"""`weft sources`: the catalogue of sources."""

import json

import click

from weft.cli.terminal.completion import complete_source
from weft.cli.terminal.context import App, emit, json_option, pass_app
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.listing import show_page
from weft.cli.terminal.text import plain
from weft.domain.base import Page
from weft.domain.sources import FieldInfo, SourceInfo


@click.command(cls=Verb)
@click.argument("name", required=False, shell_complete=complete_source)
@json_option
@pass_app
def sources(app: App, name: str | None) -> None:
    """List the sources that can be connected, or show the fields of one."""
    if name is None:
        _list(app)
    else:
        _show(app, name)


def _list(app: App) -> None:
    infos = app.run(lambda backend: backend.sources.list())
    show_page(
        app,
        Page[SourceInfo](items=tuple(infos)),
        lambda info: (info.short_name, info.name, _needs(info), info.description),
        columns=("source", "name", "credentials", "what it reads"),
        wide=("what it reads",),
        footnote="`weft sources NAME` shows a source's fields.",
    )


def _show(app: App, name: str) -> None:
    info = app.run(lambda backend: backend.sources.get(name))
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
