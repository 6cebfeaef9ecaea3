"""What is served over HTTP, put together: the MCP endpoints, the HTTP API, the pages, the gate."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from weft import __version__
from weft.backend import AuthSessions, Backend
from weft.domain.permissions import Ceilings
from weft.domain.principals import Principal
from weft.server.app import WeftServer
from weft.server.apps import browser_policy, page_for_browser
from weft.server.transport.http import mcp_endpoints
from weft.web.build import MESSAGES_PATH, AppParts, build_app
from weft.web.gate.gate import Gate, principal_of
from weft.web.gate.oauth import OAuthSettings
from weft.web.pages.home import home_routes
from weft.web.pages.routes import PageSettings, page_routes
from weft.web.rest.openapi import openapi_routes
from weft.web.rest.routes import rest_routes


class OpenBackend(Protocol):
    """What stands behind the routes: an open engine, or an open remote API."""

    @property
    def auth_sessions(self) -> AuthSessions | None:
        """What people's links lead to, if links are made here."""
        ...

    def backend_for(self, principal: Principal) -> Backend:
        """What the principal may see."""
        ...

    async def record_refusal(self, principal: Principal, tool: str) -> None:
        """Hear of a call that was forbidden."""
        ...

    async def job_counts(self) -> Mapping[str, int]:
        """How many jobs have each status."""
        ...


def http_app(
    server: WeftServer,
    behind: OpenBackend,
    gate: Gate,
    *,
    ceilings: Ceilings,
    oauth: OAuthSettings | None,
    pages_url: str,
    auth: bool,
    sessions_max: int,
) -> ASGIApp:
    """The whole application; links for people begin with ``pages_url``."""
    endpoints = mcp_endpoints(
        server,
        messages_path=MESSAGES_PATH,
        principal_of=principal_of,
        sessions_max=sessions_max,
    )
    parts = AppParts(
        mcp=endpoints.mcp,
        sse=endpoints.sse,
        messages=endpoints.messages,
        lifespan=endpoints.lifespan,
        job_counts=behind.job_counts,
        oauth=oauth,
        pages=[
            *home_routes(page_for_browser(auth=auth), browser_policy()),
            *_authorize_routes(behind.auth_sessions, pages_url),
        ],
        rest=[
            *openapi_routes(__version__),
            *rest_routes(behind.backend_for, ceilings, behind.record_refusal),
        ],
    )
    return build_app(parts, gate)


def _authorize_routes(sessions: AuthSessions | None, base_url: str) -> Sequence[BaseRoute]:
    return () if sessions is None else page_routes(sessions, PageSettings(base_url))
