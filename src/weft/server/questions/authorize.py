"""Have a person authorise a connection in a browser, so that the model sees no secret."""

from contextlib import aclosing
from datetime import datetime
from typing import Final

from weft.backend import Authorization
from weft.domain.base import Frozen
from weft.domain.connections import WAITING_STATUSES, Auth, Connection, NewConnection
from weft.domain.previews import Preview
from weft.errors import InvalidInput, Unsupported, WeftError
from weft.server.call import ToolCall
from weft.server.elicitation.consent import LINK_REFUSALS
from weft.server.questions.missing_config import add_other_name_hint, explain_misplaced
from weft.server.render.errors import explain
from weft.server.render.untrusted import one_line

AUTHORISE_SECONDS_MAX: Final = 40.0
"""The longest wait for a person who agreed to open the link."""

# Reserved from the call's time, for reading the connection and answering.
_SPARE_SECONDS = 5.0
_WITHOUT_LINK = (
    "Call authorize_connection with auth={'direct': {'credentials': {...}}}; get_source has the "
    "fields."
)


class Link(Frozen):
    """A link to authorise a connection, as the rounds of a call pass it on.

    ``url`` is None when there is nothing to open; ``problem`` says why, if that is a failure.
    ``waiting`` and ``authenticated_at`` describe the connection when the link was made; its
    ``preview`` is told only then.
    """

    connection_id: str
    url: str | None = None
    expires: datetime | None = None
    waiting: bool = False
    authenticated_at: datetime | None = None
    problem: str | None = None
    preview: Preview | None = None


async def create_connection_once(call: ToolCall, new: NewConnection) -> Link:
    """Create a connection once, however many rounds the call takes; return the link it needs."""

    async def make() -> object:
        try:
            connection = await call.backend.connections.create(new)
        except InvalidInput as error:
            told = await explain_misplaced(call, error, new.short_name, new.config)
            raise add_other_name_hint(told, new.config) from None
        call.claim_tokens.remember(connection)
        if connection.status not in WAITING_STATUSES or connection.auth.auth_url:
            return _link_of(connection).model_dump(mode="json")
        try:
            link = await _begin_authorization(call, connection, new.redirect_url)
        except WeftError as error:
            # The connection exists, so its id must reach the caller in any case.
            link = _link_of(connection).model_copy(update={"problem": explain(error)})
        return link.model_dump(mode="json")

    return Link.model_validate(await call.ask.once_per_call("connection", make))


async def renew_link_once(call: ToolCall, connection_id: str) -> Link:
    """Make a new link for a connection. Raises Unsupported when the backend can make none."""

    async def make() -> object:
        connection = await call.backend.connections.get(connection_id)
        return (await _begin_authorization(call, connection, None)).model_dump(mode="json")

    return Link.model_validate(await call.ask.once_per_call("link", make))


async def authorize_once(call: ToolCall, connection_id: str, auth: Auth) -> Link:
    """Authorise with ``auth``, once; the link has a URL if a person must still consent."""

    async def make() -> object:
        connection = await _authorization_of(call).authorize(connection_id, auth)
        call.claim_tokens.remember(connection)
        return _link_of(connection).model_dump(mode="json")

    return Link.model_validate(await call.ask.once_per_call("given", make))


async def open_link(call: ToolCall, link: Link) -> tuple[Connection, str]:
    """Ask the person to open the link; return the connection, and a note on what they did.

    Waits at most AUTHORISE_SECONDS_MAX after the person agreed. The connection shows the link
    until it is used.
    """
    connection = await fetch_settled(call, link.connection_id)
    if link.url is None:
        return connection.model_copy(update={"preview": link.preview}), link.problem or ""
    answer = await call.ask.offer_link("authorise", _question(connection), link.url)
    if not answer.accepted:
        return _with_link(connection, link), LINK_REFUSALS.get(answer.outcome, "")
    connection = await _wait_until_done(call, link)
    if not _is_done(connection, link):
        note = "The user agreed to open the link, but has not finished there yet."
        return _with_link(connection, link), note
    await call.ask.announce_completion()
    return connection, "The user authorised it."


async def fetch_settled(call: ToolCall, connection_id: str) -> Connection:
    """Fetch a connection; confirm its authorisation if it began here and is complete."""
    connection = await call.backend.connections.get(connection_id)
    return await call.claim_tokens.settle(call.backend.authorization, connection)


async def _begin_authorization(
    call: ToolCall, connection: Connection, redirect_url: str | None
) -> Link:
    group = _authorization_of(call)
    try:
        begun = await group.begin(connection.id, redirect_url=redirect_url)
    except Unsupported as error:
        error.hint = error.hint or _WITHOUT_LINK
        raise
    call.claim_tokens.remember(begun)
    return _link_of(begun)


def _authorization_of(call: ToolCall) -> Authorization:
    if call.backend.authorization is None:
        raise Unsupported("This backend does not take credentials.", field="auth")
    return call.backend.authorization


def _link_of(connection: Connection) -> Link:
    return Link(
        connection_id=connection.id,
        url=connection.auth.auth_url,
        expires=connection.auth.auth_url_expires,
        waiting=connection.status in WAITING_STATUSES,
        authenticated_at=connection.auth.authenticated_at,
        preview=connection.preview,
    )


def _with_link(connection: Connection, link: Link) -> Connection:
    shown = {"auth_url": link.url, "auth_url_expires": link.expires}
    return connection.model_copy(update={"auth": connection.auth.model_copy(update=shown)})


def _question(connection: Connection) -> str:
    return (
        f"Authorise the connection '{one_line(connection.name)}' ({connection.short_name}) in your "
        "browser. What you enter there goes to Weft and not through the chat."
    )


async def _wait_until_done(call: ToolCall, link: Link) -> Connection:
    """Wait until the connection is authorised, the time is up or the server shuts down."""
    seconds = min(AUTHORISE_SECONDS_MAX, call.ask.seconds_left - _SPARE_SECONDS)
    # Many clients restart their timeout on progress.
    await call.report_progress(1, None, "Waiting for the user, who opened the link.")
    with call.waits.within(max(seconds, 0)):
        async with aclosing(call.backend.changes.follow()) as news:
            async for _ in news:
                connection = await fetch_settled(call, link.connection_id)
                if _is_done(connection, link):
                    return connection
    return await fetch_settled(call, link.connection_id)


def _is_done(connection: Connection, link: Link) -> bool:
    changed = link.waiting or connection.auth.authenticated_at != link.authenticated_at
    return connection.status not in WAITING_STATUSES and changed
