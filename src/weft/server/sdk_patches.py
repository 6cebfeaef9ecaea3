"""Corrects from outside what the SDK's constructor and transports would do; for `sdk` alone."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from mcp.server._otel import OpenTelemetryMiddleware
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import HandlerEntry, NotificationOptions, Server
from mcp.server.mcpserver import server as sdk_server
from mcp.server.models import InitializationOptions
from mcp_types import SERVER_INFO_META_KEY, DiscoverResult, RequestParams
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider


def promise_resource_changes(low: Server[dict[str, Any]]) -> None:
    """Have the SDK's transports say so to the older era too; their default promises nothing."""
    original = low.create_initialization_options

    def create(
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        promised = notification_options or NotificationOptions(resources_changed=True)
        return original(promised, experimental_capabilities, extensions)

    low.create_initialization_options = create


def omit_icons_from_signature(low: Server[dict[str, Any]]) -> None:
    """Leave the icon out of the name that the SDK puts under each answer of the newer era.

    The answer to `server/discover` has it, which is where clients look for what a server is.
    """
    whole = low.server_info.model_dump(by_alias=True, mode="json", exclude_none=True)
    # A cached property of the SDK, filled before it is first read.
    low.__dict__["_server_info_stamp_source"] = {k: v for k, v in whole.items() if k != "icons"}
    original = cast("HandlerEntry[Any]", low.get_request_handler("server/discover")).handler

    async def discover(
        ctx: ServerRequestContext[Any, Any], params: RequestParams
    ) -> DiscoverResult:
        result = cast("DiscoverResult", await original(ctx, params))
        return result.model_copy(update={"meta": {SERVER_INFO_META_KEY: whole}})

    low.add_request_handler("server/discover", RequestParams, discover)


class OptionalTracing(OpenTelemetryMiddleware):
    """The SDK's spans, unless nobody set up where to: then each call would pay for nothing."""

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        if isinstance(get_tracer_provider(), ProxyTracerProvider):
            return await call_next(ctx)
        return await super().__call__(ctx, call_next)


def make_tracing_optional(low: Server[dict[str, Any]]) -> None:
    """Put that in the place of the SDK's own."""
    low.middleware[:] = [
        OptionalTracing() if isinstance(each, OpenTelemetryMiddleware) else each
        for each in low.middleware
    ]


@contextmanager
def without_logging_setup() -> Generator[None]:
    """Keep the SDK's constructor from setting up logging, which is for the program to do.

    It would import rich for that, which is a quarter of what Weft may add to the SDK's own start.
    """
    names = sdk_server.__dict__
    original = names["configure_logging"]
    names["configure_logging"] = _nothing
    try:
        yield
    finally:
        names["configure_logging"] = original


def _nothing(*_: object) -> None:
    pass
