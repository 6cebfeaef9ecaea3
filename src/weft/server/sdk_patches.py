"""All corrections and additions to the MCP SDK that rely on its private parts.

No other module relies on those. ARCHITECTURE.md says why each is needed; a test compares the two.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from mcp.server._otel import OpenTelemetryMiddleware
from mcp.server._streamable_http_modern import _SingleExchangeDispatchContext  # pyright: ignore[reportPrivateUsage]
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import HandlerEntry, NotificationOptions, Server
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver import server as sdk_server
from mcp.server.mcpserver.tools import ToolManager
from mcp.server.models import InitializationOptions
from mcp.server.runner import ServerRunner, modern_error_data
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    SERVER_INFO_META_KEY,
    DiscoverResult,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestParams,
)
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider
from starlette.requests import Request
from starlette.types import Scope


class PatchedServer(MCPServer[dict[str, Any]]):
    """An MCPServer with Weft's corrections; ``tools`` takes the place of its own tool manager."""

    def __init__(self, tools: ToolManager, **options: Any) -> None:
        with _without_logging_setup():
            super().__init__(**options)
        self._tool_manager = tools
        _make_tracing_optional(self.lowlevel)
        _promise_resource_changes(self.lowlevel)
        _omit_icons_from_signature(self.lowlevel)

    @property
    def lowlevel(self) -> Server[dict[str, Any]]:
        """The SDK's low-level server, which takes any handler and which its transports serve."""
        return self._lowlevel_server

    def has_header_arguments(self, name: str) -> bool:
        """Return whether HTTP headers may repeat arguments of that tool."""
        del name
        return True

    def _tool_input_schema(self, name: str) -> dict[str, Any] | None:
        # The SDK searches the schema for such arguments at every call.
        return super()._tool_input_schema(name) if self.has_header_arguments(name) else None


class PatchedSessionManager(StreamableHTTPSessionManager):
    """A session manager with Weft's corrections."""

    async def answer_at_once(
        self, request: JSONRPCRequest, scope: Scope, headers: Mapping[str, str]
    ) -> JSONRPCResponse | JSONRPCError | None:
        """Answer a request of the newer era; return None if the SDK's own way must answer it.

        ``headers`` are those of the HTTP request, none of which is repeated. The SDK's own way
        parses the body again and prepares what only streams and unread headers need, which takes
        as long as a call that reads a few rows.
        """
        body = {"method": request.method, "params": request.params}
        route = classify_inbound_request(body, headers=headers)
        if not isinstance(route, InboundModernRoute):
            return None
        connection = Connection.from_envelope(
            route.protocol_version, route.client_info, route.client_capabilities
        )
        context = _SingleExchangeDispatchContext(
            TransportContext(kind="streamable-http", can_send_request=False, headers=headers),
            request.id,
            ServerMessageMetadata(request_context=Request(scope)),
        )
        runner = ServerRunner(self.app, connection, self._lifespan_state)
        try:
            async with connection.exit_stack:
                result = await runner.on_request(context, request.method, request.params)
        except Exception as error:  # noqa: BLE001 (the edge: whatever it is, the caller gets an answer)
            return JSONRPCError(jsonrpc="2.0", id=request.id, error=modern_error_data(error))
        return JSONRPCResponse(jsonrpc="2.0", id=request.id, result=result)

    # The SDK has one limit of sessions for all, and sessions may be idle for half an hour before
    # they end. So once half of all are open, nobody may hold over a quarter.
    def _admit_session(
        self, requestor: AuthorizationContext | None
    ) -> StreamableHTTPServerTransport | None:
        most = self.max_sessions or 0
        held = sum(owner == requestor for owner in self._session_owners.values())
        if len(self._session_owners) * 2 >= most and held * 4 >= most:
            return None
        return super()._admit_session(requestor)


class OptionalTracing(OpenTelemetryMiddleware):
    """Makes the SDK's spans only if a provider is set up, since they cost time in every call."""

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        if isinstance(get_tracer_provider(), ProxyTracerProvider):
            return await call_next(ctx)
        return await super().__call__(ctx, call_next)


def connection_of(ctx: ServerRequestContext[Any, Any]) -> Connection:
    """Return a request's connection, which outlives the request, and tells when it ends."""
    return ctx.session._connection  # pyright: ignore[reportPrivateUsage]


def _make_tracing_optional(low: Server[dict[str, Any]]) -> None:
    low.middleware[:] = [
        OptionalTracing() if isinstance(each, OpenTelemetryMiddleware) else each
        for each in low.middleware
    ]


def _promise_resource_changes(low: Server[dict[str, Any]]) -> None:
    """Announce `resources.listChanged` to the older era too, where the SDK announces nothing."""
    original = low.create_initialization_options

    def create(
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        promised = notification_options or NotificationOptions(resources_changed=True)
        return original(promised, experimental_capabilities, extensions)

    low.create_initialization_options = create


def _omit_icons_from_signature(low: Server[dict[str, Any]]) -> None:
    """Leave the icons out of the server info that the SDK adds to every result of the newer era.

    `server/discover`, where clients look for them, still has them.
    """
    whole = low.server_info.model_dump(by_alias=True, mode="json", exclude_none=True)
    # Fill a cached property of the SDK before it is first read.
    low.__dict__["_server_info_stamp_source"] = {k: v for k, v in whole.items() if k != "icons"}
    original = cast("HandlerEntry[Any]", low.get_request_handler("server/discover")).handler

    async def discover(
        ctx: ServerRequestContext[Any, Any], params: RequestParams
    ) -> DiscoverResult:
        result = cast("DiscoverResult", await original(ctx, params))
        return result.model_copy(update={"meta": {SERVER_INFO_META_KEY: whole}})

    low.add_request_handler("server/discover", RequestParams, discover)


@contextmanager
def _without_logging_setup() -> Generator[None]:
    """Keep the SDK's constructor from setting up logging, which is up to the program.

    For that it would import rich, which takes a quarter of the time that Weft may add to its start.
    """
    names = sdk_server.__dict__
    original = names["configure_logging"]
    names["configure_logging"] = lambda *_: None  # pyright: ignore[reportUnknownLambdaType]
    try:
        yield
    finally:
        names["configure_logging"] = original
