"""HTTP to an Airweave API: one connection pool, limits on every phase, retries only where safe.

GET and DELETE are repeated after a fault, a 5xx or a 429 with a short Retry-After. Any other
request is repeated only when it cannot have been carried out. Otherwise its outcome is unknown:
`AnswerLost` says so, and `send_or_find` looks up what became of it.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Final, TypeVar

import anyio
import httpx
from pydantic import JsonValue, SecretStr

from weft import __version__
from weft.domain.base import Json
from weft.errors import SourceUnavailable, TryLater, WeftError
from weft.net.errors import ResponseTooLarge, map_error
from weft.net.json_bodies import parse_json
from weft.net.retry import TRANSIENT_STATUSES, back_off_seconds, retry_after_seconds
from weft.net.unpack import unpack_body
from weft.net.urls import may_use_proxy
from weft.remote.api.refusals import ApiAnswer, build_error, is_understood, rate_limit_error
from weft.remote.api.timeouts import Timeouts
from weft.wire.upstream import Unreadable

T = TypeVar("T")

ANSWER_MAX_BYTES: Final = 16 * 1024 * 1024
EVENT_STREAM: Final = "text/event-stream"
KEY_HEADER: Final = "x-api-key"
ORGANIZATION_HEADER: Final = "X-Organization-ID"
CALL_END_SECONDS: Final = 1.0
"""No request is repeated in the last second of the call that it is made for."""

STREAMS_MAX: Final = 8
"""The most streams at once: each takes a connection from the pool, which calls need too."""

BURST_SHARE: Final = 2
"""A call that needs many requests takes at most half of those that the API allows in a minute."""

EVENT_MAX_BYTES: Final = 64 * 1024
_LIMIT_DIGITS: Final = 10
_POOL: Final = httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=20)

Params = Mapping[str, str | int]


class AnswerLost(SourceUnavailable):
    """The request may have been carried out, but no usable answer came."""


class _NotSent(SourceUnavailable):
    """The request cannot have arrived."""


class ApiClient:
    """Sends requests to one API. All methods raise WeftError, and return decoded JSON."""

    def __init__(self, http: httpx.AsyncClient, timeouts: Timeouts) -> None:
        self._http = http
        self._host = http.base_url.netloc.decode("ascii")
        self.timeouts = timeouts
        self.rate_limit: int | None = None
        """The requests that the API allows in a minute, as its last answer said."""

        self._streams = 0
        self._offers_streams = True

    @property
    def origin(self) -> str:
        """The API's scheme, host and port."""
        return f"{self._http.base_url.scheme}://{self._host}"

    def pace(self, share: int) -> float:
        """Return the pause between requests that take one in ``share`` of what the API allows."""
        return min(60.0 * share / self.rate_limit, 60.0) if self.rate_limit else 0.0

    def limit_burst(self, most: int) -> int:
        """Return how many requests one call may take: ``most``, or a share of what the API allows
        in a minute.
        """
        return max(1, min(most, self.rate_limit // BURST_SHARE)) if self.rate_limit else most

    async def get(
        self,
        path: str,
        decode: Callable[[JsonValue], T],
        *,
        params: Params | None = None,
        missing: str | None = None,
    ) -> T:
        """Read; ``missing`` names the argument that a 404 is about."""
        answer, _ = await self._request(
            "GET", path, params, None, limit=self.timeouts.attempt, is_safe=True
        )
        if answer.status >= 400:
            raise build_error(answer, missing=missing)
        return _decode_answer(answer, decode)

    async def post_query(
        self, path: str, decode: Callable[[JsonValue], T], body: Json, *, missing: str
    ) -> T:
        """Read with a POST that changes nothing, such as a search."""
        answer, _ = await self._request(
            "POST", path, None, body, limit=self.timeouts.attempt, is_safe=True
        )
        if answer.status >= 400:
            raise build_error(answer, missing=missing)
        return _decode_answer(answer, decode)

    async def delete(self, path: str, *, missing: str, params: Params | None = None) -> None:
        """Delete. A 404 to a repeated request means that an earlier attempt succeeded."""
        answer, attempts = await self._request(
            "DELETE", path, params, None, limit=self.timeouts.slow_attempt, is_safe=True
        )
        if answer.status == 404 and attempts > 1:
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
        """Change something, at most once. Raises AnswerLost if the outcome is unknown."""
        answer, _ = await self._request(
            method, path, params, body, limit=self.timeouts.slow_attempt, is_safe=False
        )
        if answer.status >= 500 and not is_understood(answer):
            raise AnswerLost(f"The Airweave API failed (HTTP {answer.status}).")
        if answer.status >= 300:
            raise build_error(answer, missing=missing)
        try:
            return _decode_answer(answer, decode)
        except SourceUnavailable as error:
            raise AnswerLost(error.message) from None

    async def follow(self, path: str, *, silence: float) -> AsyncGenerator[JsonValue]:
        """Yield the events of a stream until it ends, fails or is silent for ``silence`` seconds.

        Yields none if the API has no such stream, or enough are open already.
        """
        if not self._offers_streams or self._streams >= STREAMS_MAX:
            return
        timeouts = self.timeouts
        timeout = httpx.Timeout(silence, connect=timeouts.connect, pool=timeouts.attempt)
        accept = {"accept": EVENT_STREAM}
        self._streams += 1
        try:
            async with self._http.stream("GET", path, headers=accept, timeout=timeout) as response:
                self.rate_limit = _limit_of(response) or self.rate_limit
                kind = response.headers.get("content-type", "").lower()
                if response.is_success and kind.startswith(EVENT_STREAM):
                    async with aclosing(_read_events(response, silence)) as events:
                        async for event in events:
                            yield event
                elif response.status_code < 500 and response.status_code not in (408, 429):
                    self._offers_streams = False
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ResponseTooLarge):
            return
        finally:
            self._streams -= 1

    async def _request(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Json | None,
        *,
        limit: float,
        is_safe: bool,
    ) -> tuple[ApiAnswer, int]:
        """Return the answer and the number of attempts that it took. A request that is not safe to
        repeat is repeated only if it cannot have been carried out.
        """
        # A request that got a 429 was not carried out, so repeating it does nothing twice.
        transient = TRANSIENT_STATUSES if is_safe else {429}
        # Whoever waits for the caller must hear of a limit before the wait ends.
        deadline = anyio.current_effective_deadline() - CALL_END_SECONDS
        deadline = min(anyio.current_time() + self.timeouts.total, deadline)
        attempt = 0
        while True:
            attempt += 1
            pause = self._pause_after(attempt, deadline)
            try:
                answer = await self._attempt(method, path, params, body, limit=limit)
            except SourceUnavailable as error:
                if not is_safe and not isinstance(error, _NotSent):
                    raise
                if pause is None:
                    raise SourceUnavailable(error.message, hint=error.hint) from None
                await anyio.sleep(pause)
                continue
            is_final = answer.status not in transient and (answer.readable or not is_safe)
            if is_final or pause is None or is_understood(answer):
                return answer, attempt
            await self._wait_before_retry(answer, pause, deadline)

    def _pause_after(self, attempt: int, deadline: float) -> float | None:
        """Return the pause before the next attempt, or None after the last one."""
        if attempt >= self.timeouts.attempts:
            return None
        pause = back_off_seconds(attempt, self.timeouts.pause)
        return pause if anyio.current_time() + pause <= deadline else None

    async def _wait_before_retry(self, answer: ApiAnswer, pause: float, deadline: float) -> None:
        """Wait for as long as the API asks. Raises the answer's error if that is too long."""
        asked = answer.retry_after
        if asked is not None and anyio.current_time() + asked > deadline:
            raise rate_limit_error(answer) if answer.status == 429 else build_error(answer)
        await anyio.sleep(pause if asked is None else max(pause, asked))

    def _timeout_within(self, limit: float) -> httpx.Timeout:
        """Return the limits of one attempt. The API checks credentials and waits for syncs before
        its first byte, so a slow attempt may be silent to its end.
        """
        timeouts = self.timeouts
        silence = limit if limit == timeouts.slow_attempt else timeouts.silence
        return httpx.Timeout(silence, connect=timeouts.connect, pool=timeouts.attempt)

    async def _attempt(
        self, method: str, path: str, params: Params | None, body: Json | None, *, limit: float
    ) -> ApiAnswer:
        try:
            with anyio.fail_after(limit):
                timeout = self._timeout_within(limit)
                async with self._http.stream(
                    method, path, params=params, json=body, timeout=timeout
                ) as response:
                    content = await _read_content(response, self._host)
                    self.rate_limit = _limit_of(response) or self.rate_limit
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
    """Open a client of the API at ``api_url``. Tests put ``transport`` in place of the network."""
    timeouts = timeouts or Timeouts()
    headers = {
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "user-agent": f"weft/{__version__}",
    }
    if organization:
        headers[ORGANIZATION_HEADER] = organization
    # Do not use the guarded client of `net`: it keeps sources away from private addresses and
    # proxies, retries by itself and follows redirects. The operator chose this API, which may be
    # on this machine or beyond a proxy, and its key must not follow a redirect.
    async with httpx.AsyncClient(
        base_url=api_url.rstrip("/"),
        headers=headers,
        auth=_KeyAuth(api_key),
        limits=_POOL,
        follow_redirects=False,
        transport=transport,
        trust_env=may_use_proxy(api_url),
        verify=httpx.create_ssl_context(),
    ) as http:
        yield ApiClient(http, timeouts)


async def send_or_find(
    send: Callable[[], Awaitable[T]],
    look: Callable[[], Awaitable[T | None]],
    timeouts: Timeouts,
    *,
    unknown: str,
) -> T:
    """Return what ``send`` returns or, if its answer is lost, what ``look`` finds.

    The request may still be under way, so ``look`` is called several times. If it finds nothing,
    SourceUnavailable is raised; its text ends in ``unknown``, which says how to find out.
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
    try:
        return b"".join([piece async for piece in _unpack(response)])
    except ResponseTooLarge:
        raise AnswerLost(f"{host} sent an answer that is too large.") from None


def _unpack(response: httpx.Response) -> AsyncGenerator[bytes]:
    encoding = response.headers.get("content-encoding", "")
    return unpack_body(response.aiter_raw(), encoding, ANSWER_MAX_BYTES)


async def _read_events(response: httpx.Response, silence: float) -> AsyncGenerator[JsonValue]:
    """Yield the events. Signs of life, such as comments, are silence: they tell no end."""
    rest, heard = b"", anyio.current_time()
    async for piece in _unpack(response):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:") or len(line) > EVENT_MAX_BYTES:
                continue
            try:
                event: JsonValue = parse_json(line.removeprefix(b"data:"))
            except ValueError:
                continue
            yield event
            heard = anyio.current_time()
        if len(rest) > EVENT_MAX_BYTES or anyio.current_time() - heard > silence:
            return


def _limit_of(response: httpx.Response) -> int | None:
    told = response.headers.get("ratelimit-limit", "")
    return int(told) if told.isdecimal() and len(told) < _LIMIT_DIGITS else None


def _parse_answer(response: httpx.Response, content: bytes) -> ApiAnswer:
    try:
        body: JsonValue = parse_json(content)
    except ValueError:
        body, readable = None, False
    else:
        readable = True
    # A refusal is clear from its status; only a success needs its body.
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
