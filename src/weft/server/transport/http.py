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
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.message import SessionMessage
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Receive, Scope, Send

from weft.domain.access.principals import Principal
from weft.errors import NotPermitted
from weft.server.app import WeftServer
from weft.server.sdk_patches import FairSessionManager
from weft.server.transport.backpressure import BackpressureStream
from weft.server.transport.frames import FrameError
from weft.server.transport.http_frames import SoundFrames, answer_bad_frames, mark_bad_frames

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
    sessions = FairSessionManager(
        server.lowlevel,
        max_request_body_size=BODY_MAX_BYTES,
        max_sessions=sessions_max,
    )
    # The SDK prepares an event stream for each call, which takes longer than reading a few rows.
    # Calls of quick tools never stream, and are served without one.
    plain = StreamableHTTPSessionManager(
        server.lowlevel,
        json_response=True,
        max_request_body_size=BODY_MAX_BYTES,
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

    async def serve_mcp(scope: Scope, receive: Receive, send: Send) -> None:
        manager = plain if _is_quick(scope, server) else sessions
        await manager.asgi_app(scope, receive, send)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        # Sessions end before the followers whose events they send.
        async with server.announcing(), sessions.run(), plain.run():
            yield

    return McpEndpoints(
        mcp=_with_principal(answer_bad_frames(serve_mcp), principal_of),
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


def _is_quick(scope: Scope, server: WeftServer) -> bool:
    """Return whether the headers, which the SDK compares with the body, name a quick tool.

    Only the newer era has those headers, and no sessions. A client that does not accept both forms
    of answer gets its error from the manager that streams.
    """
    # If a header is repeated, the first one counts, as in the SDK.
    headers = dict(reversed(scope["headers"]))
    version = headers.get(b"mcp-protocol-version", b"").decode("latin-1")
    return (
        headers.get(b"mcp-method") == b"tools/call"
        and version not in ("", *HANDSHAKE_PROTOCOL_VERSIONS)
        and b"text/event-stream" in headers.get(b"accept", b"")
        and server.is_quick(headers.get(b"mcp-name", b"").decode("latin-1"))
    )


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
