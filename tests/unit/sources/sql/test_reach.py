"""Which servers the source `sql` connects to, and with which TLS."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import anyio
import pytest
from anyio.abc import SocketStream

from tests.support.patience import wait_until
from weft.errors import AuthenticationFailed, NotPermitted, SourceMisconfigured, WeftError
from weft.net.transport import Resolve
from weft.sources.base import SourceContext
from weft.sources.sql import reach
from weft.sources.sql.config import SqlConfig, SqlCredentials, SslMode
from weft.sources.sql.source import SqlSource
from weft.testing.source_contract import offline_context

pytestmark = pytest.mark.anyio

CANCEL_SECONDS = 5
SCHEMES = ["postgresql", "mysql"]
ADA = SqlCredentials.model_validate({"user": "ada", "password": "correct-horse"})


def source(url: str, *allowed: str, sslmode: SslMode = "prefer") -> SqlSource:
    context = SourceContext(http=offline_context().http, allow_hosts=frozenset(allowed))
    return SqlSource(SqlConfig(url=url, sslmode=sslmode), ADA, context)


def resolve_to(*answers: Sequence[str]) -> Resolve:
    left = list(answers)

    async def resolve(_host: str, _port: int, /) -> Sequence[str]:
        return left.pop(0)

    return resolve


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.5", "localhost"])
async def test_private_server_is_reached_only_if_the_operator_named_it(
    scheme: str, host: str
) -> None:
    with pytest.raises(SourceMisconfigured, match="private") as refused:
        await source(f"{scheme}://{host}/shop").check()
    assert "WEFT_ALLOW_HOSTS" in (refused.value.needs or "")


async def test_metadata_service_is_never_reached() -> None:
    with pytest.raises(SourceMisconfigured, match="never reachable"):
        await source("mysql://169.254.169.254/shop", "169.254.169.254").check()


async def test_name_is_looked_up_once_and_its_addresses_are_used() -> None:
    server = SqlConfig(url="postgresql://db.example/shop").server
    assert server is not None
    resolve = resolve_to(["10.0.0.1", "93.184.216.34", "127.0.0.1"])
    ways = await reach.find_ways(server, "prefer", (), resolve)
    assert [(str(address), mode) for address, mode in ways] == [("93.184.216.34", "require")]


@pytest.mark.parametrize(
    ("sslmode", "allowed", "used"),
    [
        ("prefer", (), "require"),
        ("prefer", ("db.example",), "prefer"),
        ("disable", ("db.example:5432",), "disable"),
        ("verify-full", (), "verify-full"),
    ],
)
async def test_password_goes_unencrypted_only_to_hosts_that_the_operator_named(
    sslmode: SslMode, allowed: tuple[str, ...], used: str
) -> None:
    server = SqlConfig(url="postgresql://db.example/shop").server
    assert server is not None
    ((_, mode),) = await reach.find_ways(server, sslmode, allowed, resolve_to(["93.184.216.34"]))
    assert mode == used


async def test_plain_connection_to_an_unnamed_host_is_refused() -> None:
    with pytest.raises(NotPermitted) as refused:
        await source("mysql://93.184.216.34/shop", sslmode="disable").check()
    assert (refused.value.field, bool(refused.value.needs)) == ("sslmode", True)


async def test_server_without_a_user_is_refused_before_it_is_reached() -> None:
    plain = source("mysql://127.0.0.1/shop", "127.0.0.1")
    plain.credentials = SqlCredentials()
    with pytest.raises(AuthenticationFailed):
        await plain.check()


@pytest.fixture
async def silent() -> AsyncGenerator[tuple[int, list[SocketStream]]]:
    """A server that accepts connections and says nothing."""
    streams: list[SocketStream] = []
    over = anyio.Event()

    async def accept(stream: SocketStream) -> None:
        async with stream:
            streams.append(stream)
            await over.wait()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, accept)
        yield listener.extra(anyio.abc.SocketAttribute.local_port), streams
        over.set()
        group.cancel_scope.cancel()


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_server_that_says_nothing_does_not_hold_up_a_cancelled_sync(
    scheme: str, silent: tuple[int, list[SocketStream]]
) -> None:
    port, streams = silent
    with anyio.fail_after(CANCEL_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(_list, source(f"{scheme}://127.0.0.1:{port}/shop", "127.0.0.1"))
            await wait_until(lambda: bool(streams))
            group.cancel_scope.cancel()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        b"\0" * 300,
        b"\x4a\0\0\0\x0a5.5.5-x\0" + b"\xff" * 66,
        b"\xff\xff\xff\0" + b"\xfb/etc/passwd",
        b"E\0\0\0\x7fSFATAL\0C28P01\0Mcanary\0\0",
        b"R\xff\xff\xff\xff",
        b"",
    ],
)
async def test_server_that_is_no_database_is_told_as_such(scheme: str, answer: bytes) -> None:
    async def accept(stream: SocketStream) -> None:
        async with stream:
            await stream.send(answer)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, accept)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with pytest.raises(WeftError) as refused:
            await source(f"{scheme}://127.0.0.1:{port}/shop", "127.0.0.1").check()
        assert not [word for word in ("canary", "correct-horse") if word in str(refused.value)]
        group.cancel_scope.cancel()


async def _list(listed: SqlSource) -> None:
    async with aclosing(listed.fetch(None)) as events:
        async for _ in events:
            pass
