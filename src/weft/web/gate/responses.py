"""Headers that every response gets, and answers to requests that are refused."""

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any, Final

import anyio
from starlette.types import Message, Receive, Send

from weft.web.gate.limits import RateStatus

# The rest of a refused request's body is read within these bounds, because a client that is cut
# off while sending may never see the answer.
DISCARD_MAX_BYTES: Final = 64 * 1024 * 1024
DISCARD_SECONDS: Final = 5.0

_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_NO_REFERRER = (b"referrer-policy", b"no-referrer")


@dataclass(frozen=True, slots=True)
class HttpRefusal:
    """The gate's answer instead of the application's. ``text`` says what to do."""

    status: int
    error: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class GuardedResponse:
    """Passes a response on with the request's id, and remembers how much of it was sent.

    ``for_programs`` leaves out headers that only browsers read. The request's body passes through
    here too, so that we know whether any of it is left to discard.
    """

    def __init__(
        self, receive: Receive, send: Send, request_id: str, *, for_programs: bool
    ) -> None:
        self._receive = receive
        self._send = send
        self._ended = False
        self._added = [(b"x-request-id", request_id.encode()), _NO_SNIFFING]
        if not for_programs:
            self._added.append(_NO_REFERRER)
        self.status = 0
        self._body_is_read = False

    def add_rate_headers(self, standing: RateStatus) -> None:
        """Add the caller's rate limit to the answer, in the headers that Airweave uses."""
        reset = ceil(time.time() + standing.full_in_seconds)
        values = {"limit": standing.limit, "remaining": standing.remaining, "reset": reset}
        self._added += _raw((f"ratelimit-{name}", str(value)) for name, value in values.items())

    async def receive(self) -> Message:
        """Receive the client's next message."""
        message = await self._receive()
        if not message.get("more_body", False):
            self._body_is_read = True
        if message["type"] == "http.disconnect":
            self._ended = True
        return message

    async def send(self, message: Message) -> None:
        """Send the application's next message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *self._added]}
        elif message["type"] == "http.response.body":
            self._ended = not message.get("more_body", False)
        await self._send(message)

    async def refuse(self, refusal: HttpRefusal) -> None:
        """Answer in place of the application."""
        # MCP clients read OAuth's names, clients of the HTTP API read `detail`.
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
        start = {"status": refusal.status, "headers": _raw(headers.items())}
        await self.send({"type": "http.response.start", **start})
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        with anyio.move_on_after(DISCARD_SECONDS):
            await self._discard()
        await self.send({"type": "http.response.body", "body": b""})

    async def _discard(self) -> None:
        size, more = 0, not self._body_is_read
        while more and size <= DISCARD_MAX_BYTES:
            message = await self.receive()
            more = not self._body_is_read
            size += len(message.get("body", b""))

    async def report_crash(self) -> None:
        """Answer that the application crashed, or leave an answer that has begun incomplete."""
        if not self.status:
            text = "Something went wrong here; the log tells more under this request's id."
            await self.refuse(HttpRefusal(500, "crashed", text))

    async def finish(self) -> None:
        """End a response early, so that the client sees its end and no broken connection."""
        # The client may be gone, or may read nothing, which must not hold this up.
        with suppress(OSError), anyio.move_on_after(DISCARD_SECONDS):
            if self._ended:
                return
            if not self.status:
                text = "The server is ending."
                status = HTTPStatus.SERVICE_UNAVAILABLE.value
                await self.refuse(HttpRefusal(status, "ending", text, {"retry-after": "5"}))
            else:
                await self.send({"type": "http.response.body", "body": b""})


def _raw(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers]
