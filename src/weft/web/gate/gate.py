"""The gate in front of every route: whom it is asked as, who asks, and how much at once.

Nothing of a request's body is kept before all of that is known.
"""

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Final, cast

import anyio
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.domain.acting import acting
from weft.domain.principals import LOCAL_PRINCIPAL, Principal
from weft.errors import NotPermitted, TryLater
from weft.telemetry.logs import log_context
from weft.web.gate.hosts import HostRules
from weft.web.gate.limits import Rates, Slots
from weft.web.gate.metrics import Metrics
from weft.web.gate.responses import GuardedResponse, Refusal
from weft.web.gate.tokens import Authenticate

BODY_MAX_BYTES: Final = 4 * 1024 * 1024
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


@dataclass(slots=True)
class _Request:
    """One request on its way through the gate; each header is the first of its name."""

    app: ASGIApp
    access: Access
    scope: Scope
    receive: Receive
    response: GuardedResponse
    route: str
    is_page: bool
    headers: Mapping[str, str]

    async def pass_on(self) -> None:
        """Have the application answer."""
        # A client that goes while it sends is no error of ours.
        with suppress(ClientDisconnect):
            await self.app(self.scope, self.receive, self.response.send)


async def _answer(app: ASGIApp, access: Access, scope: Scope, receive: Receive, send: Send) -> None:
    path: str = scope["path"]
    request_id = secrets.token_hex(8)
    response = GuardedResponse(receive, send, request_id, for_programs=path in access.stream_paths)
    page_route = None if path in access.known_paths else access.page_route(path)
    request = _Request(
        app,
        access,
        scope,
        response.receive,
        response,
        page_route or _route(access, path),
        page_route is not None,
        {n.decode("latin-1"): v.decode("latin-1") for n, v in reversed(scope["headers"])},
    )
    started = time.perf_counter()
    with log_context(request_id=request_id):
        try:
            await _admit(request)
        except anyio.get_cancelled_exc_class():
            # The server's patience is at its end, and this ends the task in any case: saying so is
            # better than a cut.
            if not access.draining.is_set():
                raise
            with anyio.CancelScope(shield=True):
                await response.finish()
        except Exception:
            # The last edge: outside it nothing is known of the request that could be logged.
            _logger.exception("a request crashed")
            await response.crashed()
        finally:
            _record(request, time.perf_counter() - started)


def _route(access: Access, path: str) -> str:
    """What a path, which is no page's, is called where it is written down."""
    bare = path.rstrip("/") or "/"
    return bare if bare in access.known_paths else access.rest_route(bare) or "other"


def _record(request: _Request, seconds: float) -> None:
    method: str = request.scope["method"]
    known_method = method if method in _METHODS else "other"
    request.access.metrics.request_ended(known_method, request.route, request.response.status)
    if _logger.isEnabledFor(logging.INFO):
        facts = {
            "method": known_method,
            "route": request.route,
            "status": request.response.status,
            "duration_ms": round(seconds * 1000, 1),
        }
        _logger.info("request", extra={"facts": facts})


async def _admit(request: _Request) -> None:
    access, headers = request.access, request.headers
    # Pages tell origins apart themselves.
    origin = None if request.is_page else headers.get("origin")
    refused = access.hosts.refusal(headers.get("host"), origin)
    if refused:
        await request.response.refuse(Refusal(refused[0], "forbidden", refused[1]))
        return
    if request.scope["path"] in access.open_paths:
        await request.pass_on()
        return
    operation = f"{request.scope['method']} {request.route}"
    if request.is_page:
        # The link is all that is known of a person.
        with acting(operation=operation, principal="link", transport="http"):
            await _within_limits(request)
        return
    admitted = await _authenticated(access, headers)
    if isinstance(admitted, Refusal):
        await request.response.refuse(admitted)
        return
    refusal = _limited(request, admitted)
    if refusal:
        await request.response.refuse(refusal)
        return
    request.scope = {**request.scope, _PRINCIPAL: admitted}
    with (
        log_context(principal=admitted.name),
        acting(operation=operation, principal=admitted.name, transport="http"),
    ):
        await _within_limits(request)


async def _authenticated(access: Access, headers: Mapping[str, str]) -> Principal | Refusal:
    if access.authenticators is None:
        return LOCAL_PRINCIPAL
    token = _presented(headers)
    try:
        for authenticate in access.authenticators if token else ():
            principal = await authenticate(token)
            if principal is not None:
                return principal
    except NotPermitted as error:
        challenge = _challenge(access, "insufficient_scope")
        return Refusal(403, "insufficient_scope", str(error), challenge)
    except TryLater as error:
        return Refusal(503, "unavailable", str(error), {"retry-after": "5"})
    text = "Send a valid token as `Authorization: Bearer TOKEN` or `x-api-key: TOKEN`."
    challenge = _challenge(access, "invalid_token" if token else None)
    return Refusal(401, "invalid_token", text, challenge)


def _presented(headers: Mapping[str, str]) -> str:
    given = headers.get("authorization")
    if given is None:
        return headers.get("x-api-key", "").strip()
    scheme, _, token = given.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _challenge(access: Access, error: str | None) -> Mapping[str, str]:
    parts = [f'error="{error}"'] if error else []
    if access.metadata_url:
        parts.append(f'resource_metadata="{access.metadata_url}"')
    return {"www-authenticate": "Bearer " + ", ".join(parts) if parts else "Bearer"}


def _limited(request: _Request, principal: Principal) -> Refusal | None:
    caller = (principal.organization_id, principal.name)
    rates = request.access.rates
    wait = rates.take(caller)
    # Of the HTTP API's clients some count; those of MCP read no headers until they are refused.
    if wait or request.scope["path"] not in request.access.stream_paths:
        request.response.tell_limits(rates.standing(caller))
    if wait:
        text = "Too many requests in a minute; wait as long as Retry-After says."
        return Refusal(429, "rate_limited", text, {"retry-after": str(ceil(wait))})
    declared = request.headers.get("content-length", "0")
    return _TOO_LARGE if not declared.isdigit() or int(declared) > BODY_MAX_BYTES else None


async def _within_limits(request: _Request) -> None:
    access = request.access
    is_stream = request.scope["path"] in access.stream_paths and _opens_stream(request)
    slots = access.streams if is_stream else access.requests
    with slots.one() as free:
        if not free:
            text = "The server is serving as much at once as it may; try again shortly."
            await request.response.refuse(Refusal(503, "busy", text, {"retry-after": "2"}))
        elif await _has_whole_body(request):
            await (_until_ended(request) if is_stream else request.pass_on())


def _opens_stream(request: _Request) -> bool:
    """Whether a request's answer is a stream without an end."""
    return request.scope["method"] == "GET" or request.headers.get("mcp-method") == _LISTEN_METHOD


async def _has_whole_body(request: _Request) -> bool:
    """Read the body, for the application to take; without it the request is done with."""
    # Pages read their own forms, which are shorter.
    if request.is_page:
        return True
    parts, size, more = list[bytes](), 0, True
    while more and size <= BODY_MAX_BYTES:
        message = await request.receive()
        if message["type"] != "http.request":
            return False  # The client is gone.
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
    if size > BODY_MAX_BYTES:
        parts.clear()
        await request.response.refuse(_TOO_LARGE)
        return False
    whole: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]
    rest = request.receive

    async def replay() -> Message:
        return whole.pop() if whole else await rest()

    request.receive = replay
    return True


async def _until_ended(request: _Request) -> None:
    """Serve a stream, which has no end of its own, until the server ends or its token is void."""
    access = request.access
    async with anyio.create_task_group() as tasks:

        async def end_after(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        async def token_is_void() -> None:
            admitted = True
            while admitted:
                await anyio.sleep(access.readmit_seconds)
                admitted = await _still_admitted(request)

        tasks.start_soon(end_after, access.draining.wait)
        if access.authenticators is not None and _PRINCIPAL in request.scope:
            tasks.start_soon(end_after, token_is_void)
        await request.pass_on()
        tasks.cancel_scope.cancel()
    await request.response.finish()


async def _still_admitted(request: _Request) -> bool:
    """Whether the request's token lets in whom it let in; while that cannot be told, it does."""
    admitted = await _authenticated(request.access, request.headers)
    if isinstance(admitted, Principal):
        return admitted == principal_of(request.scope)
    return admitted.status == HTTPStatus.SERVICE_UNAVAILABLE


_TOO_LARGE = Refusal(
    413, "too_large", f"The body is larger than {BODY_MAX_BYTES // 1024 // 1024} MiB."
)
