"""`weft connections authorize`: a person authorises a connection in a browser."""

from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

import anyio
import click

from weft.backend import Authorization, Backend
from weft.cli.terminal.completion import complete_connection
from weft.cli.terminal.context import App, json_option, pass_app, say, show
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.text import plain
from weft.domain.connections import WAITING_STATUSES, Connection
from weft.errors import Conflict, Unsupported

# For a link that does not say when it expires.
LINK_SECONDS: Final = 600.0


@click.command("authorize", cls=Verb)
@click.argument("name", shell_complete=complete_connection)
@click.option("--browser", is_flag=True, help="Open the link in this machine's browser.")
@json_option
@pass_app
def authorize_connection(app: App, name: str, browser: bool) -> None:
    """Authorise NAME in a browser. Prints a link, and waits until it was used.

    The link leads to the consent of the source's provider, or to a page that takes credentials. It
    works once, for ten minutes, and while this command runs; Ctrl-C gives up. NAME is the
    connection's name, its id, or the beginning of its id.
    """
    connection = app.run(_authorize, name, browser)
    show(
        app,
        connection,
        f"'{plain(connection.name)}' is authorised; it is {connection.status}.",
        note=f"Next: weft sync {connection.id}",
    )


async def _authorize(backend: Backend, name: str, opens: bool) -> Connection:
    before = await backend.connections.get(name)
    return await authorize_in_browser(backend, before, opens=opens)


async def authorize_in_browser(
    backend: Backend, before: Connection, *, opens: bool = False, created: bool = False
) -> Connection:
    """Show a link, wait until it has been used, and return the connection as it is then.

    A connection that was just ``created`` may already have a link, and then that one is shown.
    Raises Conflict when the link expired, Unsupported when the backend makes none.
    """
    authorization = backend.authorization
    if authorization is None:
        raise Unsupported("This backend cannot authorise in a browser.")
    has_link = created and before.auth.auth_url is not None
    begun = before if has_link else await authorization.begin(before.id)
    if begun.auth.auth_url is None:
        raise Unsupported("This backend gave no link.")
    say(f"To authorise '{plain(before.name)}', open this link:\n\n  {begun.auth.auth_url}\n")
    if opens:
        _open(begun.auth.auth_url)
    with anyio.move_on_after(_seconds_left(begun)):
        return await _wait_until_authorized(backend, authorization, before, begun.auth.claim_token)
    raise Conflict(
        "The link expired before it was used.",
        hint=f"For another one: weft connections authorize {before.id}",
    )


def _open(url: str) -> None:
    import webbrowser  # costs start-up time, and few ask for it

    if not webbrowser.open(url):
        say("No browser could be opened here.")


def _seconds_left(begun: Connection) -> float:
    ends = begun.auth.auth_url_expires
    return LINK_SECONDS if ends is None else (ends - datetime.now(UTC)).total_seconds()


async def _wait_until_authorized(
    backend: Backend, authorization: Authorization, before: Connection, claim_token: str | None
) -> Connection:
    """Wait until the person has finished in the browser."""
    async with aclosing(backend.changes.follow()) as news:
        async for _ in news:
            connection = await backend.connections.get(before.id)
            if connection.status in WAITING_STATUSES and claim_token is not None:
                connection = await _try_to_verify(authorization, connection, claim_token)
            if _is_done(before, connection):
                return connection
    raise Unsupported("This backend tells nothing of changes.", hint="See `weft connections show`.")


async def _try_to_verify(
    authorization: Authorization, connection: Connection, claim_token: str
) -> Connection:
    try:
        return await authorization.verify(connection.id, claim_token)
    except Conflict:
        return connection  # The person has not finished.


def _is_done(before: Connection, now: Connection) -> bool:
    was_waiting = before.status in WAITING_STATUSES
    changed = now.auth.authenticated_at != before.auth.authenticated_at
    return now.status not in WAITING_STATUSES and (was_waiting or changed)
