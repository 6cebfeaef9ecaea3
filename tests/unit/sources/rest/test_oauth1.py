"""Requests of a service with OAuth 1.0a are signed, whatever their parameters."""

from types import SimpleNamespace
from typing import Any

import pytest
from authlib.oauth1.rfc5849 import signature
from authlib.oauth1.rfc5849.wrapper import OAuth1Request
from pydantic import BaseModel, SecretStr

from weft.net.client import http_factory
from weft.sources.base import NoFields, SourceContext
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import NextUrl, SignedOAuth1, Stream
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json, serve
from weft.testing.source_contract import events_of


class Secrets(BaseModel):
    """What signs."""

    consumer_key: SecretStr
    consumer_secret: SecretStr
    oauth_token: SecretStr
    oauth_token_secret: SecretStr


class BoardSource(RestSource[NoFields, Secrets]):
    """A service that only OAuth 1.0a opens."""

    short_name = "boards"
    name = "Boards"
    description = "Cards of a service of former times."
    Config = NoFields
    Credentials = Secrets
    base_url = "https://boards.example"
    auth = SignedOAuth1(
        consumer_key="consumer_key",
        consumer_secret="consumer_secret",
        token="oauth_token",
        token_secret="oauth_token_secret",
    )
    streams = (
        Stream(
            name="card",
            path="/cards",
            params={"filter": "open & shut"},
            paging=NextUrl(size_param="limit"),
            text="text",
        ),
    )


@pytest.mark.anyio
async def test_each_page_is_asked_for_with_a_signature_of_its_own() -> None:
    signed: list[str] = []

    def answer(asked: HttpRequest) -> HttpReply:
        url = f"http://{asked.headers['host']}{asked.target}"
        headers = {"Authorization": asked.headers["authorization"]}
        request: Any = OAuth1Request(asked.method, url, "", headers)
        request.client = SimpleNamespace(get_client_secret=lambda: "two")
        request.credential = SimpleNamespace(get_oauth_token_secret=lambda: "four")
        assert (request.client_id, request.token) == ("one", "three")
        verifier: Any = signature
        assert verifier.verify_hmac_sha1(request)
        signed.append(request.signature)
        reply = as_json([{"id": len(signed), "text": "a card"}])
        if len(signed) == 1:
            reply.headers = {**reply.headers, "link": f'<{asked.target}&page=2>; rel="next"'}
        return reply

    async with serve(answer) as site:
        context = SourceContext(
            http=http_factory({"127.0.0.1"}), options={"boards_api_url": site.url}
        )
        names = dict(zip(Secrets.model_fields, ("one", "two", "three", "four"), strict=True))
        source = BoardSource(NoFields(), Secrets.model_validate(names), context)
        await events_of(source)
    assert len(set(signed)) == 2
