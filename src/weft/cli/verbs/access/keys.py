"""`weft keys`: the keys that let programs in over HTTP, and the master key."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import click

from weft.cli.terminal.confirm import confirm
from weft.cli.terminal.context import (
    App,
    acting_by_verb,
    emit,
    json_option,
    organization_option,
    pass_app,
    say,
    show,
)
from weft.cli.terminal.groups import ListGroup
from weft.cli.terminal.listing import show_all, tell_side
from weft.cli.terminal.text import ago, plain
from weft.domain.access.keys import ApiKey
from weft.domain.access.principals import Role, organization_name


@click.group(cls=ListGroup)
def keys() -> None:
    """Make, list and revoke the keys that let programs in over HTTP."""


@keys.command("create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    required=True,
    help="read: look and search. write: also connect, change and sync. admin: also delete.",
)
@organization_option("Whose connections it reaches; each organisation has its own.")
@json_option
@pass_app
def create_key(app: App, name: str, role: str, organization: str) -> None:
    """Make a key, and show it this once."""
    key, text = _run(app, lambda stored: stored.create(name, Role(role), organization))
    if app.as_json:
        emit({**_to_json(key), "key": text})
        return
    say(f"Key '{key.name}' ({key.role.value}) is made. It is not stored and not shown again:")
    click.echo(text)


@keys.command("list")
@json_option
@pass_app
def list_keys(app: App) -> None:
    """List the keys, without what they are (the default)."""
    tell_side(app)
    found = _run(app, lambda stored: stored.list())
    show_all(
        app,
        found,
        _to_json,
        _cells,
        columns=("name", "role", "organization", "made", "state"),
        wide=("name",),
        none="No keys. `weft keys create NAME --role read` makes one.",
    )


@keys.command("revoke")
@click.argument("name")
@json_option
@pass_app
def revoke_key(app: App, name: str) -> None:
    """Refuse a key from now on, in running servers too."""
    key = _run(app, lambda stored: stored.revoke(name))
    show(app, _to_json(key), note=f"Key '{key.name}' is revoked.")


@keys.command("rotate-master")
@click.option(
    "--forget-lost",
    is_flag=True,
    help="The old key is lost: drop the credentials that only it opens, and start with a new one.",
)
@click.option("--yes", is_flag=True, help="With --forget-lost: do not ask.")
@json_option
@pass_app
def rotate_master(app: App, forget_lost: bool, yes: bool) -> None:
    """Replace the master key of stored credentials.

    Servers go on running. Run it again if it was interrupted: it goes on where it was.
    """
    # Imported here because help and usage errors need no database.
    from weft.assembly import operator

    settings = app.load_settings()
    if forget_lost:
        confirm(app, "Credentials that only the lost key opens will be deleted.", yes=yes)
        with acting_by_verb():
            dropped = anyio.run(operator.forget_lost_keys, settings)
        told = f"{dropped} lost data keys are dropped; `weft doctor` says what to give again."
        show(app, {"dropped": dropped}, note=told)
        return
    with acting_by_verb():
        done = anyio.run(operator.rotate_master, settings)
    facts = {"rewrapped": done.rewrapped, "damaged": done.damaged, "resumed": done.resumed}
    how = "An interrupted rotation is finished" if done.resumed else "The master key is replaced"
    damaged = f" {done.damaged} were damaged and are dropped." if done.damaged else ""
    told = f"{how}; {done.rewrapped} data keys are wrapped by the new one.{damaged}"
    show(app, facts, note=told)


def _to_json(key: ApiKey) -> dict[str, Any]:
    data = key.model_dump(mode="json", exclude={"organization_id"})
    return {**data, "organization": organization_name(key.organization_id)}


def _cells(key: ApiKey) -> tuple[str, ...]:
    return (
        plain(key.name),
        key.role.value,
        plain(organization_name(key.organization_id)),
        ago(key.created_at),
        "revoked" if key.revoked_at else "live",
    )


def _run(app: App, work: Callable[[Any], Awaitable[Any]]) -> Any:
    # Imported here because help and usage errors need no engine.
    from weft.assembly import operator

    return app.run_with(operator.open_keys, work)
