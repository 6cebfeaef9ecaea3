"""The guarded HTTP client: the only way in which a source reaches the network.

Every connection, redirect hops included, goes to an address that `addresses.check_address` has
checked: a name is resolved once and the connection is made to the checked address, so a second
answer of the name server (DNS rebinding) changes nothing. Credentials go to the origin of
``base_url`` and nowhere else. Bodies are bounded while they are read and unpacked. Failures are
retried where that is safe, and then raised as one of our errors.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import anyio
import httpx

from weft._version import __version__
from weft.errors import RateLimited, SourceUnavailable
from weft.net.addresses import AllowList
from weft.net.errors import is_transient, json_of, map_error
from weft.net.http_factory import HttpFactory
from weft.net.retry import TRANSIENT_STATUSES, back_off_seconds, retry_after_seconds
from weft.net.transport import (
    ANONYMOUS_HEADERS,
    DEADLINE,
    REPEATABLE,
    STREAMED,
    TOTAL_S,
    GuardedBackend,
    GuardedTransport,
    HttpLimits,
    Origin,
    Resolve,
    host_of,
    origin_of,
    place_of,
    resolve_name,
)

USER_AGENT = f"WeftBot/{__version__}"

Sleep = Callable[[float], Awaitable[object]]

_FOREIGN = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError)
_SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and waiting; tests give their own."""

    sleep: Sleep = anyio.sleep
    now: Callable[[], float] = time.time


DEFAULT_LIMITS = HttpLimits()
REAL_CLOCK = Clock()


def http_factory(
    allow_hosts: Iterable[str],
    *,
    limits: HttpLimits = DEFAULT_LIMITS,
    clock: Clock = REAL_CLOCK,
    resolve: Resolve = resolve_name,
) -> HttpFactory:
    """Return a factory of guarded clients that may reach the public internet and ``allow_hosts``.

    Raises InvalidInput for an entry that is neither a host name, an address nor a CIDR range.
    """
    allowed = AllowList.parse(allow_hosts)

    def make(
        *,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
    ) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return open_http(
            base_url=base_url,
            headers=headers,
            auth=auth,
            allowed=allowed,
            limits=limits,
            clock=clock,
            resolve=resolve,
        )

    return make


@asynccontextmanager
async def open_http(
    *,
    base_url: str,
    headers: Mapping[str, str] | None,
    auth: httpx.Auth | None,
    allowed: AllowList,
    limits: HttpLimits,
    clock: Clock,
    resolve: Resolve,
) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Open a client that sends credentials to the origin of ``base_url`` only.

    To any other origin it sends `ANONYMOUS_HEADERS`, whatever headers a request was given.
    Its requests raise only our errors: those of `Source`, and `ResponseTooLarge`.
    """
    bound = {name.lower() for name in headers or {}} - ANONYMOUS_HEADERS
    if not base_url and (bound or auth):
        raise ValueError("credentials need a base_url to belong to")
    home = origin_of(httpx.URL(base_url)) if base_url else None
    transport = GuardedTransport(GuardedBackend(allowed, resolve), limits, home)
    client = _GuardedClient(transport, limits, clock, base_url, headers or {}, auth)
    async with client:
        yield client


async def get_json(
    client: httpx.AsyncClient, url: str, *, what: str, params: Mapping[str, Any] | None = None
) -> Any:
    """Fetch and decode JSON; ``what`` names the thing in errors, which are those of `json_of`."""
    return json_of(await client.get(url, params=params), what)


def next_page_url(response: httpx.Response) -> str | None:
    """Return the URL of the next page from the Link header, or None on the last page.

    Raises SourceUnavailable if it leaves the origin: stopping quietly would look like the end of
    the listing, and everything not listed would be deleted.
    """
    url = response.links.get("next", {}).get("url")
    if url is None:
        return None
    try:
        target = response.url.join(url)
    except httpx.InvalidURL:
        raise SourceUnavailable("The source's link to the next page is not a URL.") from None
    if origin_of(target) != origin_of(response.url):
        raise SourceUnavailable("The source's link to the next page leads to another host.")
    return str(target)


class _GuardedClient(httpx.AsyncClient):
    def __init__(
        self,
        transport: GuardedTransport,
        limits: HttpLimits,
        clock: Clock,
        base_url: str,
        headers: Mapping[str, str],
        auth: httpx.Auth | None,
    ) -> None:
        super().__init__(
            transport=transport,
            base_url=base_url,
            # Accept only the encoding that the transport unpacks with a bound.
            headers={"user-agent": USER_AGENT, "accept-encoding": "gzip", **headers},
            # Accept no cookies, so that none can be carried from one host to another.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(limits.read_s, connect=limits.connect_s),
            follow_redirects=True,
            max_redirects=limits.redirects,
            trust_env=False,
        )
        self._limits = limits
        self._clock = clock
        self._home: Origin | None = origin_of(httpx.URL(base_url)) if base_url else None
        self._bound_auth = auth

    def build_request(self, *args: Any, **kwargs: Any) -> httpx.Request:
        try:
            return super().build_request(*args, **kwargs)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise map_error(error, "this source") from None

    async def send(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        **options: Any,
    ) -> httpx.Response:
        """Send with retries, and raise only our own errors."""
        if auth is httpx.USE_CLIENT_DEFAULT:
            auth = self._bound_auth
        at_home = origin_of(request.url) == self._home
        options.update(stream=stream, auth=auth if at_home else None)
        request.extensions = {**request.extensions, STREAMED: stream}
        repeatable = request.method in _SAFE_METHODS or REPEATABLE in request.extensions
        waited = 0.0
        for attempt in range(1, self._limits.attempts + 1):
            final = attempt == self._limits.attempts or not repeatable
            response = await self._attempt(request, final, options)
            if response is None:
                wait = self._back_off(attempt)
            elif final or (wait := self._choose_wait(response, attempt, waited)) is None:
                return response
            else:
                await response.aclose()
            await self._clock.sleep(wait)
            waited += wait
        raise AssertionError("the final attempt returns or raises")

    async def _attempt(
        self, request: httpx.Request, final: bool, options: dict[str, Any]
    ) -> httpx.Response | None:
        """Send once; return None if the failure may pass and another attempt is left."""
        total_s = request.extensions.get(TOTAL_S, self._limits.total_s)
        request.extensions[DEADLINE] = anyio.current_time() + total_s
        try:
            return await super().send(request, **options)
        except _FOREIGN as error:
            if not final and is_transient(error):
                return None
            raise map_error(error, place_of(request.url)) from None

    def _choose_wait(self, response: httpx.Response, attempt: int, waited: float) -> float | None:
        """Return the seconds until the next attempt, or None to use this answer as it is."""
        if response.status_code not in TRANSIENT_STATUSES:
            return None
        asked = retry_after_seconds(response, self._clock.now())
        if asked is None:
            # A used-up quota does not recover during a back-off, so the source decides.
            used_up = response.headers.get("x-ratelimit-remaining") == "0"
            return None if used_up else self._back_off(attempt)
        if waited + asked > self._limits.longest_wait_s:
            raise RateLimited(
                f"{host_of(response.url)} asks to wait {asked:.0f} seconds.", retry_after=asked
            )
        return asked

    def _back_off(self, attempt: int) -> float:
        return back_off_seconds(attempt, self._limits.first_wait_s, self._limits.longest_wait_s)
