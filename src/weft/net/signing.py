"""Lets Authlib's client authentication sign requests of httpx."""

from collections.abc import Generator
from typing import Any

import httpx


class SignedRequests(httpx.Auth):
    """A base beside one of Authlib's ``ClientAuth`` classes, whose ``prepare`` signs a request."""

    requires_request_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Sign the request; Authlib may change everything but the method."""
        signer: Any = self
        url, headers, body = signer.prepare(
            request.method, str(request.url), dict(request.headers), request.content
        )
        content = body.encode() if isinstance(body, str) else body
        kept = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        yield httpx.Request(
            request.method, url, headers=kept, content=content, extensions=request.extensions
        )
