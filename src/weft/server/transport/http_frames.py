"""Check the frames of HTTP requests before the SDK sees them, by the same rules as on stdio.

The SDK would repeat values from a frame that it refuses, and answer without the frame's id.
"""

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from weakref import WeakValueDictionary

import anyio
from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic_core import PydanticSerializationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.server.transport.frames import (
    FRAME_MAX_BYTES,
    FrameError,
    frame_error,
    oversize_error,
    read_frame,
)

_FRAME_ERROR: Final = "weft.frame_error"
_SESSION_ID: Final = b"mcp-session-id"
_NOTHING = frame_error(None, PARSE_ERROR, "The body is empty: send one message.")

Answer = JSONRPCResponse | JSONRPCError
AnswerAtOnce = Callable[[JSONRPCRequest, Scope], Awaitable[Answer | None]]
Judged = Callable[[Scope, Receive, Send, JSONRPCMessage], Awaitable[None]]


def serve_frames(app: ASGIApp, answer_at_once: AnswerAtOnce) -> ASGIApp:
    """Answer bad frames and the requests that ``answer_at_once`` answers; pass on the others.

    The errors of ``app`` get the id of their request. Requests of one session that have the same id
    take turns: ``app`` has one place for the answer to an id, and would leave one of them without.
    """
    turns = WeakValueDictionary[tuple[bytes, str], anyio.Lock]()

    def take_turn(scope: Scope, request_id: RequestId) -> AbstractAsyncContextManager[None]:
        session = next((value for name, value in scope["headers"] if name == _SESSION_ID), None)
        if session is None:
            return nullcontext()
        return turns.setdefault((session, str(request_id)), anyio.Lock())

    async def pass_on(scope: Scope, receive: Receive, send: Send, message: JSONRPCMessage) -> None:
        if isinstance(message, FrameError):
            await _respond(message)(scope, receive, send)
        elif not isinstance(message, JSONRPCRequest):
            await app(scope, receive, send)
        elif answer := await answer_at_once(message, scope):
            await _respond(answer)(scope, receive, send)
        else:
            async with take_turn(scope, message.id):
                await app(scope, receive, _IdentifiedErrors(send, message.id))

    return _judge_frames(app, pass_on)


def mark_bad_frames(app: ASGIApp) -> ASGIApp:
    """Pass bad frames through ``app`` as errors, which `SoundFrames` answers in the session.

    Only ``app`` knows which stream a request belongs to.
    """

    async def pass_on(scope: Scope, receive: Receive, send: Send, message: JSONRPCMessage) -> None:
        if not isinstance(message, FrameError):
            await app(scope, receive, send)
            return
        stand_in = _replay(_encode(message), receive)
        await app({**scope, _FRAME_ERROR: message}, stand_in, _Refused(send, message))

    return _judge_frames(app, pass_on)


class SoundFrames:
    """The frames of a session that can be served; ``answer`` gets an error for each other one."""

    def __init__(self, frames: Any, answer: Callable[[FrameError], object]) -> None:
        self._frames = frames
        self._answer = answer

    @property
    def last_context(self) -> Any:
        """Return the context of the request that brought the last frame; the SDK asks for it."""
        return self._frames.last_context

    async def receive(self) -> SessionMessage | Exception:
        """Return the next frame."""
        while True:
            item: SessionMessage | Exception = await self._frames.receive()
            error = _error_in(item)
            if error is None:
                return item
            self._answer(error)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._frames.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()


def _judge_frames(app: ASGIApp, pass_on: Judged) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await app(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            return  # The client has disconnected.
        message = body if isinstance(body, FrameError) else read_frame(body) or _NOTHING
        rest = receive if isinstance(body, FrameError) else _replay(body, receive)
        await pass_on(scope, rest, send, message)

    return call


async def _read_body(receive: Receive) -> bytes | FrameError | None:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > FRAME_MAX_BYTES:
            return oversize_error(body, b"")
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay


def _error_in(item: SessionMessage | Exception) -> FrameError | None:
    metadata = item.metadata if isinstance(item, SessionMessage) else None
    if not isinstance(metadata, ServerMessageMetadata):
        return None
    request: object = metadata.request_context
    return request.scope.get(_FRAME_ERROR) if isinstance(request, Request) else None


def _respond(answer: Answer) -> Response:
    status: int = HTTPStatus.OK
    if isinstance(answer, JSONRPCError):
        status = ERROR_CODE_HTTP_STATUS.get(answer.error.code, status)
    return Response(_encode(answer), status, media_type="application/json")


def _encode(answer: Answer) -> bytes:
    try:
        return answer.model_dump_json(by_alias=True, exclude_unset=True).encode()
    except PydanticSerializationError:
        # A lone surrogate, which only pure ASCII can carry.
        return json.dumps(answer.model_dump(by_alias=True, exclude_unset=True)).encode()


class _IdentifiedErrors:
    """Passes a response on; if its status is an error, the body becomes an error with the id."""

    def __init__(self, send: Send, request_id: RequestId) -> None:
        self._send = send
        self._request_id = request_id
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._answer(self._start)

    async def _answer(self, start: Message) -> None:
        body = self._with_id(HTTPStatus(start["status"]).phrase)
        ours = {
            b"content-type": b"application/json",
            b"content-length": str(len(body)).encode(),
        }
        kept = [(name, value) for name, value in start.get("headers", ()) if name not in ours]
        await self._send({**start, "headers": [*kept, *ours.items()]})
        await self._send({"type": "http.response.body", "body": body})

    def _with_id(self, phrase: str) -> bytes:
        answer = read_frame(self._body)
        if isinstance(answer, JSONRPCError) and not isinstance(answer, FrameError):
            if answer.id is not None:
                return self._body
            return _encode(answer.model_copy(update={"id": self._request_id}))
        # The body is a text of the SDK, or empty.
        text = self._body.decode() or f"{phrase}."
        return _encode(frame_error(self._request_id, INVALID_REQUEST, text))


class _Refused:
    """Answers with the refusal of a frame when the application accepts the frame's stand-in."""

    def __init__(self, send: Send, error: FrameError) -> None:
        self._send = send
        self._answer = _respond(error)
        self._replaces = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == HTTPStatus.ACCEPTED:
            self._replaces = True
            headers = self._answer.raw_headers
            await self._send({**message, "status": HTTPStatus.BAD_REQUEST, "headers": headers})
        elif self._replaces:
            await self._send({**message, "body": self._answer.body})
        else:
            await self._send(message)
