"""The tool that gives a connection its credentials."""

from typing import Annotated

from mcp_types import CallToolResult

from weft.domain.connections import AuthMethod, Connection
from weft.errors import InvalidInput
from weft.server.call import ToolCall
from weft.server.questions.authorize import authorize_once, open_link, renew_link_once
from weft.server.questions.inline_credentials import check_inline_credentials
from weft.server.render.structured import ConnectionOut, connection_out, reply
from weft.server.render.text import connection_text, next_step_of
from weft.server.tools.definition import tool
from weft.server.tools.parameters import ConnectionRef, LaterAuth
from weft.server.tools.validation import parse_auth


@tool(
    "Authorise a connection",
    "Give credentials to a connection that is pending_auth or needs_reauth. Without auth it returns"
    " a link where the user enters them or consents: prefer that to asking for secrets here. They"
    " are checked at the source, stored encrypted and never shown. A new link ends the last one."
    " Then get_connection tells whether a sync has started or run_sync is next.",
    destroys=True,
    repeatable=True,
    outside=True,
)
async def authorize_connection(
    call: ToolCall, connection_id: ConnectionRef, auth: LaterAuth = None
) -> Annotated[CallToolResult, ConnectionOut]:
    """Check and store credentials, or send the person to a page where they give them."""
    value = parse_auth(auth)
    advice = await check_inline_credentials(call, value, connection_id=connection_id)
    if value is not None:
        link = await authorize_once(call, connection_id, value)
    elif auth is None:
        link = await renew_link_once(call, connection_id)
    else:
        raise InvalidInput(
            "auth is empty.",
            field="auth",
            hint="Leave it out for a link, or call get_source for the fields.",
        )
    connection, note = await open_link(call, link)
    said = _outcome_text(call, connection) if link.url is None else note
    lines = [said, connection_text(connection), advice]
    text = "\n".join(filter(None, lines))
    return reply(text, connection_out(connection), next_step=next_step_of(connection))


TOOLS = (authorize_connection,)


def _outcome_text(call: ToolCall, connection: Connection) -> str:
    """Say whether the credentials work, as far as that is known."""
    if "connections.check" not in call.backend.unsupported or connection.auth.method is not (
        AuthMethod.DIRECT
    ):
        return "Authorised."
    last = connection.sync.last_job
    if last is not None and not last.status.is_terminal:
        return "Stored. The sync that has started shows whether they work."
    return "Stored, but not checked: run_sync shows whether they work."
