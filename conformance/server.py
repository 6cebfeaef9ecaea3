"""A real `weft serve --http` with the fixtures that the public conformance suite asks for.

Usage: python conformance/server.py [--plain] HOME PORT. With --plain it is the server as it is.
"""

import sys
from pathlib import Path
from typing import Any

import anyio

import asking_fixtures
import content_fixtures
import task_fixtures
from weft.assembly import serve
from weft.server.app import WeftServer
from weft.server.build import build_server
from weft.settings import load_settings


def with_fixtures(*arguments: Any, **options: Any) -> WeftServer:
    """Build the server as Weft does, and add the fixtures."""
    server = build_server(*arguments, **options)
    content_fixtures.register(server)
    asking_fixtures.register(server)
    task_fixtures.register(server)
    return server


def main() -> None:
    """Serve until a signal."""
    *plain, home, port = sys.argv[1:]
    settings = load_settings(home=Path(home), http_port=int(port))
    # Everything else stays as `weft serve --http` has it.
    if not plain:
        patched: Any = serve
        patched.build_server = with_fixtures
    anyio.run(lambda: serve.serve_http(settings, auth=False))


if __name__ == "__main__":
    main()
