"""`weft secret`: secrets that connections refer to by name."""

from collections.abc import Awaitable, Callable
from typing import Any

import click

from weft.cli.terminal.confirm import confirm
from weft.cli.terminal.context import (
    App,
    hosts_option,
    json_option,
    organization_option,
    pass_app,
    show,
)
from weft.cli.terminal.credentials import read_secret
from weft.cli.terminal.groups import ListGroup
from weft.cli.terminal.listing import show_all, tell_lost
from weft.cli.terminal.text import ago, plain
from weft.domain.access.principals import organization_id
from weft.domain.access.secrets import OperatorSecret

VALUE_MAX_CHARS = 1 << 20

whose = organization_option("Whose connections may refer to it.")


@click.group(cls=ListGroup)
def secret() -> None:
    """Keep secrets that connections refer to by name, so that no model sees them."""


@secret.command("set")
@click.argument("name")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="SOURCE",
    help="A source that it may serve, such as github; may be repeated.",
)
@hosts_option("A host that may receive it, such as api.github.com")
@whose
@json_option
@pass_app
def set_secret(
    app: App, name: str, sources: tuple[str, ...], hosts: tuple[str, ...], organization: str
) -> None:
    """Keep a secret, or replace it. It is asked for, or read from standard input."""
    value = read_secret(app, f"Value of '{plain(name)}'", "value", VALUE_MAX_CHARS)
    made = _run(app, organization, lambda kept: kept.put(name, value, sources=sources, hosts=hosts))
    told = (
        f"Secret '{made.name}' is kept for {', '.join(made.sources)} at {', '.join(made.hosts)}. "
        f'Connections refer to it with {{"secret_ref": "{made.name}"}}.'
    )
    show(app, _to_json(made), note=told)


@secret.command("list")
@whose
@json_option
@pass_app
def list_secrets(app: App, organization: str) -> None:
    """List the secrets, but not what they are (the default)."""
    found = _run(app, organization, lambda kept: kept.list())
    show_all(
        app,
        found,
        _to_json,
        _cells,
        columns=("name", "kept in", "sources", "hosts", "used by", "changed"),
        wide=("name", "hosts"),
        none="No secrets. `weft secret set NAME --source github --host api.github.com`.",
    )
    tell_lost(app, found, "weft secret set NAME")


@secret.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@whose
@json_option
@pass_app
def delete_secret(app: App, name: str, yes: bool, organization: str) -> None:
    """Delete a secret. Connections that refer to it cannot sync any more."""
    confirm(app, f"The secret '{name}' will be deleted.", yes=yes)
    gone = _run(app, organization, lambda kept: kept.delete(name))
    users = f" These connections referred to it: {', '.join(gone.used_by)}." if gone.used_by else ""
    show(app, _to_json(gone), note=plain(f"Secret '{gone.name}' is deleted.{users}"))


def _run(app: App, organization: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    # Imported here because help and usage errors need no engine.
    from weft.assembly import operator

    owner = organization_id(organization)
    return app.run_with(lambda settings: operator.open_secrets(settings, owner), work)


def _to_json(one: OperatorSecret) -> dict[str, Any]:
    return one.model_dump(mode="json", exclude={"organization_id"})


def _cells(one: OperatorSecret) -> tuple[str, ...]:
    return (
        plain(one.name),
        "lost" if one.lost else one.origin.value,
        ", ".join(one.sources),
        ", ".join(one.hosts),
        plain(", ".join(one.used_by)) or "-",
        ago(one.modified_at),
    )
