"""The page at `/`, and that pages of this server itself may call it."""

import httpx
import pytest
from starlette.applications import Starlette

from weft.web.build import OPEN_PATHS
from weft.web.gate.hosts import build_host_rules
from weft.web.pages.home import HOME_PATH, home_routes

pytestmark = pytest.mark.anyio


async def test_page_comes_under_its_policy_and_is_kept_nowhere() -> None:
    app = Starlette(routes=home_routes("<p>Hello", "default-src 'none'"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://weft") as client:
        answer = await client.get("/")
        refused = await client.post("/")
    assert (answer.status_code, answer.text) == (200, "<p>Hello")
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in answer.headers
    assert refused.status_code == 405


def test_page_itself_needs_no_token() -> None:
    assert HOME_PATH in OPEN_PATHS


@pytest.mark.parametrize(
    ("host", "origin", "is_answered"),
    [
        ("weft.example.org", "https://weft.example.org", True),
        ("weft.example.org:8443", "https://weft.example.org:8443", True),
        ("weft.example.org", "http://weft.example.org", False),
        ("weft.example.org", "https://weft.example.org:8443", False),
        ("weft.example.org", "https://example.org", False),
        ("weft.example.org", "null", False),
        ("evil.example", "https://evil.example", False),
    ],
)
def test_only_the_servers_own_page_may_call_it(host: str, origin: str, is_answered: bool) -> None:
    rules = build_host_rules("0.0.0.0", ["weft.example.org"], [])
    assert (rules.refusal(host, origin) is None) is is_answered
