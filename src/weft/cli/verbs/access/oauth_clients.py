"""`weft oauth-clients`: the operator's own OAuth clients, used by connections that bring none."""

from collections.abc import Awaitable, Callable
from typing import Any

import click

from weft.cli.terminal.completion import complete_source
from weft.cli.terminal.confirm import confirm
from weft.cli.terminal.context import App, hosts_option, json_option, pass_app, show
from weft.cli.terminal.credentials import read_secret
from weft.cli.terminal.groups import ListGroup
from weft.cli.terminal.listing import show_all, tell_lost
from weft.cli.terminal.text import ago, plain


@click.group("oauth-clients", cls=ListGroup)
def oauth_clients() -> None:
    """Keep the OAuth clients with which people authorise connections in a browser."""


@oauth_clients.command("set")
@click.argument("source", shell_complete=complete_source)
@click.option("--client-id", required=True, help="The client's id; it is no secret.")
@click.option("--public", is_flag=True, help="The client has no secret (PKCE alone).")
@click.option(
    "--provider-origin",
    metavar="ORIGIN",
    help="Origin of the provider's token endpoint, where the source's configuration decides it.",
)
@hosts_option("A host that a connection's configuration may send its tokens to")
@json_option
@pass_app
def set_client(app: App, source: str, client_id: str, public: bool, **given: Any) -> None:
    """Keep the client for SOURCE. Its secret is asked for, or read from standard input."""
    where = given["provider_origin"], given["hosts"]
    secret = None if public else read_secret(app, "Client secret")
    made = _run(app, lambda kept: kept.set(source, client_id, secret, *where))
    told = (
        f"The OAuth client for '{made.short_name}' is kept; only {made.origin} gets its secret.\n"
        "Register the callback URL with the provider: BASE/source-connections/callback."
    )
    show(app, made, note=told)


@oauth_clients.command("list")
@json_option
@pass_app
def list_clients(app: App) -> None:
    """List the clients, without their secrets (the default)."""
    found = _run(app, lambda kept: kept.list())
    show_all(
        app,
        found,
        lambda one: one.model_dump(mode="json"),
        _cells,
        columns=("source", "client id", "provider", "set"),
        wide=("provider",),
        none="No OAuth clients. `weft oauth-clients set SOURCE --client-id ID` keeps one.",
    )
    tell_lost(app, found, "weft oauth-clients set SOURCE")


@oauth_clients.command("remove")
@click.argument("source", shell_complete=complete_source)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_app
def remove_client(app: App, source: str, yes: bool) -> None:
    """Forget the client for SOURCE. Tokens that it got cannot be refreshed any more."""
    confirm(app, f"The OAuth client for '{plain(source)}' will be forgotten.", yes=yes)
    _run(app, lambda kept: kept.remove(source))
    told = f"The OAuth client for '{plain(source)}' is forgotten."
    show(app, {"source": source, "removed": True}, note=told)


def _cells(one: Any) -> tuple[str, ...]:
    return (
        one.short_name,
        plain(one.client_id),
        plain(one.origin),
        "lost" if one.lost else ago(one.created_at),
    )


def _run(app: App, work: Callable[[Any], Awaitable[Any]]) -> Any:
    # Imported here because help and usage errors need no engine.
    from weft.assembly import operator

    return app.run_with(operator.open_oauth_clients, work)
