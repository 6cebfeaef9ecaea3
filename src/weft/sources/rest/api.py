"""Asks a service: paced, heeding its own ways to say "wait" and "no", and believing only JSON."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar, cast
from urllib.parse import quote

import anyio
import httpx
from pydantic import JsonValue

from weft.document.child import run_parser
from weft.errors import RateLimited, SourceMisconfigured, SourceUnavailable, WeftError
from weft.net.client import Sleep
from weft.net.dates import parse_http_date
from weft.net.errors import decode_json, raise_for_status
from weft.net.transport import MAX_BYTES, REPEATABLE, host_of, origin_of
from weft.sources.rest.table import Budget

T = TypeVar("T")

LONGEST_WAIT_S: Final = 60.0
WAITS_MAX: Final = 3


class Missing(SourceMisconfigured):
    """The thing that was asked for does not exist, or is not visible (404, 410)."""


class PlaceLost(SourceUnavailable):
    """The service has forgotten the listing of which a page was asked for."""


class Service(Protocol):
    """What `Api` asks the source about its service's answers."""

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Return the error that an answer tells in its own way, whatever its status."""
        ...


class Api:
    """The requests of one check or sync.

    ``root`` stands before every path, for a service that has to be asked for it first.
    """

    root = ""

    def __init__(
        self,
        client: httpx.AsyncClient,
        service: Service,
        budget: Budget | None,
        sleep: Sleep,
        *,
        is_open: bool = False,
    ) -> None:
        self._secrets: set[str] = set()
        self._is_open = is_open
        self._client = client
        self._service = service
        self._pace = _Pace(budget, sleep)
        self._sleep = sleep
        self.began: datetime | None = None
        """When the first answer came, by the service's own clock, if it tells."""
        self.largest: dict[str, int] = {}
        """How many records the largest page had that was not the last, by the listing's name."""

    def keep_secret(self, secrets: Iterable[str]) -> None:
        """Note what no cursor may hold: some services put tokens into the addresses of pages."""
        for secret in filter(None, secrets):
            self._secrets |= {secret, quote(secret, safe="", errors="replace")}

    def shows_secret(self, value: JsonValue) -> bool:
        """Return whether a credential can be read in a value that the service named."""
        shown = json.dumps(value)
        return any(secret in shown for secret in self._secrets)

    async def ask(
        self,
        path: str,
        *,
        what: str,
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> tuple[Any, httpx.Response]:
        """Return an answer's JSON, with the answer. Raises the errors of `Source`.

        ``what`` names the thing in errors. Requests are repeated, so they must change nothing.
        """

        async def send() -> httpx.Response:
            return await self._client.request(
                method,
                self.root + path if path.startswith("/") else path,
                params=_write_params(params),
                json=body,
                extensions={REPEATABLE: True},
            )

        return await self._try(send, self._read, what)

    async def _try(
        self,
        send: Callable[[], Awaitable[httpx.Response]],
        read: Callable[[httpx.Response, str], Awaitable[tuple[WeftError | None, T]]],
        what: str,
    ) -> tuple[T, httpx.Response]:
        """Return what was read of the answer, once the service does not ask to wait any more."""
        for attempt in range(WAITS_MAX + 1):
            await self._pace.wait()
            response = await send()
            self.began = self.began or parse_http_date(response.headers.get("date", ""))
            told, found = await read(response, what)
            if told is None:
                return found, response
            wait = told.retry_after if isinstance(told, RateLimited) else None
            if wait is None or wait > LONGEST_WAIT_S or attempt == WAITS_MAX:
                raise told
            await self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def get(self, path: str, *, what: str, params: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON at a path."""
        answer, _ = await self.ask(path, what=what, params=params)
        return answer

    async def download(
        self,
        path: str,
        *,
        what: str,
        params: Mapping[str, Any] | None = None,
        bytes_max: int | None = None,
    ) -> bytes:
        """Return a file. Raises ResponseTooLarge beyond ``bytes_max``, or else the usual limit."""
        extensions = {} if bytes_max is None else {MAX_BYTES: bytes_max}

        async def send() -> httpx.Response:
            return await self._client.get(
                self.root + path if path.startswith("/") else path,
                params=_write_params(params),
                extensions=extensions,
            )

        content, _ = await self._try(send, self._read_file, what)
        return content

    async def _read_file(
        self, response: httpx.Response, what: str
    ) -> tuple[WeftError | None, bytes]:
        told = None if response.is_success else (await self._read(response, what))[0]
        return told, response.content

    async def _read(self, response: httpx.Response, what: str) -> tuple[WeftError | None, Any]:
        """Return the error that the answer tells in the service's own way, or its JSON.

        Raises for its status, and for what is no JSON.
        """
        if response.history and not self._is_open:
            self._refuse_stranger(response, what)
        content = response.content
        answer, broken = None, None
        try:
            answer = await run_parser(len(content), decode_json, content, what)
        except SourceUnavailable as error:
            broken = error
        told = self._service.find_error(response, answer)
        if told is not None:
            return told, None
        raise_for_status_of(response, what)
        if broken is not None:
            raise broken
        return None, answer

    def _refuse_stranger(self, response: httpx.Response, what: str) -> None:
        """Raise for an answer of another host, which got no credentials and knows no secrets."""
        if origin_of(response.url) != origin_of(response.history[0].url):
            raise SourceUnavailable(
                f"{what} was answered by {host_of(response.url)}, which gets no credentials.",
                hint="If the service has moved, give its new address.",
            )


class _Pace:
    """Keeps within a budget: a burst of its requests, and then one after another."""

    def __init__(self, budget: Budget | None, sleep: Sleep) -> None:
        self._budget = budget
        self._sleep = sleep
        self._free = 0.0
        self._at = 0.0

    async def wait(self) -> None:
        """Wait until the next request fits into the budget."""
        budget = self._budget
        if budget is None:
            return
        now, rate = anyio.current_time(), budget.requests / budget.seconds
        first = self._at == 0.0
        self._free = min(budget.requests, self._free + (now - self._at) * rate)
        self._free = float(budget.requests) if first else self._free
        self._at, self._free = now, self._free - 1
        if self._free < 0:
            await self._sleep(-self._free / rate)


def raise_for_status_of(response: httpx.Response, what: str) -> None:
    """Raise as `raise_for_status`, but `Missing` for what is not there."""
    try:
        raise_for_status(response, what)
    except SourceMisconfigured as error:
        if response.status_code in (404, 410):
            raise Missing(error.message) from None
        raise


def find_graphql_error(answer: object) -> WeftError | None:
    """Return the error of a GraphQL answer, which comes with status 200."""
    told = cast("dict[str, Any]", answer).get("errors") if isinstance(answer, dict) else None
    if not told:
        return None
    return SourceUnavailable("The service answered the query with an error.")


def _write_params(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Write parameters as JSON would write them, and leave out those without a value.

    None, where there are none: an empty object would take those away that the address has.
    """
    shown = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in (params or {}).items()
        if value is not None
    }
    return shown or None
