"""The MCP endpoints for an HTTP server: streamable HTTP, and SSE for clients that know no other.

Both serve the same server object in both protocol eras. The gate in front of them decides whom to
admit.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache

import anyio
from mcp.server.auth.middleware.auth_context import auth_context_var, get_access_token
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.sse import SseServerTransport
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from weft.domain.access.principals import Principal
from weft.errors import NotPermitted
from weft.server.app import WeftServer
from weft.server.sdk_patches import PatchedSessionManager
from weft.server.transport.backpressure import BackpressureStream
from weft.server.transport.frames import FrameError
from weft.server.transport.http_frames import SoundFrames, mark_bad_frames, serve_frames

BODY_MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class McpEndpoints:
    """ASGI applications, to be mounted where their names say; ``lifespan`` runs around them."""

    mcp: ASGIApp
    sse: ASGIApp
    messages: ASGIApp
    lifespan: Callable[[], AbstractAsyncContextManager[None]]


class _PrincipalToken(AccessToken):
    """Carries the principal from a request to its handlers; it never holds the token itself."""

    principal: Principal


def mcp_endpoints(
    server: WeftServer,
    *,
    messages_path: str,
    principal_of: Callable[[Scope], Principal],
    sessions_max: int,
) -> McpEndpoints:
    """Build the endpoints of ``server``, whose ``who_calls`` must be `http_caller`.

    A session belongs to the principal that began it and does not exist for others. Once half of
    ``sessions_max`` are open, a principal that holds a quarter of them gets no more (503).
    """
    # The SDK's own check of Host and Origin stays off: the gate has checked them for every route,
    # and the SDK treats upper and lower case differently.
    sessions = PatchedSessionManager(
        server.lowlevel,
        max_request_body_size=BODY_MAX_BYTES,
        max_sessions=sessions_max,
    )
    sse = SseServerTransport(messages_path, max_request_body_size=BODY_MAX_BYTES)

    async def serve_sse(scope: Scope, receive: Receive, send: Send) -> None:
        low = server.lowlevel
        async with anyio.create_task_group() as session:
            async with sse.connect_sse(scope, receive, send) as (read, write):
                outgoing = BackpressureStream(write, session.cancel_scope.cancel)
                frames = SoundFrames(
                    read, lambda error: session.start_soon(_send_error, outgoing, error)
                )
                await low.run(frames, outgoing, low.create_initialization_options())
            session.cancel_scope.cancel()

    async def answer_quick_call(
        request: JSONRPCRequest, scope: Scope
    ) -> JSONRPCResponse | JSONRPCError | None:
        if not _is_quick(request, server) or (headers := _plain_headers(scope)) is None:
            return None
        return await sessions.answer_at_once(request, scope, headers)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        # Sessions end before the followers whose events they send.
        async with server.announcing(), sessions.run():
            yield

    return McpEndpoints(
        mcp=_with_principal(serve_frames(sessions.asgi_app, answer_quick_call), principal_of),
        sse=_with_principal(serve_sse, principal_of),
        messages=_with_principal(mark_bad_frames(sse.handle_post_message), principal_of),
        lifespan=lifespan,
    )


def http_caller() -> Principal:
    """Return the current request's principal. Raises NotPermitted outside a request."""
    token = get_access_token()
    if not isinstance(token, _PrincipalToken):
        raise NotPermitted("The call belongs to no principal.")
    return token.principal


async def _send_error(outgoing: BackpressureStream, error: FrameError) -> None:
    # The client may leave while this waits for its turn.
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        await outgoing.send(SessionMessage(error))


def _with_principal(app: ASGIApp, principal_of: Callable[[Scope], Principal]) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        user = _user_of(principal_of(scope))
        reset = auth_context_var.set(user)
        try:
            await app({**scope, "user": user}, receive, send)
        finally:
            auth_context_var.reset(reset)

    return call


def _is_quick(request: JSONRPCRequest, server: WeftServer) -> bool:
    name: object = (request.params or {}).get("name")
    return request.method == "tools/call" and isinstance(name, str) and server.is_quick(name)


def _plain_headers(scope: Scope) -> dict[str, str] | None:
    """Return the headers by name, or None if the SDK must judge them.

    It judges repeated ones, and clients that do not send JSON or do not accept both forms of
    answer.
    """
    raw: list[tuple[bytes, bytes]] = scope["headers"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    accept = headers.get("accept", "")
    is_plain = (
        len(headers) == len(raw)
        and headers.get("content-type", "").startswith("application/json")
        and "application/json" in accept
        and "text/event-stream" in accept
    )
    return headers if is_plain else None


@lru_cache(maxsize=1024)
def _user_of(principal: Principal) -> AuthenticatedUser:
    # The SDK compares client, subject and issuer of a request with those of its session.
    token = _PrincipalToken(
        token="",
        scopes=[],
        client_id=principal.name,
        subject=principal.role.value,
        claims={"iss": principal.organization_id},
        principal=principal,
    )
    return AuthenticatedUser(token)
