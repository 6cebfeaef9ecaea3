"""The MCP App: a dashboard that hosts show in a frame, and people open in a browser.

It is one page without external resources, built from its parts at the first request.
"""

import base64
import hashlib
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any, Final

from mcp_types import Resource

EXTENSION_ID: Final = "io.modelcontextprotocol/ui"
DASHBOARD_URI: Final = "ui://weft/dashboard"
MIME_TYPE: Final = "text/html;profile=mcp-app"
# The metadata of a tool whose results the dashboard shows.
TOOL_META: Final[dict[str, Any]] = {"ui": {"resourceUri": DASHBOARD_URI}}
# No domains at all: the host lets the page load nothing and connect nowhere.
RESOURCE_META: Final[dict[str, Any]] = {"ui": {"csp": {}, "prefersBorder": True}}

_FOLDER: Final = Path(__file__).parent
_SCRIPTS: Final = (
    "remedies.js",
    "transport.js",
    "elements.js",
    "highlights.js",
    "links.js",
    "rows.js",
    "dashboard.js",
    "summary.js",
    "search.js",
    "begin.js",
)


def dashboard_resource() -> Resource:
    """Return the entry of the dashboard in resources/list."""
    return Resource(
        uri=DASHBOARD_URI,
        name="dashboard",
        title="Dashboard",
        description="Connections, running syncs and their history, for people to look at.",
        mime_type=MIME_TYPE,
        _meta=RESOURCE_META,
    )


def page_for_host(tools: Collection[str]) -> str:
    """Return the page for an MCP host, with buttons only for the ``tools`` of the caller."""
    return _page(f'data-transport="host" data-tools="{" ".join(tools)}"')


def page_for_browser(*, auth: bool) -> str:
    """Return the page that calls the ``/mcp`` beside it; with ``auth`` it asks for a token."""
    return _page(f'data-transport="http" data-auth="{"token" if auth else "none"}"')


def browser_policy() -> str:
    """Return the Content-Security-Policy of that page: only its own script, style and origin."""
    script, style = (_sha256(part) for part in (_script(), _text("dashboard.css")))
    return (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _page(attributes: str) -> str:
    return _build_page().replace('<html lang="en">', f'<html lang="en" {attributes}>', 1)


@cache
def _build_page() -> str:
    page = _text("dashboard.html").replace("/*{css}*/", _text("dashboard.css"), 1)
    return page.replace("/*{js}*/", _script(), 1)


@cache
def _script() -> str:
    # One function around all parts keeps their names out of the window object.
    parts = "\n".join(_text(name) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();'


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
