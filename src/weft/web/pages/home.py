"""The page at `/`: the dashboard, for people who open the server's address in a browser.

It is served without data and cookies; its script asks for a token and calls `/mcp` with it.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

HOME_PATH: Final = "/"


def home_routes(page: str, policy: str) -> list[BaseRoute]:
    """Build the route of ``page``, with ``policy`` as its Content-Security-Policy."""
    headers = {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        # For browsers that do not know `frame-ancestors`.
        "x-frame-options": "DENY",
    }

    async def home(_: Request) -> Response:
        return HTMLResponse(page, headers=headers)

    return [Route(HOME_PATH, home, methods=["GET"])]
