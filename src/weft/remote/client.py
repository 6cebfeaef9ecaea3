"""HTTP to an Airweave API: one pool of connections, limits on every phase, careful repetition.

What is safe to repeat (GET, and DELETE) is repeated after a fault, a 5xx or a 429 with a short
Retry-After. Anything else is repeated only when it cannot have arrived; otherwise its outcome is
unknown, `AnswerLost` says so, and whoever sent it looks at what has become of it.
"""

import json
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import anyio
import httpx
from pydantic import JsonValue, SecretStr

from weft import __version__
from weft.domain.base import Json
from weft.errors import SourceUnavailable, TryLater, WeftError
from weft.net.errors import map_error
from weft.net.retry import retry_after_seconds
from weft.remote.refusals import ApiAnswer, build_error, rate_limit_error
from weft.remote.timeouts import Timeouts
from weft.wire.upstream import Unreadable

T = TypeVar("T")

ANSWER_MAX_BYTES: Final = 16 * 1024 * 1024
KEY_HEADER: Final = "x-api-key"
ORGANIZATION_HEADER: Final = "X-Organization-ID"
_POOL: Final = httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=20)

Params = Mapping[str, str | int]


class AnswerLost(SourceUnavailable):
    """The request may have been carried out, but no usable answer came."""


class _NotSent(SourceUnavailable):
    """The request cannot have arrived."""


class ApiClient:
    """Requests to one API. All methods raise WeftError, and answer with decoded JSON."""

    def __init__(self, http: httpx.AsyncClient, timeouts: Timeouts) -> None:
        self._http = http
        self._host = http.base_url.netloc.decode("ascii")
        self.timeouts = timeouts

    async def get(
        self,
        path: str,
        decode: Callable[[JsonValue], T],
        *,
        params: Params | None = None,
        missing: str | None = None,
    ) -> T:
        """Read. ``missing`` is the argument that a 404 is about."""
        answer = await self._request_repeatedly("GET", path, params, None, self.timeouts.attempt)
        if answer.status >= 400:
            raise build_error(answer, missing=missing)
        return _decode_answer(answer, decode)

    async def post_query(
        self, path: str, decode: Callable[[JsonValue], T], body: Json, *, missing: str
    ) -> T:
        """Read with a POST that changes nothing, such as a search."""
        answer = await self._request_repeatedly("POST", path, None, body, self.timeouts.attempt)
        if answer.status >= 400:
            raise build_error(answer, missing=missing)
        return _decode_answer(answer, decode)

    async def delete(self, path: str, *, missing: str, params: Params | None = None) -> None:
        """Delete; a 404 to a repetition means that an earlier attempt did it."""
        tries: list[int] = []
        answer = await self._request_repeatedly(
            "DELETE", path, params, None, self.timeouts.slow_attempt, tries
        )
        if answer.status == 404 and len(tries) > 1:
            return
        if answer.status >= 400:
            raise build_error(answer, missing=missing)

    async def send(
        self,
        method: str,
        path: str,
        decode: Callable[[JsonValue], T],
        body: Json | None = None,
        *,
        params: Params | None = None,
        missing: str | None = None,
    ) -> T:
        """Change something, at most once. Raises AnswerLost when it is not known whether it
        happened.
        """
        answer = await self._request_once(method, path, params, body)
        if answer.status >= 500:
            raise AnswerLost(f"The Airweave API failed (HTTP {answer.status}).")
        if answer.status >= 300:
            raise build_error(answer, missing=missing)
        try:
            return _decode_answer(answer, decode)
        except SourceUnavailable as error:
            raise AnswerLost(error.message) from None

    async def _request_once(
        self, method: str, path: str, params: Params | None, body: Json | None
    ) -> ApiAnswer:
        deadline = time.monotonic() + self.timeouts.total
        for pause in self._pauses(deadline):
            try:
                answer = await self._attempt(
                    method, path, params, body, limit=self.timeouts.slow_attempt
                )
            except _NotSent:
                if pause is None:
                    raise
                await anyio.sleep(pause)
                continue
            # A 429 was refused at the door, so that asking again cannot do it twice.
            if answer.status != 429 or pause is None:
                return answer
            await self._wait_before_retry(answer, pause, deadline)
        raise SourceUnavailable(f"{self._host} cannot be reached.")

    async def _request_repeatedly(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Json | None,
        limit: float,
        tries: list[int] | None = None,
    ) -> ApiAnswer:
        deadline = time.monotonic() + self.timeouts.total
        for pause in self._pauses(deadline):
            try:
                if tries is not None:
                    tries.append(1)
                answer = await self._attempt(method, path, params, body, limit=limit)
            except SourceUnavailable as error:
                if pause is None:
                    raise SourceUnavailable(error.message, hint=error.hint) from None
                await anyio.sleep(pause)
                continue
            whole = answer.status not in (429, 500, 502, 503, 504) and answer.readable
            if whole or pause is None:
                return answer
            await self._wait_before_retry(answer, pause, deadline)
        raise SourceUnavailable(f"{self._host} cannot be reached.")

    async def _wait_before_retry(self, answer: ApiAnswer, pause: float, deadline: float) -> None:
        """Wait as long as the API asks for. Raises the answer's error when that is too long."""
        asked = answer.retry_after
        if asked is not None and time.monotonic() + asked > deadline:
            raise rate_limit_error(answer) if answer.status == 429 else build_error(answer)
        await anyio.sleep(pause if asked is None else max(pause, asked))

    def _pauses(self, deadline: float) -> Iterator[float | None]:
        """The pause to make if an attempt fails, for each attempt; None for the last one."""
        for made in range(self.timeouts.attempts - 1):
            # Jitter keeps clients that failed together from coming back together.
            pause = self.timeouts.pause * 2**made * random.uniform(0.5, 1.5)  # noqa: S311 (not a secret)
            if time.monotonic() + pause > deadline:
                break
            yield pause
        yield None

    async def _attempt(
        self, method: str, path: str, params: Params | None, body: Json | None, *, limit: float
    ) -> ApiAnswer:
        try:
            with anyio.fail_after(limit):
                async with self._http.stream(method, path, params=params, json=body) as response:
                    content = await _read_content(response, self._host)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _error_as(_NotSent, map_error(error, self._host)) from None
        except TimeoutError:
            raise AnswerLost(f"{self._host} did not answer in time.") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _error_as(AnswerLost, map_error(error, self._host)) from None
        return _parse_answer(response, content)


@asynccontextmanager
async def open_client(
    api_url: str,
    api_key: SecretStr,
    *,
    organization: str | None = None,
    timeouts: Timeouts | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncGenerator[ApiClient]:
    """A client of the API at ``api_url``; ``transport`` stands in for the network in tests."""
    timeouts = timeouts or Timeouts()
    headers = {"accept": "application/json", "user-agent": f"weft/{__version__}"}
    if organization:
        headers[ORGANIZATION_HEADER] = organization
    timeout = httpx.Timeout(
        timeouts.silence, connect=timeouts.connect, pool=timeouts.attempt, write=timeouts.silence
    )
    # Redirects are not followed: the key is for this host only.
    async with httpx.AsyncClient(
        base_url=api_url.rstrip("/"),
        headers=headers,
        auth=_KeyAuth(api_key),
        timeout=timeout,
        limits=_POOL,
        follow_redirects=False,
        transport=transport,
    ) as http:
        yield ApiClient(http, timeouts)


async def send_or_find(
    send: Callable[[], Awaitable[T]],
    look: Callable[[], Awaitable[T | None]],
    timeouts: Timeouts,
    *,
    unknown: str,
) -> T:
    """What ``send`` answers, or what ``look`` finds when the answer is lost.

    ``look`` is asked several times, because the request may still be under way. When nothing is
    found, SourceUnavailable says in ``unknown`` how to tell what became of it.
    """
    try:
        return await send()
    except AnswerLost as lost:
        error = lost
    for number in range(timeouts.looks):
        # The first look comes at once: most answers are lost after the work was done.
        await anyio.sleep(timeouts.look_pause * (2**number - 1))
        try:
            found = await look()
        except TryLater:
            continue
        if found is not None:
            return found
    raise SourceUnavailable(f"{error.message} {unknown}")


class _KeyAuth(httpx.Auth):
    """Puts the key into each request, and keeps it out of the client's own headers."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[KEY_HEADER] = self._key.get_secret_value()
        yield request


async def _read_content(response: httpx.Response, host: str) -> bytes:
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > ANSWER_MAX_BYTES:
            raise AnswerLost(f"{host} sent an answer that is too large.")
    return bytes(content)


def _parse_answer(response: httpx.Response, content: bytes) -> ApiAnswer:
    try:
        body: JsonValue = json.loads(content)
    except (ValueError, RecursionError):
        body, readable = None, False
    else:
        readable = True
    # A refusal explains itself by its status; only a success needs its body.
    return ApiAnswer(
        status=response.status_code,
        body=body,
        readable=readable or response.status_code >= 300,
        retry_after=retry_after_seconds(response, time.time()),
    )


def _decode_answer(answer: ApiAnswer, decode: Callable[[JsonValue], T]) -> T:
    if answer.readable and answer.status < 300:
        try:
            return decode(answer.body)
        except Unreadable:
            pass
    elif answer.status >= 300:
        raise build_error(answer)
    raise SourceUnavailable(
        "The Airweave API sent an answer that cannot be understood.",
        hint="The operator has to check that WEFT_API_URL is the address of an Airweave API.",
    )


def _error_as(kind: type[SourceUnavailable], error: WeftError) -> SourceUnavailable:
    return kind(error.message, hint=error.hint)
