"""All corrections and additions to the MCP SDK that rely on its private parts.

No other module relies on those. ARCHITECTURE.md says why each is needed; a test compares the two.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from mcp.server._otel import OpenTelemetryMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import HandlerEntry, NotificationOptions, Server
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver import server as sdk_server
from mcp.server.mcpserver.tools import ToolManager
from mcp.server.models import InitializationOptions
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import SERVER_INFO_META_KEY, DiscoverResult, RequestParams
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider


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


class FairSessionManager(StreamableHTTPSessionManager):
    """Keeps room for others: once half of all sessions are open, nobody may hold over a quarter.

    Sessions may be idle for half an hour before they end. The SDK has one limit for all.
    """

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
