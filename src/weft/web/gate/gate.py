"""The gate in front of every route: checks Host, Origin, token, rate, slots and size of a request.

No part of a request's body is kept until all checks have passed.
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

from weft.domain.access.acting import acting
from weft.domain.access.principals import LOCAL_PRINCIPAL, Principal
from weft.errors import NotPermitted, TryLater
from weft.telemetry.logs import log_context
from weft.web.gate.hosts import HostRules
from weft.web.gate.limits import LargeBodies, Rates, Slots
from weft.web.gate.metrics import Metrics
from weft.web.gate.operator_token import Authenticate
from weft.web.gate.responses import GuardedResponse, HttpRefusal

BODY_MAX_BYTES: Final = 4 * 1024 * 1024
# A stream may stay open for days, so its token is checked again at this interval.
READMIT_SECONDS: Final = 5.0
# In the state of a request: says that whoever opened its connection is known.
VOUCH: Final = "weft.vouch"
_PRINCIPAL: Final = "weft.principal"
_LISTEN_METHOD: Final = "subscriptions/listen"
_METHODS: Final = ("GET", "POST", "PATCH", "DELETE")

_logger = logging.getLogger(__name__)


def _no_template(_path: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Page:
    """A route whose permission is in its path, and the methods that it has."""

    template: str
    methods: frozenset[str]


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules that every request is checked against, and the limits on requests at once.

    Without ``authenticators`` (None) everyone acts as the operator. ``open_paths`` need no token;
    a GET of ``stream_paths`` opens an event stream. ``metadata_url`` tells clients where to get
    tokens. ``page_of`` finds the page at a path: with its methods it needs no token, and it checks
    its origin itself. Of it only the template is logged, and of a path of the HTTP API what
    ``rest_template_of`` returns. ``draining`` is set to end open streams. A stream outlives its
    token by at most ``readmit_seconds``.
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
    bodies: LargeBodies = field(default_factory=LargeBodies)
    metadata_url: str | None = None
    page_of: Callable[[str], Page | None] = _no_template
    rest_template_of: Callable[[str], str | None] = _no_template
    draining: anyio.Event = field(default_factory=anyio.Event)
    readmit_seconds: float = READMIT_SECONDS


def principal_of(scope: Scope) -> Principal:
    """Return the principal that the gate admitted with this request."""
    return cast("Principal", scope[_PRINCIPAL])


def guard(app: ASGIApp, gate: Gate) -> ASGIApp:
    """Put ``app`` behind the gate."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] == "http":
            await _handle(app, gate, scope, receive, send)

    return call


@dataclass(slots=True)
class _GatedRequest:
    """One request on its way through the gate. If a header is repeated, the first one counts."""

    app: ASGIApp
    gate: Gate
    scope: Scope
    receive: Receive
    response: GuardedResponse
    route: str
    is_page: bool
    headers: Mapping[str, str]

    async def pass_on(self) -> None:
        """Let the application answer."""
        # A client that disconnects while sending is not our error.
        with suppress(ClientDisconnect):
            await self.app(self.scope, self.receive, self.response.send)


async def _handle(app: ASGIApp, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
    path: str = scope["path"]
    request_id = secrets.token_hex(8)
    response = GuardedResponse(receive, send, request_id, for_programs=path in gate.stream_paths)
    page = None if path in gate.known_paths else gate.page_of(path)
    request = _GatedRequest(
        app,
        gate,
        scope,
        response.receive,
        response,
        page.template if page else _route_name(gate, path),
        # With another method the path is one of the HTTP API, which needs a token.
        page is not None and scope["method"] in page.methods,
        {n.decode("latin-1"): v.decode("latin-1") for n, v in reversed(scope["headers"])},
    )
    started = time.perf_counter()
    with log_context(request_id=request_id):
        try:
            await _admit(request)
        except anyio.get_cancelled_exc_class():
            # The drain time is over and this task ends in any case. Tell the client so, rather
            # than cut the connection.
            if not gate.draining.is_set():
                raise
            with anyio.CancelScope(shield=True):
                await response.finish()
        except Exception:
            # This is the outermost handler that knows the request, so it logs the crash.
            _logger.exception("a request crashed")
            await response.report_crash()
        finally:
            _record(request, time.perf_counter() - started)


def _route_name(gate: Gate, path: str) -> str:
    """Return the name of a path for logs and metrics; pages have their own."""
    bare = path.rstrip("/") or "/"
    return bare if bare in gate.known_paths else gate.rest_template_of(bare) or "other"


def _record(request: _GatedRequest, seconds: float) -> None:
    method: str = request.scope["method"]
    known_method = method if method in _METHODS else "other"
    request.gate.metrics.count_request(known_method, request.route, request.response.status)
    if _logger.isEnabledFor(logging.INFO):
        facts = {
            "method": known_method,
            "route": request.route,
            "status": request.response.status,
            "duration_ms": round(seconds * 1000, 1),
        }
        _logger.info("request", extra={"facts": facts})


async def _admit(request: _GatedRequest) -> None:
    gate, headers = request.gate, request.headers
    if "transfer-encoding" in headers and "content-length" in headers:
        await request.response.refuse(_TWO_LENGTHS)
        return
    # Pages check the Origin themselves.
    origin = None if request.is_page else headers.get("origin")
    refused = gate.hosts.refusal(headers.get("host"), origin)
    if refused:
        await request.response.refuse(HttpRefusal(refused[0], "forbidden", refused[1]))
        return
    if request.scope["path"] in gate.open_paths:
        await request.pass_on()
        return
    operation = f"{request.scope['method']} {request.route}"
    if request.is_page:
        # We know nothing about the person but the link.
        with acting(operation=operation, principal="link", transport="http"):
            await _serve_in_slot(request)
        return
    admitted = await _authenticate(gate, headers)
    if isinstance(admitted, HttpRefusal):
        await request.response.refuse(admitted)
        return
    if vouch := request.scope.get("state", {}).get(VOUCH):
        vouch()
    refusal = _check_limits(request, admitted)
    if refusal:
        await request.response.refuse(refusal)
        return
    request.scope = {**request.scope, _PRINCIPAL: admitted}
    with (
        log_context(principal=admitted.name),
        acting(operation=operation, principal=admitted.name, transport="http"),
    ):
        await _serve_in_slot(request)


async def _authenticate(gate: Gate, headers: Mapping[str, str]) -> Principal | HttpRefusal:
    if gate.authenticators is None:
        return LOCAL_PRINCIPAL
    token = _token_of(headers)
    try:
        for authenticate in gate.authenticators if token else ():
            principal = await authenticate(token)
            if principal is not None:
                return principal
    except NotPermitted as error:
        challenge = _challenge(gate, "insufficient_scope")
        return HttpRefusal(403, "insufficient_scope", str(error), challenge)
    except TryLater as error:
        return HttpRefusal(503, "unavailable", str(error), {"retry-after": "5"})
    text = "Send a valid token as `Authorization: Bearer TOKEN` or `x-api-key: TOKEN`."
    challenge = _challenge(gate, "invalid_token" if token else None)
    return HttpRefusal(401, "invalid_token", text, challenge)


def _token_of(headers: Mapping[str, str]) -> str:
    given = headers.get("authorization")
    if given is None:
        return headers.get("x-api-key", "").strip()
    scheme, _, token = given.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _challenge(gate: Gate, error: str | None) -> Mapping[str, str]:
    parts = [f'error="{error}"'] if error else []
    if gate.metadata_url:
        parts.append(f'resource_metadata="{gate.metadata_url}"')
    return {"www-authenticate": "Bearer " + ", ".join(parts) if parts else "Bearer"}


def _check_limits(request: _GatedRequest, principal: Principal) -> HttpRefusal | None:
    caller = (principal.organization_id, principal.name)
    rates = request.gate.rates
    wait = rates.take(caller)
    # HTTP API clients may watch their rate; MCP clients read these headers only on a refusal.
    if wait or request.scope["path"] not in request.gate.stream_paths:
        request.response.add_rate_headers(rates.status(caller))
    if wait:
        text = "Too many requests in a minute; wait as long as Retry-After says."
        return HttpRefusal(429, "rate_limited", text, {"retry-after": str(ceil(wait))})
    declared = request.headers.get("content-length", "0")
    return _TOO_LARGE if not declared.isdigit() or int(declared) > BODY_MAX_BYTES else None


async def _serve_in_slot(request: _GatedRequest) -> None:
    gate = request.gate
    is_stream = request.scope["path"] in gate.stream_paths and _opens_stream(request)
    slots = gate.streams if is_stream else gate.requests
    with slots.hold() as free, gate.bodies.hold(request.scope.get(_PRINCIPAL)) as grow:
        if not free:
            await request.response.refuse(_BUSY)
        elif await _read_body(request, grow):
            await (_serve_stream(request) if is_stream else request.pass_on())


def _opens_stream(request: _GatedRequest) -> bool:
    """Return whether the request asks for an open-ended stream."""
    return request.scope["method"] == "GET" or request.headers.get("mcp-method") == _LISTEN_METHOD


async def _read_body(request: _GatedRequest, grow: Callable[[int], bool]) -> bool:
    """Read the body for the application; return False if the request needs no further answer."""
    # Pages read their own forms, under a lower limit.
    if request.is_page:
        return True
    parts, size, more, has_room = list[bytes](), 0, True, True
    while more and size <= BODY_MAX_BYTES and has_room:
        message = await request.receive()
        if message["type"] != "http.request":
            return False  # The client has disconnected.
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        has_room = grow(size)
    if size > BODY_MAX_BYTES or not has_room:
        parts.clear()
        await request.response.refuse(_TOO_LARGE if size > BODY_MAX_BYTES else _BUSY)
        return False
    whole: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]
    rest = request.receive

    async def replay() -> Message:
        return whole.pop() if whole else await rest()

    request.receive = replay
    return True


async def _serve_stream(request: _GatedRequest) -> None:
    """Serve a stream until the client leaves, the server ends or the token becomes invalid."""
    gate = request.gate
    async with anyio.create_task_group() as tasks:

        async def end_after(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        async def wait_for_invalid_token() -> None:
            admitted = True
            while admitted:
                await anyio.sleep(gate.readmit_seconds)
                admitted = await _reauthenticate(request)

        tasks.start_soon(end_after, gate.draining.wait)
        if gate.authenticators is not None and _PRINCIPAL in request.scope:
            tasks.start_soon(end_after, wait_for_invalid_token)
        await request.pass_on()
        tasks.cancel_scope.cancel()
    await request.response.finish()


async def _reauthenticate(request: _GatedRequest) -> bool:
    """Check again that the token admits the same principal; True while that cannot be checked."""
    admitted = await _authenticate(request.gate, request.headers)
    if isinstance(admitted, Principal):
        return admitted == principal_of(request.scope)
    return admitted.status == HTTPStatus.SERVICE_UNAVAILABLE


_BUSY = HttpRefusal(
    503,
    "busy",
    "The server is serving as much at once as it may; try again shortly.",
    {"retry-after": "2"},
)
# A proxy may have read another end of the body than we, and so another start of what follows.
_TWO_LENGTHS = HttpRefusal(
    400,
    "invalid_request",
    "Give either Content-Length or Transfer-Encoding, not both.",
    {"connection": "close"},
)
_TOO_LARGE = HttpRefusal(
    413, "too_large", f"The body is larger than {BODY_MAX_BYTES // 1024 // 1024} MiB."
)
