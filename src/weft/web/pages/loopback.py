"""The pages for people in a process without an HTTP server: a listener on the loopback address.

It opens with the first link, and closes once it is unused for longer than a link is valid.
"""

from socket import socket
from typing import TYPE_CHECKING, Final

import anyio

from weft.backend import AuthSessions
from weft.errors import InvalidInput

if TYPE_CHECKING:
    # Importing an HTTP server takes longer than the rest of Weft: do it when a page is needed.
    from starlette.types import ASGIApp, Receive, Scope, Send

HOST: Final = "127.0.0.1"
# Longer than the ten minutes that a link is valid.
IDLE_SECONDS: Final = 900.0
# A process on stdio has less than two seconds to shut down.
DRAIN_SECONDS: Final = 1
_REQUESTS_MAX: Final = 20
_REQUESTS_PER_MINUTE: Final = 600


class LoopbackPages:
    """Opens the listener on demand, and closes it when it is idle.

    ``port`` 0 takes any free port, a different one each time.
    """

    def __init__(self, port: int = 0, idle_seconds: float = IDLE_SECONDS) -> None:
        self._port = port
        self._idle_seconds = idle_seconds
        self._wanted = anyio.Event()
        self._socket: socket | None = None
        # Its deadline passes when the listener has been idle for too long.
        self._in_use = anyio.CancelScope()
        # Held while the listener opens or closes: a fixed port must be released before it is bound.
        self._changing = anyio.Lock()

    async def open(self) -> str:
        """Open the listener if it is closed, and return the base URL of its pages.

        Only works while `run` does. Raises InvalidInput when the fixed port is in use.
        """
        async with self._changing:
            if self._socket is None:
                self._socket = _bind(self._port)
                self._in_use = anyio.CancelScope()
                self._wanted.set()
            self._extend_use()
            return _url_of(self._socket)

    async def run(self, sessions: AuthSessions) -> None:
        """Serve the pages whenever someone opens them, until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                if self._socket is not None:
                    await self._serve(sessions, self._socket)
        finally:
            # `open` may have been called just before the end.
            if self._socket is not None:
                self._socket.close()

    async def _serve(self, sessions: AuthSessions, bound: socket) -> None:
        # Imported late, see above.
        import uvicorn

        from weft.web.run import SignalFreeServer

        config = uvicorn.Config(
            self._extend_on_request(_build_app(sessions, _url_of(bound))),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        server = SignalFreeServer(config)
        ended = anyio.Event()

        async def serve() -> None:
            # A cancelled server leaves its connections open, so it is asked to exit instead.
            with anyio.CancelScope(shield=True):
                await server.serve([bound])
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            try:
                while not ended.is_set():
                    with self._in_use:
                        await anyio.sleep_forever()
                    async with self._changing:
                        until = self._in_use.deadline
                        if until > anyio.current_time():
                            # It was used at the last moment.
                            self._in_use = anyio.CancelScope(deadline=until)
                            continue
                        server.should_exit = True
                        await ended.wait()
                        self._socket = None
                        self._wanted = anyio.Event()
            finally:
                server.should_exit = True

    def _extend_use(self) -> None:
        self._in_use.deadline = anyio.current_time() + self._idle_seconds

    def _extend_on_request(self, app: "ASGIApp") -> "ASGIApp":
        async def call(scope: "Scope", receive: "Receive", send: "Send") -> None:
            self._extend_use()
            await app(scope, receive, send)

        return call


def _bind(port: int) -> socket:
    from weft.web.run import bind_socket  # Imported late, see above.

    try:
        return bind_socket(HOST, port)
    except InvalidInput:
        raise InvalidInput(
            f"The page for people cannot be opened: port {port} of {HOST} is in use.",
            field="WEFT_CALLBACK_PORT",
            hint="Another Weft may be waiting for an authorisation there: finish that one, wait "
            "for 15 minutes, or set another port.",
        ) from None


def _url_of(bound: socket) -> str:
    return f"http://{HOST}:{bound.getsockname()[1]}"


def _build_app(sessions: AuthSessions, url: str) -> "ASGIApp":
    # Imported late, see above.
    from starlette.applications import Starlette

    from weft.web.gate.gate import Gate, guard
    from weft.web.gate.hosts import HostRules
    from weft.web.gate.limits import Rates, Slots
    from weft.web.gate.metrics import Metrics
    from weft.web.pages.routes import PageSettings, page_of, page_routes

    app = Starlette(routes=page_routes(sessions, PageSettings(url)))
    app.router.redirect_slashes = False
    # Allow only this address: a website may point its own name here (DNS rebinding).
    hosts = HostRules(frozenset({url.removeprefix("http://")}), frozenset({url}))
    gate = Gate(
        hosts=hosts,
        authenticators=(),
        open_paths=frozenset(),
        stream_paths=frozenset(),
        known_paths=frozenset(),
        requests=Slots(_REQUESTS_MAX),
        streams=Slots(0),
        rates=Rates(_REQUESTS_PER_MINUTE),
        metrics=Metrics(),
        page_of=page_of,
    )
    return guard(app, gate)
