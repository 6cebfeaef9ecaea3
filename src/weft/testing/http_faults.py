"""Faults of servers, injected below the guarded client: no source can tell them from real ones."""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, cast

import httpx

from weft.net.client import Clock
from weft.net.errors import ResponseTooLarge, map_error
from weft.net.http_factory import HttpFactory
from weft.net.transport import STREAMED
from weft.sources.base import SourceContext
from weft.testing.listing_faults import Fault, ListingFaults

NOTICE_PATH = "/a-notice-in-place-of-it"
NOTICE = b"<!DOCTYPE html><title>Sign in</title><form><p>Please sign in.</form>"
_LINK = re.compile(rb"<a [^>]*>.*?</a>|<(?:url|sitemap)>.*?</(?:url|sitemap)>", re.DOTALL)
_MANGLED_SHARE = 0.02
_OF_OTHER_TYPES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, "", "odd", "9" * 30, [], [None], [[]], [{}], ["odd"]),
    *({}, {"name": []}, {"type": []}, {"id": None}),
)
STATUSES = (400, 401, 403, 407, 408, 409, 425, 429, 451)
STATUSES_OF_SERVERS = (500, 502, 503)


async def wait_not(_seconds: float) -> None:
    """Take no time, in place of the pause before another attempt."""


NO_WAIT = Clock(sleep=wait_not)
"""For `http_factory(clock=...)`: the client repeats failed requests at once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a server; ``is_cut`` if the connection breaks after this part of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool = False


Spoil = Callable[[Answer], Answer | Exception | None]
"""Makes a bad answer of a good one, or the error of the connection; None if it cannot."""


def spoiled_answers() -> dict[str, Spoil]:
    """Return all faults by name."""
    faults: dict[str, Spoil] = {
        "refused": lambda _: httpx.ConnectError("refused"),
        "slow": lambda _: httpx.ReadTimeout("too slow"),
        "dropped": lambda _: httpx.RemoteProtocolError("dropped"),
        "cut": lambda good: _with_body(good, good.body[: len(good.body) // 2], is_cut=True),
        "short": lambda good: _with_body(good, good.body[: len(good.body) // 2]),
        "empty": lambda good: _with_body(good, b""),
        "too large": lambda _: ResponseTooLarge("The answer is too large."),
        "hollow": _hollow,
        "no items": _empty_lists,
        "reordered": _reorder,
        "wrong type": lambda _: _of_type("application/octet-stream", b"\0\1\2"),
        "not parsable": lambda good: _with_body(good, b"<<<{{{"),
        "login page": lambda _: _of_type("text/html", NOTICE),
        "login page, same type": lambda good: _with_body(good, NOTICE),
        "sent to a login": lambda _: _redirect(302),
        "moved to a notice": lambda _: _redirect(303),
        "sent around": lambda _: Answer(307, {"location": "?"}, b""),
    }
    for status in (*STATUSES, *STATUSES_OF_SERVERS):
        faults[f"status {status}"] = _status(status)
    return faults


@dataclass
class HttpFaults(ListingFaults):
    """Spoils one answer at a time: each that a listing asks for, in each way.

    Give the case's context a client of `NO_WAIT`. A request that is repeated is spoiled each time.
    ``more`` are faults of the source's own formats. Statuses that say that a thing is gone (404,
    410) are not among the faults: a source may believe them.
    """

    more: Mapping[str, Spoil] = field(default_factory=dict[str, Spoil])
    _good: dict[str, Answer] = field(default_factory=dict[str, Answer])
    _places: list[str] = field(default_factory=list[str])
    _hit: bool = False

    def record(self, context: SourceContext) -> AbstractAsyncContextManager[SourceContext]:
        """As in `ListingFaults`."""
        self._places.clear()

        def note(key: str, answer: Answer) -> Answer:
            self._good[key] = answer
            if key not in self._places:
                self._places.append(key)
            return answer

        return self._open(context, note)

    def plan(self) -> Collection[Fault]:
        """As in `ListingFaults`."""
        names = [*spoiled_answers(), *self.more]
        return [Fault(name, place) for name in names for place in range(len(self._places))]

    def inject(
        self, fault: Fault, context: SourceContext
    ) -> AbstractAsyncContextManager[SourceContext]:
        """As in `ListingFaults`."""
        self._hit = False
        spoil = (spoiled_answers() | dict(self.more))[fault.name]

        def answer(key: str, good: Answer) -> Answer | Exception:
            if key != self._places[fault.place]:
                return good
            bad = spoil(good)
            self._hit = self._hit or bad is not None
            return good if bad is None else bad

        return self._open(context, answer)

    def mangle(
        self, seed: int, context: SourceContext
    ) -> AbstractAsyncContextManager[SourceContext]:
        """Answer in JSON whose form is right, but some of whose values have other types."""
        return self._open(
            context,
            lambda key, good: _mangle(good, Random(f"{seed} {key}")),  # noqa: S311 (the same each time)
        )

    def limit(
        self, seconds: int, context: SourceContext
    ) -> AbstractAsyncContextManager[SourceContext]:
        """Answer everything by asking to wait."""
        refusal = Answer(429, {"retry-after": str(seconds)}, b"")
        return self._open(context, lambda _key, _good: refusal)

    @property
    def hit(self) -> bool:
        """As in `ListingFaults`."""
        return self._hit

    @asynccontextmanager
    async def _open(
        self, context: SourceContext, answer: Callable[[str, Answer], Answer | Exception]
    ) -> AsyncGenerator[SourceContext]:
        yield replace(context, http=cast("HttpFactory", _Spoiled(context.http, self._good, answer)))


@dataclass(frozen=True, slots=True)
class _Spoiled:
    """A factory of clients whose transport answers with what ``answer`` makes of good answers."""

    factory: HttpFactory
    good: dict[str, Answer]
    answer: Callable[[str, Answer], Answer | Exception]

    @asynccontextmanager
    async def __call__(self, **options: Any) -> AsyncGenerator[httpx.AsyncClient]:
        async with self.factory(**options) as client:
            # httpx has no public way to put a transport around that of a finished client.
            inside = cast("Any", client)
            inside._transport = _SpoiledTransport(inside._transport, self)
            yield client


class _SpoiledTransport(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport, plan: _Spoiled) -> None:
        self._inner = inner
        self._plan = plan

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == NOTICE_PATH:
            return _response(_of_type("text/html", NOTICE), request)
        body = await request.aread()
        key = f"{request.method} {request.url} {body!r}"
        # A server is asked but once, and without validators, so that its whole answer is known.
        if key not in self._plan.good:
            for name in ("if-none-match", "if-modified-since"):
                request.headers.pop(name, None)
            got = await self._inner.handle_async_request(request)
            content = await got.aread()
            await got.aclose()
            self._plan.good[key] = Answer(got.status_code, dict(got.headers), content)
        answer = self._plan.answer(key, self._plan.good[key])
        if isinstance(answer, Exception):
            raise answer
        return _response(answer, request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, answer: Answer, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._answer.body
        if self._answer.is_cut:
            error = httpx.RemoteProtocolError("cut")
            # As the guarded transport does it: nobody else maps errors of a streamed body.
            is_streamed = self._request.extensions.get(STREAMED)
            raise map_error(error, self._request.url.host) if is_streamed else error


def _response(answer: Answer, request: httpx.Request) -> httpx.Response:
    headers = {k: v for k, v in answer.headers.items() if k.lower() not in _ABOUT_BODY}
    stream = _Stream(answer, request)
    return httpx.Response(answer.status, headers=headers, stream=stream, request=request)


def _with_body(good: Answer, body: bytes, *, is_cut: bool = False) -> Answer:
    # Whoever sends another body does not vouch for it with the validators of the good one.
    headers = {k: v for k, v in good.headers.items() if k.lower() not in _VALIDATORS}
    return Answer(good.status, headers, body, is_cut)


_VALIDATORS = frozenset({"etag", "last-modified"})
_ABOUT_BODY = frozenset({"content-length", "transfer-encoding", "connection"})


def _of_type(media_type: str, body: bytes) -> Answer:
    return Answer(200, {"content-type": media_type}, body)


def _redirect(status: int) -> Answer:
    return Answer(status, {"location": NOTICE_PATH}, b"")


def _status(status: int) -> Spoil:
    return lambda good: Answer(status, {"content-type": "text/html"}, NOTICE)


def _hollow(good: Answer) -> Answer | None:
    """Keep the form and leave out the content: no fields, or no links."""
    if good.body[:1] in (b"[", b"{"):
        return _with_body(good, b"[]" if good.body.startswith(b"[") else b"{}")
    hollow = _LINK.sub(b"", good.body)
    return None if hollow == good.body else _with_body(good, hollow)


def _empty_lists(good: Answer) -> Answer | None:
    """Empty each list of a JSON answer that is one, or that has some."""
    if good.body[:1] not in (b"[", b"{"):
        return None
    found: Any = json.loads(good.body)
    if isinstance(found, dict):
        fields = cast("dict[str, Any]", found)
        emptied: Any = {k: fields[k] for k in fields if not isinstance(fields[k], list)}
        emptied |= {k: list[Any]() for k in fields.keys() - emptied.keys()}
    else:
        emptied = list[Any]()
    return None if emptied == found else _with_body(good, json.dumps(emptied).encode())


def _reorder(good: Answer) -> Answer | None:
    """Reverse the order of what is listed."""
    if good.body[:1] in (b"[", b"{"):
        return _with_body(good, json.dumps(_reverse_lists(json.loads(good.body))).encode())
    links = _LINK.findall(good.body)
    if len(links) < 2:
        return None
    rest = iter(reversed(links))
    return _with_body(good, _LINK.sub(lambda _: next(rest), good.body))


def _mangle(good: Answer, chance: Random) -> Answer:
    if good.body[:1] not in (b"[", b"{"):
        return good
    return _with_body(good, json.dumps(_mangle_in(json.loads(good.body), chance)).encode())


def _mangle_in(value: Any, chance: Random, *, is_listed: bool = False) -> Any:
    """Mangle what lies in lists: what is around them leads to the next page."""
    if is_listed and chance.random() < _MANGLED_SHARE:
        return chance.choice(_OF_OTHER_TYPES)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {k: _mangle_in(fields[k], chance, is_listed=is_listed) for k in fields}
    if isinstance(value, list):
        return [_mangle_in(part, chance, is_listed=True) for part in cast("list[Any]", value)]
    return value


def _reverse_lists(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _reverse_lists(part) for name, part in fields.items()}
    if isinstance(value, list):
        return [_reverse_lists(part) for part in reversed(cast("list[Any]", value))]
    return value
