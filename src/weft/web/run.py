"""Runs the application on uvicorn, with our own sockets and signals and a bounded shutdown."""

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

from weft.errors import InvalidInput
from weft.web.gate.gate import VOUCH
from weft.web.gate.limits import Strangers

# At shutdown, running requests get this long to finish; jobs are handed back after that.
# Containers are killed 10 seconds after SIGTERM.
DRAIN_SECONDS: Final = 7
BACKSTOP_SECONDS: Final = 25
HEAD_SECONDS: Final = 20.0
BODY_SECONDS: Final = 60.0
CHECK_SECONDS: Final = 2.0
# The parsing of one takes some 30 microseconds: about as long as this, others wait at a time.
EVENTS_AT_ONCE: Final = 16
_BACKLOG: Final = 512
_SPARE_CONNECTIONS: Final = 100
STRANGERS_MAX: Final = 500

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listening:
    """The address to listen on, TLS, and limits. ``proxies`` may set X-Forwarded-For."""

    host: str
    port: int
    tls_cert: Path | None
    tls_key: Path | None
    proxies: Sequence[str]
    connections_max: int


def bind_socket(host: str, port: int) -> socket.socket:
    """Bind a listening socket, so that a port in use is reported before anything starts.

    Raises InvalidInput naming the setting.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError):
        raise InvalidInput(
            "WEFT_HTTP_HOST (or --host) names no address to listen on.", field="WEFT_HTTP_HOST"
        ) from None
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # From now on a client that connects early waits a moment instead of being refused.
        bound.listen(_BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise InvalidInput(
            f"Port {port} cannot be bound: {error.strerror}.",
            field="WEFT_HTTP_PORT",
            hint="Stop what uses it, or choose another with --port.",
        ) from None
    return bound


def url_of(bound: socket.socket, listening: Listening) -> str:
    """Return the URL that clients on this machine use."""
    name = f"[{listening.host}]" if ":" in listening.host else listening.host
    return f"{'https' if listening.tls_cert else 'http'}://{name}:{bound.getsockname()[1]}"


async def run_app(
    app: ASGIApp,
    bound: socket.socket,
    listening: Listening,
    on_end: Callable[[], None],
    announce: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT. Calls ``announce`` once nothing can prevent that any more, and
    ``on_end`` at the signal; requests then get DRAIN_SECONDS to finish, and a second signal cuts
    them off.

    Raises InvalidInput when the certificate cannot be used.
    """
    _allow_many_connections()
    server = SignalFreeServer(_build_config(app, listening))
    announce()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, server, on_end)
        await server.serve([bound])
        tasks.cancel_scope.cancel()


class SignalFreeServer(uvicorn.Server):
    """A uvicorn server that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # uvicorn would raise the signal again after serving, before our own clean-up has run.
        yield


class _PacedConnection(h11.Connection):
    """Parses at most EVENTS_AT_ONCE events until `begin_turn` is called again."""

    events_left = EVENTS_AT_ONCE

    def begin_turn(self) -> None:
        self.events_left = EVENTS_AT_ONCE

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        if not self.events_left:
            return h11.NEED_DATA
        self.events_left -= 1
        return super().next_event()


class _PacedFlow(FlowControl):
    """Reads nothing more while it ``is_held``."""

    is_held = False

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()


class DeadlineH11Protocol(H11Protocol):
    """HTTP/1.1 that closes connections on which the head or body of a request arrives too late, and
    those of `Strangers` when there are too many: anyone can open one without a token.

    What came at once is taken a few events at a time: a body may consist of chunks of one byte,
    and would hold up everybody else for seconds.
    """

    conn: _PacedConnection
    paced_flow: _PacedFlow
    strangers: Strangers
    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS
    # A timer for each request would cost more than this periodic check.
    check_seconds = CHECK_SECONDS
    _state: Any = h11.IDLE
    _since = 0.0
    _timer: asyncio.TimerHandle | None = None
    _next_turn: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] (as there)
        super().connection_made(transport)
        self.conn = _PacedConnection(h11.SERVER)
        self.flow = self.paced_flow = _PacedFlow(transport)
        self.strangers.enter(self)
        self.app_state = {**self.app_state, VOUCH: partial(self.strangers.leave, self)}
        self._since = self.loop.time()
        self._check_deadline()

    def handle_events(self) -> None:
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn, self.paced_flow.is_held = None, False
            self.flow.resume_reading()
        self.conn.begin_turn()
        super().handle_events()
        if not self.conn.events_left and not self.transport.is_closing():
            self.flow.pause_reading()
            self.paced_flow.is_held = True
            self._next_turn = self.loop.call_soon(self.handle_events)
        if self.conn.their_state is not self._state:
            self._state = self.conn.their_state
            self._since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        for waiting in (self._timer, self._next_turn):
            if waiting is not None:
                waiting.cancel()
        self.strangers.leave(self)
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        return not self.cycle or self.cycle.response_complete

    def cut(self) -> None:
        self.transport.abort()

    def _check_deadline(self) -> None:
        patience = {h11.IDLE: self.head_seconds, h11.SEND_BODY: self.body_seconds}.get(self._state)
        if patience is not None and self.loop.time() - self._since > patience:
            self._give_up()
        elif not self.transport.is_closing():
            self._timer = self.loop.call_later(self.check_seconds, self._check_deadline)

    def _give_up(self) -> None:
        # Only a request that has begun, and has no answer yet, can be answered with 408.
        if self._state is h11.SEND_BODY and self.conn.our_state is h11.SEND_RESPONSE:
            for event in _TOO_SLOW:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


_TOO_SLOW_BODY = b'{"error": "timeout", "detail": "The body did not arrive in time."}'
_TOO_SLOW = (
    h11.Response(
        status_code=408,
        reason=b"Request Timeout",
        headers=[
            ("content-type", "application/json"),
            ("content-length", str(len(_TOO_SLOW_BODY))),
            ("connection", "close"),
        ],
    ),
    h11.Data(data=_TOO_SLOW_BODY),
    h11.EndOfMessage(),
)


def _build_config(app: ASGIApp, listening: Listening) -> uvicorn.Config:
    class OwnH11Protocol(DeadlineH11Protocol):
        strangers = Strangers(STRANGERS_MAX)

    config = uvicorn.Config(
        app,
        lifespan="on",
        http=OwnH11Protocol,
        ws="none",
        # uvicorn's log goes to stderr like ours. We log requests ourselves.
        log_config=None,
        access_log=False,
        proxy_headers=bool(listening.proxies),
        forwarded_allow_ips=list(listening.proxies),
        server_header=False,
        backlog=_BACKLOG,
        # Strangers never take the places of callers who are known. What a burst of them asked for
        # ends a moment after they were cut, and counts until then.
        limit_concurrency=listening.connections_max
        + _SPARE_CONNECTIONS
        + STRANGERS_MAX
        + 2 * _BACKLOG,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=listening.tls_cert,
        ssl_keyfile=listening.tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError):
        raise InvalidInput(
            "The TLS certificate or its key cannot be used.",
            field="WEFT_HTTP_TLS_CERT",
            hint="Both must be readable PEM files that belong together.",
        ) from None
    return config


async def _end_on_signal(server: uvicorn.Server, on_end: Callable[[], None]) -> None:
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            if server.should_exit:
                server.force_exit = True
            else:
                _logger.info("ending: requests are answered for up to %d s", DRAIN_SECONDS)
                _arm_backstop()
                on_end()
            server.should_exit = True


def _arm_backstop() -> None:
    """Kill the process if its clean-up hangs."""
    timer = threading.Timer(BACKSTOP_SECONDS, os._exit, [0])
    timer.daemon = True
    timer.start()


def _allow_many_connections() -> None:
    """Raise the limit on open files: each stream is one, and many systems allow only 1,024."""
    if sys.platform == "win32":
        return
    import resource  # Only Unix has it.

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
