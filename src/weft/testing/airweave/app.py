"""The stand-in as a web application: its keys and its rate limit, around its routes."""

import json
import math
from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from weft.testing.airweave import routes, routes_around
from weft.testing.airweave.routing import ROUTES, Call, Handler
from weft.testing.airweave.state import Refused
from weft.testing.airweave.world import Airweave

REGISTERED = (routes, routes_around)
"""Modules whose import fills ROUTES."""

UNLIMITED = 9999
_OPEN_PATHS = ("/source-connections/authorize/", "/source-connections/callback")


def airweave_app(world: Airweave) -> Starlette:
    """Build the application. It may be served, or called by httpx.ASGITransport."""
    by_path: dict[str, dict[str, Handler]] = {}
    for method, path, handler in ROUTES:
        by_path.setdefault(path, {})[method] = handler
    return Starlette(
        routes=[
            Route(route, _endpoint(world, handlers), methods=list(handlers))
            for path, handlers in by_path.items()
            for route in (path, f"{path}/")
        ],
        exception_handlers={HTTPException: _answer_http_error},
    )


def _endpoint(world: Airweave, handlers: Mapping[str, Handler]):
    async def answer(request: Request) -> Response:
        world.asked.append(f"{request.method} {request.url.path}")
        world.settle()
        headers: dict[str, str] = {}
        try:
            caller = "nobody"
            if not request.url.path.startswith(_OPEN_PATHS):
                caller = _identify(world, request)
                headers = _count_request(world, caller)
            call = Call(world, request, caller, await _read_body(request))
            found = await handlers[request.method.replace("HEAD", "GET")](call)
        except Refused as refused:
            return JSONResponse(refused.body, refused.status, headers | refused.headers)
        world.settle()
        if isinstance(found, Response):
            found.headers.update(headers)
            return found
        return JSONResponse(found, 200, headers)

    return answer


def _identify(world: Airweave, request: Request) -> str:
    key, bearer = request.headers.get("x-api-key"), request.headers.get("authorization", "")
    organization = request.headers.get("x-organization-id")
    if request.url.path == "/connect/source-connections" and not bearer:
        return "key"
    if bearer == f"Bearer {world.user_token}":
        caller = "user"
    elif bearer.startswith("Bearer session-"):
        caller = "session"
    elif not key:
        raise Refused(401, "No valid authentication provided")
    elif key != world.key:
        raise Refused(403, "Invalid or expired API key")
    else:
        caller = "key"
    if organization and organization != world.organization_id:
        if len(organization) != len(world.organization_id):
            text = "ValueError: badly formed hexadecimal UUID string"
            raise Refused(500, f"Internal Server Error: {text}")
        raise Refused(404, f"Organization with ID {organization} not found")
    return caller


def _count_request(world: Airweave, caller: str) -> dict[str, str]:
    """Count a request by key, and return the headers that tell what is left of the minute."""
    now = world.clock.now().timestamp()
    most = world.requests_per_minute if caller == "key" else None
    if most is None:
        left = {"limit": UNLIMITED, "remaining": UNLIMITED, "reset": math.ceil(now)}
        return {f"ratelimit-{name}": str(value) for name, value in left.items()}
    started, count = world.window
    if now >= started + 60:
        started, count = int(now), 0
    world.window = (started, count + 1)
    headers = {"ratelimit-limit": str(most), "ratelimit-reset": str(started + 60)}
    if count >= most:
        wait = started + 60 - now
        raise Refused(
            429,
            f"Rate limit exceeded. Please retry after {wait:.2f} seconds. "
            f"Limit: {most} requests per second.",
            headers | {"ratelimit-remaining": "0", "retry-after": str(math.ceil(wait))},
        )
    return headers | {"ratelimit-remaining": str(most - count - 1)}


async def _read_body(request: Request) -> object:
    content = await request.body()
    if not content:
        return {}
    try:
        return json.loads(content)
    except ValueError:
        raise Refused(422, {"errors": [{"body.1": "JSON decode error"}]}) from None


async def _answer_http_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code)
