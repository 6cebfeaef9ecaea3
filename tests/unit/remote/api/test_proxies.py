"""A proxy of the environment sees no more of the traffic with the API than it must."""

import re
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream
from pydantic import SecretStr

import weft
from tests.support.proxies import set_proxies
from weft.errors import SourceUnavailable
from weft.remote.api.client import open_client
from weft.remote.api.timeouts import Timeouts
from weft.testing.scripted_http import HttpReply, as_json, serve

pytestmark = pytest.mark.anyio

KEY = "s3cr3t-canary-key"


async def test_key_of_a_local_api_never_reaches_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(lambda _: as_json([])) as api, serve(lambda _: HttpReply(502)) as proxy:
        set_proxies(monkeypatch, proxy.url)
        async with open_client(api.url, SecretStr(KEY)) as client:
            assert await client.get("/collections", lambda body: body) == []
        assert (len(api.requests), proxy.requests) == (1, [])


async def test_api_elsewhere_is_reached_through_the_proxy_which_never_sees_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = bytearray()

    async def refuse(stream: SocketStream) -> None:
        async with stream:
            seen.extend(await stream.receive())
            await stream.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        set_proxies(
            monkeypatch, f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, refuse)
            timeouts = Timeouts(attempts=1)
            async with open_client(
                "https://api.example", SecretStr(KEY), timeouts=timeouts
            ) as client:
                with pytest.raises(SourceUnavailable):
                    await client.get("/collections", lambda body: body)
            tasks.cancel_scope.cancel()
    assert seen.startswith(b"CONNECT api.example:443 ")
    assert KEY.encode() not in seen


def test_every_client_decides_whether_proxies_may_carry_it() -> None:
    pattern = re.compile(r"httpx\.(?:Async)?Client\((.*?)\n\s*\)", re.DOTALL)
    made = [
        (path.name, call)
        for path in Path(weft.__file__).parent.rglob("*.py")
        for call in pattern.findall(path.read_text(encoding="utf-8"))
    ]
    assert len(made) >= 2
    assert all("trust_env=may_use_proxy(" in call for _, call in made), made
