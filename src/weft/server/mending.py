"""Corrects from outside what the SDK's constructor and transports would do; for `sdk` alone."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.mcpserver import server as sdk_server
from mcp.server.models import InitializationOptions


def promise_news_of_resources(low: Server[dict[str, Any]]) -> None:
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


@contextmanager
def logging_left_alone() -> Generator[None]:
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
