"""The gate in front of every route: whom it is asked as, who asks, and how much at once.

Nothing of a request's body is kept before all of that is known.
"""

import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any, Final, cast

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.domain.acting import acting
from weft.domain.principals import LOCAL_PRINCIPAL, Principal
from weft.errors import NotPermitted, TryLater
from weft.logs import log_context
from weft.web.hosts import HostRules
from weft.web.limits import Rates, Slots, Standing
from weft.web.metrics import Metrics
from weft.web.tokens import Authenticate

BODY_MAX_BYTES: Final = 4 * 1024 * 1024
# What is refused is read to its end, up to these bounds: a client that is cut off while it sends
# may never see the answer.
DISCARD_MAX_BYTES: Final = 64 * 1024 * 1024
DISCARD_SECONDS: Final = 5.0
# A stream has no end of its own, so who may have it is asked again and again.
READMIT_SECONDS: Final = 5.0
_PRINCIPAL: Final = "weft.principal"
_LISTEN_METHOD: Final = "subscriptions/listen"
_METHODS: Final = ("GET", "POST", "PATCH", "DELETE")

_logger = logging.getLogger(__name__)


def _no_page(_path: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in, and how much at once.

    ``authenticators`` is None when everyone is let in, as the operator. ``open_paths`` need no
    token; ``stream_paths`` are event streams when they are got. ``metadata_url`` tells clients
    where tokens come from. ``page_route`` gives the name of the route of a path that has its own
    permission in it: it needs no token, it tells origins apart itself, and only its name is
    written anywhere. ``rest_route`` gives the template of a path of the HTTP API. ``draining`` is
    set when open streams are to end. ``readmit_seconds`` is how long a stream outlives its token.
    """

    hosts: HostRules
    authenticators: Sequence[Authenticate] | None
    open_paths: frozenset[str]
    stream_paths: frozenset[str]
    known_paths: frozenset[str]
    requests: Slots
    streams: Slots
    rates: Rates
    metrics: Metrics
    metadata_url: str | None = None
    page_route: Callable[[str], str | None] = _no_page
    rest_route: Callable[[str], str | None] = _no_page
    draining: anyio.Event = field(default_factory=anyio.Event)
    readmit_seconds: float = READMIT_SECONDS


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    error: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def principal_of(scope: Scope) -> Principal:
    """Who was let in with this request."""
    return cast("Principal", scope[_PRINCIPAL])


def guarded(app: ASGIApp, access: Access) -> ASGIApp:
    """``app`` behind the gate."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] == "http":
            await _answer(app, access, scope, receive, send)

    return call


async def _answer(app: ASGIApp, access: Access, scope: Scope, receive: Receive, send: Send) -> None:
    request_id = secrets.token_hex(8)
    response = _Response(receive, send, request_id)
    started = time.perf_counter()
    with log_context(request_id=request_id):
        try:
            await _admit(app, access, scope, receive, response)
        finally:
            route = _route(access, scope["path"])
            method = scope["method"] if scope["method"] in _METHODS else "other"
            access.metrics.request_ended(method, route, response.status)
            facts = {
                "method": method,
                "route": route,
                "status": response.status,
                "duration_ms": round((time.perf_counter() - started) * 1000, 1),
            }
            _logger.info("request", extra={"facts": facts})


def _route(access: Access, path: str) -> str:
    """What a path is called where it is written down."""
    bare = path.rstrip("/") or "/"
    if bare in access.known_paths:
        return bare
    return access.page_route(path) or access.rest_route(bare) or "other"


def _is_page(access: Access, path: str) -> bool:
    return path not in access.known_paths and access.page_route(path) is not None


async def _admit(
    app: ASGIApp, access: Access, scope: Scope, receive: Receive, response: "_Response"
) -> None:
    headers = Headers(scope=scope)
    is_page = _is_page(access, scope["path"])
    origin = None if is_page else headers.get("origin")
    refused = access.hosts.refusal(headers.get("host"), origin)
    if refused:
        await response.refuse(_Refusal(refused[0], "forbidden", refused[1]))
        return
    if scope["path"] in access.open_paths:
        await app(scope, receive, response.send)
        return
    operation = f"{scope['method']} {_route(access, scope['path'])}"
    if is_page:
        # The link is all that is known of a person.
        with acting(operation=operation, principal="link", transport="http"):
            await _within_limits(app, access, scope, receive, response)
        return
    admitted = await _authenticated(access, headers)
    if isinstance(admitted, Principal):
        scope = {**scope, _PRINCIPAL: admitted}
        refusal = _limited(access, admitted, headers, response)
    else:
        refusal = admitted
    if refusal:
        await response.refuse(refusal)
        return
    principal = principal_of(scope).name
    with (
        log_context(principal=principal),
        acting(operation=operation, principal=principal, transport="http"),
    ):
        await _within_limits(app, access, scope, receive, response)


async def _authenticated(access: Access, headers: Headers) -> Principal | _Refusal:
    if access.authenticators is None:
        return LOCAL_PRINCIPAL
    token = _presented(headers)
    challenge = {"www-authenticate": _challenge(access, "invalid_token" if token else None)}
    try:
        for authenticate in access.authenticators if token else ():
            principal = await authenticate(token)
            if principal is not None:
                return principal
    except NotPermitted as error:
        challenge = {"www-authenticate": _challenge(access, "insufficient_scope")}
        return _Refusal(403, "insufficient_scope", str(error), challenge)
    except TryLater as error:
        return _Refusal(503, "unavailable", str(error), {"retry-after": "5"})
    text = "Send a valid token as `Authorization: Bearer TOKEN` or `x-api-key: TOKEN`."
    return _Refusal(401, "invalid_token", text, challenge)


def _presented(headers: Headers) -> str:
    given = headers.get("authorization")
    if given is None:
        return headers.get("x-api-key", "").strip()
    scheme, _, token = given.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _challenge(access: Access, error: str | None) -> str:
    parts = [f'error="{error}"'] if error else []
    if access.metadata_url:
        parts.append(f'resource_metadata="{access.metadata_url}"')
    return "Bearer " + ", ".join(parts) if parts else "Bearer"


def _limited(
    access: Access, principal: Principal, headers: Headers, response: "_Response"
) -> _Refusal | None:
    caller = (principal.organization_id, principal.name)
    wait = access.rates.take(caller)
    response.tell_limits(access.rates.standing(caller))
    if wait:
        text = "Too many requests in a minute; wait as long as Retry-After says."
        return _Refusal(429, "rate_limited", text, {"retry-after": str(ceil(wait))})
    declared = headers.get("content-length", "0")
    return _TOO_LARGE if not declared.isdigit() or int(declared) > BODY_MAX_BYTES else None


async def _within_limits(
    app: ASGIApp, access: Access, scope: Scope, receive: Receive, response: "_Response"
) -> None:
    is_stream = scope["path"] in access.stream_paths and (
        scope["method"] == "GET" or _opens_stream(Headers(scope=scope))
    )
    slots = access.streams if is_stream else access.requests
    with slots.one() as free:
        if not free:
            text = "The server is serving as much at once as it may; try again shortly."
            await response.refuse(_Refusal(503, "busy", text, {"retry-after": "2"}))
        elif is_stream:
            await _until_ended(app, access, scope, receive, response)
        elif "transfer-encoding" in Headers(scope=scope) and not _is_page(access, scope["path"]):
            await _with_whole_body(app, scope, receive, response)
        else:
            await app(scope, receive, response.send)


def _opens_stream(headers: Headers) -> bool:
    """Whether a request's answer is a stream without an end; its body is of known length then."""
    asked = headers.get("mcp-method") == _LISTEN_METHOD
    return asked and "transfer-encoding" not in headers


async def _with_whole_body(
    app: ASGIApp, scope: Scope, receive: Receive, response: "_Response"
) -> None:
    """Read a body of unknown length first, and refuse it if it is too long."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_MAX_BYTES:
            del body
            await response.refuse(_TOO_LARGE)
            return
    whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    await app(scope, replay, response.send)


async def _until_ended(
    app: ASGIApp, access: Access, scope: Scope, receive: Receive, response: "_Response"
) -> None:
    """Serve a stream, which has no end of its own, until the server ends or its token is void."""
    async with anyio.create_task_group() as tasks:

        async def end_after(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        async def token_is_void() -> None:
            admitted = True
            while admitted:
                await anyio.sleep(access.readmit_seconds)
                admitted = await _still_admitted(access, scope)

        tasks.start_soon(end_after, access.draining.wait)
        if access.authenticators is not None and _PRINCIPAL in scope:
            tasks.start_soon(end_after, token_is_void)
        await app(scope, receive, response.send)
        tasks.cancel_scope.cancel()
    await response.finish()


async def _still_admitted(access: Access, scope: Scope) -> bool:
    """Whether the request's token lets in whom it let in; while that cannot be told, it does."""
    admitted = await _authenticated(access, Headers(scope=scope))
    if isinstance(admitted, Principal):
        return admitted == principal_of(scope)
    return admitted.status == HTTPStatus.SERVICE_UNAVAILABLE


class _Response:
    """Passes a response on, with the request's id, and remembers how far it came."""

    def __init__(self, receive: Receive, send: Send, request_id: str) -> None:
        self._receive = receive
        self._send = send
        self._request_id = request_id
        self._ended = False
        self._limits: list[tuple[bytes, bytes]] = []
        self.status = 0

    def tell_limits(self, standing: Standing) -> None:
        """Say with the answer how the caller stands, in the headers that Airweave has."""
        reset = ceil(time.time() + standing.full_in_seconds)
        values = {"limit": standing.limit, "remaining": standing.left, "reset": reset}
        self._limits = [(f"ratelimit-{n}".encode(), str(v).encode()) for n, v in values.items()]

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            added = [(b"x-request-id", self._request_id.encode()), *_SAFE_HEADERS, *self._limits]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        elif message["type"] == "http.response.body":
            self._ended = not message.get("more_body", False)
        await self._send(message)

    async def refuse(self, refusal: _Refusal) -> None:
        """Answer without asking the application."""
        # OAuth's names for clients of MCP, and `detail` for those of the HTTP API.
        about: dict[str, Any] = {
            "error": refusal.error,
            "error_description": refusal.text,
            "detail": refusal.text,
        }
        body = json.dumps(about).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **refusal.headers,
        }
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        with anyio.move_on_after(DISCARD_SECONDS):
            await self._discard()
        await self.send({"type": "http.response.body", "body": b""})

    async def _discard(self) -> None:
        size, more = 0, True
        while more and size <= DISCARD_MAX_BYTES:
            message = await self._receive()
            more = message["type"] == "http.request" and message.get("more_body", False)
            size += len(message.get("body", b""))

    async def finish(self) -> None:
        """End a response that was cut off, so that the client sees an end and not a breakdown."""
        # A client that is gone does not mind.
        with suppress(OSError):
            if not self.status:
                text = "The server is ending."
                status = HTTPStatus.SERVICE_UNAVAILABLE.value
                await self.refuse(_Refusal(status, "ending", text, {"retry-after": "5"}))
            elif not self._ended:
                await self.send({"type": "http.response.body", "body": b""})


_TOO_LARGE = _Refusal(
    413, "too_large", f"The body is larger than {BODY_MAX_BYTES // 1024 // 1024} MiB."
)
_SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
