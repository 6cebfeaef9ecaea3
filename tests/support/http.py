"""Help for the tests of the guarded client: scripted answers, name servers, a clock."""

from collections.abc import Callable, Iterator, Sequence

import httpx

from weft.net.client import Clock
from weft.net.http_factory import HttpFactory
from weft.net.transport import Resolve
from weft.testing.scripted_http import HttpReply, HttpRequest

SECRET = "sEcr3t-t0ken-9f8e7d"
NOW = 1_000_000.0


def replies(*scripted: HttpReply) -> Callable[[HttpRequest], HttpReply]:
    """Answers in this order, the last one for ever."""
    left: Iterator[HttpReply] = iter(scripted[:-1])
    return lambda _asked: next(left, scripted[-1])


def name_server(**addresses: str) -> Resolve:
    """A name server that knows these hosts; several addresses are separated by spaces."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        del port
        return addresses[host.replace(".", "_")].split()

    return resolve


async def no_sleep(seconds: float) -> None:
    """Passes any wait over."""
    del seconds


QUICK = Clock(sleep=no_sleep, now=lambda: NOW)


async def get(http: HttpFactory, url: str) -> httpx.Response:
    """One request by a client of its own."""
    async with http() as client:
        return await client.get(url)
