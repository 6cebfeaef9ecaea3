"""Giving a connection what it needs to authenticate."""

from typing import Annotated

from mcp_types import CallToolResult

from weft.errors import InvalidInput, Unsupported
from weft.server.arguments import auth_from
from weft.server.results import ConnectionOut, connection_out, reply
from weft.server.texts import connection_text
from weft.server.tooling import Call, tool
from weft.server.tools.arguments import ConnectionRef, RequiredAuth


@tool(
    "Authorise a connection",
    "Give new credentials to a connection that is pending_auth or needs_reauth; they are checked at"
    " the source, stored encrypted and never shown. Afterwards call run_sync.",
    destroys=True,
    repeatable=True,
    outside=True,
)
async def authorize_connection(
    call: Call, connection_id: ConnectionRef, auth: RequiredAuth
) -> Annotated[CallToolResult, ConnectionOut]:
    """Check and store credentials."""
    if call.backend.authorization is None:
        raise Unsupported("This backend does not take credentials.", field="auth")
    given = auth_from(auth)
    if given is None:
        raise InvalidInput("auth is empty.", field="auth", hint="Call get_source for the fields.")
    connection = await call.backend.authorization.authorize(connection_id, given)
    return reply(f"Authorised. {connection_text(connection)}", connection_out(connection))


TOOLS = (authorize_connection,)
