"""Bounds of an answer in time and size, and the ways in which it may be packed."""

import gzip
import zlib

import anyio
import anyio.lowlevel
import pytest

from tests.support.http import QUICK, get, replies
from weft.errors import SourceUnavailable
from weft.net.client import http_factory
from weft.net.errors import ResponseTooLarge
from weft.net.http_factory import HttpFactory
from weft.net.transport import MAX_BYTES, HttpLimits
from weft.net.unpack import GZIP_MEMBERS_MAX, unpack_gzip
from weft.testing.scripted_http import HttpReply, html, serve

pytestmark = pytest.mark.anyio


async def test_slow_body_ends_at_the_total_time_and_is_not_retried() -> None:
    http = http_factory({"127.0.0.1"}, limits=HttpLimits(total_s=0.2), clock=QUICK)
    async with serve(replies(HttpReply(body=b"123", hang=True))) as site:
        with pytest.raises(SourceUnavailable, match="took too long"):
            await get(http, site.url)
        assert len(site.requests) == 1


async def test_silence_is_a_read_timeout_and_is_retried() -> None:
    http = http_factory({"127.0.0.1"}, limits=HttpLimits(read_s=0.1), clock=QUICK)
    async with serve(replies(HttpReply(body=b"123", hang=True), html("x"))) as site:
        assert (await get(http, site.url)).text == "x"
        assert len(site.requests) == 2


@pytest.mark.parametrize("kind", ["packed", "tiny chunks"])
async def test_reading_a_body_lets_others_run(http: HttpFactory, kind: str) -> None:
    reply = compress_reply(b"0" * 9_000_000)
    if kind == "tiny chunks":
        body = b"1\r\n0\r\n" * 5_000 + b"0\r\n\r\n"
        reply = HttpReply(body=body, headers={"transfer-encoding": "chunked"})
    turns = before = count = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with (
        serve(replies(reply)) as site,
        http(base_url=site.url) as client,
        client.stream("GET", "/") as response,
        anyio.create_task_group() as group,
    ):
        group.start_soon(take_turns)
        pieces = response.aiter_raw()
        await anext(pieces)
        before = turns
        async for _ in pieces:
            count += 1
        group.cancel_scope.cancel()
    assert count > 100
    assert turns - before > count / 2


SMALL = http_factory({"127.0.0.1"}, limits=HttpLimits(max_body_bytes=10_000), clock=QUICK)


def compress_reply(body: bytes, encoding: str = "gzip") -> HttpReply:
    data = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    return HttpReply(body=data, headers={"content-encoding": encoding})


@pytest.mark.parametrize(
    "reply",
    [
        HttpReply(body=b"x" * 10_001),
        HttpReply(body=b"x" * 10_001, headers={"content-length": "", "connection": "close"}),
        compress_reply(b"0" * 50_000_000),
        compress_reply(b"0" * 10_001, "deflate"),
    ],
    ids=["announced", "unannounced", "bomb", "deflate"],
)
async def test_oversize_body_is_refused_while_it_is_read(reply: HttpReply) -> None:
    if not reply.headers.get("content-length", "x"):
        reply.headers = {"transfer-encoding": "chunked"}
        reply.body = b"2711\r\n" + reply.body + b"\r\n0\r\n\r\n"
    async with serve(replies(reply)) as site:
        with pytest.raises(ResponseTooLarge):
            await get(SMALL, site.url)


async def test_packed_bodies_are_unpacked(http: HttpFactory) -> None:
    async with serve(
        replies(compress_reply(b"a" * 200_000), compress_reply(b"zz", "deflate"))
    ) as site:
        assert (await get(http, site.url)).text == "a" * 200_000
        assert (await get(http, site.url)).text == "zz"
    two = HttpReply(
        body=gzip.compress(b"one ") + gzip.compress(b"two"), headers={"content-encoding": "gzip"}
    )
    async with serve(replies(two)) as site:
        assert (await get(http, site.url)).text == "one two"


@pytest.mark.parametrize(
    "reply",
    [
        HttpReply(body=b"not gzip", headers={"content-encoding": "gzip"}),
        HttpReply(body=gzip.compress(b"x" * 999)[:-4], headers={"content-encoding": "gzip"}),
        HttpReply(body=b"x", headers={"content-encoding": "gzip, gzip"}),
        HttpReply(body=b"x", headers={"content-encoding": "br"}),
    ],
)
async def test_broken_or_unasked_encoding_is_a_broken_answer(
    http: HttpFactory, reply: HttpReply
) -> None:
    async with serve(replies(reply)) as site:
        with pytest.raises(SourceUnavailable, match="sent a broken answer"):
            await get(http, site.url)


async def test_one_request_may_have_a_limit_of_its_own() -> None:
    async with serve(replies(HttpReply(body=b"x" * 20_000))) as site, SMALL() as client:
        response = await client.get(site.url, extensions={MAX_BYTES: 30_000})
        assert len(response.content) == 20_000


async def test_streamed_body_fails_with_our_errors(http: HttpFactory) -> None:
    async with serve(replies(HttpReply(body=b"12345", cut=True))) as site, http() as client:
        with pytest.raises(SourceUnavailable):
            async with client.stream("GET", site.url) as response:
                await response.aread()


def test_gzip_file_is_bounded() -> None:
    assert unpack_gzip(gzip.compress(b"abc"), 3) == b"abc"
    with pytest.raises(ResponseTooLarge):
        unpack_gzip(gzip.compress(b"0" * 50_000_000), 1_000_000)
    with pytest.raises(SourceUnavailable):
        unpack_gzip(b"nonsense", 10)


def test_gzip_file_has_a_limit_of_members() -> None:
    # Thousands of empty members unpack to nothing, so a limit of the result never stops them.
    assert unpack_gzip(gzip.compress(b"a") * GZIP_MEMBERS_MAX, 10_000) == b"a" * GZIP_MEMBERS_MAX
    with pytest.raises(SourceUnavailable):
        unpack_gzip(gzip.compress(b"") * (GZIP_MEMBERS_MAX + 1), 10_000)
