"""OAuth: a client finds out where tokens come from, and theirs let it in."""

from collections.abc import AsyncGenerator

import pytest

from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import Place
from tests.support.oauth.issuer import AUDIENCE, Issuer, new_key, serve_issuer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def issuer() -> AsyncGenerator[Issuer]:
    async with serve_issuer() as running:
        yield running


@pytest.fixture
async def server(place: Place, issuer: Issuer) -> AsyncGenerator[HttpServer]:
    extra = {
        "WEFT_OAUTH_ISSUER": issuer.url,
        "WEFT_OAUTH_AUDIENCE": AUDIENCE,
        "WEFT_OAUTH_SCOPES": "use",
        "WEFT_HTTP_PUBLIC_URL": AUDIENCE,
    }
    async with http_server(place, **extra) as running:
        yield running


async def test_tokens_of_the_issuer_let_in_and_others_do_not(
    server: HttpServer, issuer: Issuer
) -> None:
    async with server.client(token="") as client:
        challenged = (await client.post("/mcp", json={})).headers["www-authenticate"]
        where = "https://weft.example/.well-known/oauth-protected-resource/mcp"
        assert challenged == f'Bearer resource_metadata="{where}"'
        metadata = (await client.get("/.well-known/oauth-protected-resource/mcp")).json()
        assert metadata["resource"] == AUDIENCE
        assert metadata["authorization_servers"] == [issuer.url]

    bad = (issuer.token(aud="https://other.example"), issuer.token(key=new_key("first")))
    for token in bad:
        async with server.client(token=token) as client:
            refused = await client.get("/metrics")
            assert refused.status_code == 401
            assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    async with server.client(token=issuer.token(scope="weft:admin")) as client:
        refused = await client.get("/metrics")
        assert refused.status_code == 403
        assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]

    async with server.agent(token=issuer.token(org_id="team")) as agent:
        await agent.collection("of-the-team")
        assert "role" in await agent.expect_refusal("delete_collection")
    async with server.agent(token=issuer.token(sub="bob", org_id="team")) as agent:
        (found,) = (await agent.ok("list_collections")).items
        assert found["readable_id"] == "of-the-team"
    for token in (issuer.token(), server.token):
        async with server.agent(token=token) as agent:
            assert (await agent.ok("list_collections")).items == []
