"""Puts the HTTP application together: MCP endpoints, HTTP API, pages and gate."""

from collections.abc import Mapping
from typing import Protocol

from starlette.types import ASGIApp

from weft import __version__
from weft.backend import AuthSessions, Backend
from weft.domain.access.permissions import Ceilings
from weft.domain.access.principals import Principal
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


class ServedBackend(Protocol):
    """An open engine, or an open remote API."""

    @property
    def auth_sessions(self) -> AuthSessions:
        """The authorisations behind people's links."""
        ...

    def backend_for(self, principal: Principal) -> Backend:
        """Return the principal's view."""
        ...

    async def record_refusal(self, principal: Principal, tool: str) -> None:
        """Record that the principal was not permitted to call a tool."""
        ...

    async def job_counts(self) -> Mapping[str, int]:
        """Count the jobs by status."""
        ...

    async def verify(self) -> None:
        """Raise an error while nothing can be stored."""
        ...


def http_app(
    server: WeftServer,
    behind: ServedBackend,
    gate: Gate,
    *,
    ceilings: Ceilings,
    oauth: OAuthSettings | None,
    pages_url: str,
    auth: bool,
    sessions_max: int,
) -> ASGIApp:
    """Build the whole application; links for people begin with ``pages_url``."""
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
        verify=behind.verify,
        oauth=oauth,
        pages=[
            *home_routes(page_for_browser(auth=auth), browser_policy()),
            *page_routes(behind.auth_sessions, PageSettings(pages_url)),
        ],
        rest=[
            *openapi_routes(__version__),
            *rest_routes(behind.backend_for, ceilings, behind.record_refusal),
        ],
    )
    return build_app(parts, gate)
