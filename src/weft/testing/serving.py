"""A real HTTP server for an application, on a port of its own."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from starlette.types import ASGIApp

from weft.web.run import SignalFreeServer


@asynccontextmanager
async def serve_app(app: ASGIApp) -> AsyncGenerator[str]:
    """Serve an application on 127.0.0.1, and yield its address."""
    bound = socket.create_server(("127.0.0.1", 0))
    server = SignalFreeServer(uvicorn.Config(app, log_level="error", lifespan="off"))
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, [bound])
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
    bound.close()
