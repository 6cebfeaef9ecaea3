"""HTTP to an Airweave API: one pool of connections, limits on every phase, careful repetition.

What is safe to repeat (GET, and DELETE) is repeated after a fault, a 5xx or a 429 with a short
Retry-After. Anything else is repeated only when it cannot have arrived; otherwise its outcome is
unknown, `AnswerLost` says so, and whoever sent it looks at what has become of it.
"""

import json
import random
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import anyio
import httpx
from pydantic import JsonValue, SecretStr

from weft import __version__
from weft.domain.base import Json
from weft.errors import SourceUnavailable, WeftError
from weft.net.errors import map_error
from weft.net.retry import retry_after_seconds
from weft.remote.failures import Answer, error_from, rate_limited
from weft.remote.patience import Patience
from weft.wire.reading import Unreadable

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

    def __init__(self, http: httpx.AsyncClient, patience: Patience) -> None:
        self._http = http
        self._host = http.base_url.netloc.decode("ascii")
        self.patience = patience

    async def get(
        self,
        path: str,
        decode: Callable[[JsonValue], T],
        *,
        params: Params | None = None,
        missing: str | None = None,
    ) -> T:
        """Read. ``missing`` is the argument that a 404 is about."""
        answer = await self._repeated("GET", path, params, None, self.patience.attempt)
        if answer.status >= 400:
            raise error_from(answer, missing=missing)
        return _decoded(answer, decode)

    async def ask(
        self, path: str, decode: Callable[[JsonValue], T], body: Json, *, missing: str
    ) -> T:
        """Read with a POST that changes nothing, such as a search."""
        answer = await self._repeated("POST", path, None, body, self.patience.attempt)
        if answer.status >= 400:
            raise error_from(answer, missing=missing)
        return _decoded(answer, decode)

    async def delete(self, path: str, *, missing: str, params: Params | None = None) -> None:
        """Delete; a 404 to a repetition means that an earlier attempt did it."""
        tries: list[int] = []
        answer = await self._repeated(
            "DELETE", path, params, None, self.patience.slow_attempt, tries
        )
        if answer.status == 404 and len(tries) > 1:
            return
        if answer.status >= 400:
            raise error_from(answer, missing=missing)

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
        answer = await self._once(method, path, params, body)
        if answer.status >= 500:
            raise AnswerLost(f"The Airweave API failed (HTTP {answer.status}).")
        if answer.status >= 300:
            raise error_from(answer, missing=missing)
        try:
            return _decoded(answer, decode)
        except SourceUnavailable as error:
            raise AnswerLost(error.message) from None

    async def _once(
        self, method: str, path: str, params: Params | None, body: Json | None
    ) -> Answer:
        deadline = time.monotonic() + self.patience.total
        for pause in self._pauses(deadline):
            try:
                answer = await self._attempt(
                    method, path, params, body, limit=self.patience.slow_attempt
                )
            except _NotSent:
                if pause is None:
                    raise
                await anyio.sleep(pause)
                continue
            # A 429 was refused at the door, so that asking again cannot do it twice.
            if answer.status != 429 or pause is None:
                return answer
            await self._wait(answer, pause, deadline)
        raise SourceUnavailable(f"{self._host} cannot be reached.")

    async def _repeated(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Json | None,
        limit: float,
        tries: list[int] | None = None,
    ) -> Answer:
        deadline = time.monotonic() + self.patience.total
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
            await self._wait(answer, pause, deadline)
        raise SourceUnavailable(f"{self._host} cannot be reached.")

    async def _wait(self, answer: Answer, pause: float, deadline: float) -> None:
        """Wait as long as the API asks for. Raises the answer's error when that is too long."""
        asked = answer.retry_after
        if asked is not None and time.monotonic() + asked > deadline:
            raise rate_limited(answer) if answer.status == 429 else error_from(answer)
        await anyio.sleep(pause if asked is None else max(pause, asked))

    def _pauses(self, deadline: float) -> Iterator[float | None]:
        """The pause to make if an attempt fails, for each attempt; None for the last one."""
        for made in range(self.patience.attempts - 1):
            # Jitter keeps clients that failed together from coming back together.
            pause = self.patience.pause * 2**made * random.uniform(0.5, 1.5)  # noqa: S311 (not a secret)
            if time.monotonic() + pause > deadline:
                break
            yield pause
        yield None

    async def _attempt(
        self, method: str, path: str, params: Params | None, body: Json | None, *, limit: float
    ) -> Answer:
        try:
            with anyio.fail_after(limit):
                async with self._http.stream(method, path, params=params, json=body) as response:
                    content = await _content(response, self._host)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _told(_NotSent, map_error(error, self._host)) from None
        except TimeoutError:
            raise AnswerLost(f"{self._host} did not answer in time.") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _told(AnswerLost, map_error(error, self._host)) from None
        return _answer(response, content)


@asynccontextmanager
async def open_client(
    api_url: str,
    api_key: SecretStr,
    *,
    organization: str | None = None,
    patience: Patience | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncGenerator[ApiClient]:
    """A client of the API at ``api_url``; ``transport`` stands in for the network in tests."""
    patience = patience or Patience()
    headers = {"accept": "application/json", "user-agent": f"weft/{__version__}"}
    if organization:
        headers[ORGANIZATION_HEADER] = organization
    timeout = httpx.Timeout(
        patience.silence, connect=patience.connect, pool=patience.attempt, write=patience.silence
    )
    # Redirects are not followed: the key is for this host only.
    async with httpx.AsyncClient(
        base_url=api_url.rstrip("/"),
        headers=headers,
        auth=_Key(api_key),
        timeout=timeout,
        limits=_POOL,
        follow_redirects=False,
        transport=transport,
    ) as http:
        yield ApiClient(http, patience)


class _Key(httpx.Auth):
    """Puts the key into each request, and keeps it out of the client's own headers."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[KEY_HEADER] = self._key.get_secret_value()
        yield request


async def _content(response: httpx.Response, host: str) -> bytes:
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > ANSWER_MAX_BYTES:
            raise AnswerLost(f"{host} sent an answer that is too large.")
    return bytes(content)


def _answer(response: httpx.Response, content: bytes) -> Answer:
    try:
        body: JsonValue = json.loads(content)
    except (ValueError, RecursionError):
        body, readable = None, False
    else:
        readable = True
    # A refusal explains itself by its status; only a success needs its body.
    return Answer(
        status=response.status_code,
        body=body,
        readable=readable or response.status_code >= 300,
        retry_after=retry_after_seconds(response, time.time()),
    )


def _decoded(answer: Answer, decode: Callable[[JsonValue], T]) -> T:
    if answer.readable and answer.status < 300:
        try:
            return decode(answer.body)
        except Unreadable:
            pass
    elif answer.status >= 300:
        raise error_from(answer)
    raise SourceUnavailable(
        "The Airweave API sent an answer that cannot be understood.",
        hint="The operator has to check that WEFT_API_URL is the address of an Airweave API.",
    )


def _told(kind: type[SourceUnavailable], error: WeftError) -> SourceUnavailable:
    return kind(error.message, hint=error.hint)
