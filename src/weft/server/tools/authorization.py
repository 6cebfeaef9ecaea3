"""Giving a connection what it needs to authenticate."""

from typing import Annotated

from mcp_types import CallToolResult

from weft.errors import InvalidInput, Unsupported
from weft.server.arguments import auth_from
from weft.server.authorising import renewed, visited
from weft.server.inline import judged
from weft.server.results import ConnectionOut, connection_out, reply
from weft.server.texts import connection_text
from weft.server.tooling import Call, tool
from weft.server.tools.arguments import ConnectionRef, OptionalAuth


@tool(
    "Authorise a connection",
    "Give credentials to a connection that is pending_auth or needs_reauth. Without auth it returns"
    " a link where the user enters them or consents: prefer that to asking for secrets here. They"
    " are checked at the source, stored encrypted and never shown. Afterwards call run_sync.",
    destroys=True,
    repeatable=True,
    outside=True,
)
async def authorize_connection(
    call: Call, connection_id: ConnectionRef, auth: OptionalAuth = None
) -> Annotated[CallToolResult, ConnectionOut]:
    """Check and store credentials, or send the person to where they give them."""
    if call.backend.authorization is None:
        raise Unsupported("This backend does not take credentials.", field="auth")
    given = auth_from(auth)
    if given is None and auth is not None:
        raise InvalidInput(
            "auth is empty.",
            field="auth",
            hint="Leave it out for a link, or call get_source for the fields.",
        )
    if given is None:
        connection, note = await visited(call, await renewed(call, connection_id))
        lines = [note, connection_text(connection)]
        return reply("\n".join(line for line in lines if line), connection_out(connection))
    advice = await judged(call, given, connection_id=connection_id)
    connection = await call.backend.authorization.authorize(connection_id, given)
    call.claims.remember(connection)
    text = f"Authorised. {connection_text(connection)}"
    return reply("\n".join(filter(None, [text, advice])), connection_out(connection))


TOOLS = (authorize_connection,)
