"""The HTTP application: MCP endpoints, operator's routes, pages and API behind the gate."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from weft.errors import WeftError
from weft.web.gate.gate import Gate, guard, principal_of
from weft.web.gate.metrics import CONTENT_TYPE
from weft.web.gate.oauth import METADATA_PATH, OAuthSettings
from weft.web.pages.home import HOME_PATH
from weft.web.rest.error_responses import answer_http_error
from weft.web.rest.openapi import OPENAPI_PATHS

MCP_PATH: Final = "/mcp"
SSE_PATH: Final = "/sse"
MESSAGES_PATH: Final = "/messages"
HEALTH_PATH: Final = "/health"
READY_PATH: Final = "/ready"
METRICS_PATH: Final = "/metrics"

STREAM_PATHS: Final = frozenset({MCP_PATH, SSE_PATH})
OPEN_PATHS: Final = OPENAPI_PATHS | frozenset(
    {HOME_PATH, HEALTH_PATH, READY_PATH, METADATA_PATH, f"{METADATA_PATH}{MCP_PATH}"}
)
KNOWN_PATHS: Final = STREAM_PATHS | OPEN_PATHS | {MESSAGES_PATH, METRICS_PATH}


@dataclass(frozen=True, slots=True)
class AppParts:
    """The parts of the application.

    ``mcp``, ``sse`` and ``messages`` are ASGI applications; ``lifespan`` runs around them.
    ``job_counts`` counts jobs by status, and raises while the database is unavailable; ``verify``
    raises also while nothing could be stored in it. ``pages`` are the routes of the pages for
    people, ``rest`` those of the HTTP API.
    """

    mcp: ASGIApp
    sse: ASGIApp
    messages: ASGIApp
    lifespan: Callable[[], AbstractAsyncContextManager[None]]
    job_counts: Callable[[], Awaitable[Mapping[str, int]]]
    verify: Callable[[], Awaitable[None]]
    oauth: OAuthSettings | None = None
    pages: Sequence[BaseRoute] = ()
    rest: Sequence[BaseRoute] = ()


def build_app(parts: AppParts, gate: Gate) -> ASGIApp:
    """Put all routes behind the gate. There is no CORS: pages of other origins may not call us."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with parts.lifespan():
            yield

    routes: list[BaseRoute] = [
        *parts.pages,
        Route(SSE_PATH, _AsgiEndpoint(parts.sse, "GET")),
        Route(MESSAGES_PATH, _AsgiEndpoint(parts.messages)),
        Route(f"{MESSAGES_PATH}/", _AsgiEndpoint(parts.messages)),
        Route(HEALTH_PATH, _answer_health, methods=["GET"]),
        Route(READY_PATH, _build_ready(parts), methods=["GET"]),
        Route(METRICS_PATH, _build_metrics(parts, gate), methods=["GET"]),
    ]
    if parts.oauth is not None:
        answer = _build_metadata(parts.oauth)
        routes += [
            Route(METADATA_PATH, answer, methods=["GET"]),
            Route(f"{METADATA_PATH}{MCP_PATH}", answer, methods=["GET"]),
        ]
    # Last, because paths with parameters also match paths of the other routes.
    routes += parts.rest
    errors = {HTTPException: answer_http_error}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=errors)
    # A redirect would be built from the Host header, and take a token along.
    app.router.redirect_slashes = False

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        # Most requests go to MCP. Matching the table of routes would take each of them longer than
        # reading a connection from the database.
        is_mcp = scope["type"] == "http" and scope["path"] == MCP_PATH
        await (parts.mcp if is_mcp else app)(scope, receive, send)

    return guard(dispatch, gate)


class _AsgiEndpoint:
    """An ASGI application as an object; Starlette would mistake a function for a handler."""

    def __init__(self, app: ASGIApp, method: str | None = None) -> None:
        self._app = app
        self._method = method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._method is not None and scope["method"] != self._method:
            refused = Response(status_code=405, headers={"allow": self._method})
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _answer_health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _build_ready(parts: AppParts) -> Callable[[Request], Awaitable[Response]]:
    async def ready(_: Request) -> Response:
        try:
            await parts.verify()
            await parts.job_counts()
        except WeftError:
            return JSONResponse({"status": "unavailable"}, 503, {"retry-after": "5"})
        return JSONResponse({"status": "ready"})

    return ready


def _build_metrics(parts: AppParts, gate: Gate) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        # The numbers cover all organisations, so only the operator's own may see them.
        if not principal_of(request.scope).is_local:
            text = "Only principals of the local organisation may read the metrics."
            return JSONResponse({"error": "forbidden", "error_description": text}, 403)
        text = gate.metrics.render(
            jobs=await parts.job_counts(),
            requests_now=gate.requests.taken,
            streams_now=gate.streams.taken,
        )
        return PlainTextResponse(text, media_type=CONTENT_TYPE)

    return metrics


def _build_metadata(oauth: OAuthSettings) -> Callable[[Request], Awaitable[Response]]:
    async def metadata(_: Request) -> Response:
        """Tell where to get tokens for this server (RFC 9728)."""
        return JSONResponse(oauth.metadata())

    return metadata
