"""`weft keys`: who may come in over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import click

from weft.cli.context import App, emit, json_option, pass_app, say
from weft.cli.groups import ListGroup
from weft.cli.text import ago, plain
from weft.domain.keys import ApiKey
from weft.domain.principals import LOCAL_ORGANIZATION_ID, LOCAL_ORGANIZATION_NAME, Role

T = TypeVar("T")


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
@click.option(
    "--organization",
    default=LOCAL_ORGANIZATION_NAME,
    show_default=True,
    help="Whose connections it reaches; each organisation has its own.",
)
@json_option
@pass_app
def create_key(app: App, name: str, role: str, organization: str) -> None:
    """Make a key, and show it this once."""
    key, text = _run(app, lambda stored: stored.create(name, Role(role), organization))
    if app.as_json:
        emit({**_shown(key), "key": text})
        return
    say(f"Key '{key.name}' ({key.role.value}) is made. It is not stored and not shown again:")
    click.echo(text)


@keys.command("list")
@json_option
@pass_app
def list_keys(app: App) -> None:
    """List the keys, without what they are (the default)."""
    found = _run(app, lambda stored: stored.list())
    if app.as_json:
        emit({"items": [_shown(key) for key in found]})
        return
    from weft.cli.output import console, print_table

    out = console()
    if not found:
        out.print("No keys. `weft keys create NAME --role read` makes one.")
        return
    rows = [
        (
            plain(key.name),
            key.role.value,
            plain(_organization(key)),
            ago(key.created_at),
            "revoked" if key.revoked_at else "live",
        )
        for key in found
    ]
    print_table(out, ("name", "role", "organization", "made", "state"), rows, wide=("name",))


@keys.command("revoke")
@click.argument("name")
@json_option
@pass_app
def revoke_key(app: App, name: str) -> None:
    """Refuse a key from now on, in running servers too."""
    key = _run(app, lambda stored: stored.revoke(name))
    if app.as_json:
        emit(_shown(key))
        return
    say(f"Key '{key.name}' is revoked.")


def _run(app: App, work: Callable[[Any], Awaitable[T]]) -> T:
    # Imported here because the help and the usage errors need no database.
    from weft import assembly

    async def opened() -> T:
        async with assembly.open_keys(settings) as stored:
            return await work(stored)

    settings = app.load_settings()
    return anyio.run(opened)


def _shown(key: ApiKey) -> dict[str, Any]:
    data = key.model_dump(mode="json", exclude={"organization_id"})
    return {**data, "organization": _organization(key)}


def _organization(key: ApiKey) -> str:
    is_local = key.organization_id == LOCAL_ORGANIZATION_ID
    return LOCAL_ORGANIZATION_NAME if is_local else key.organization_id
