"""Frames that no server can serve: each is answered, and the next good one is served."""

import json
from collections.abc import AsyncGenerator

import pytest
from weft_process import Place, RawServer, raw_server

pytestmark = pytest.mark.anyio

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602

CALL = b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":%s}'
META = (
    b'"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
    b'"io.modelcontextprotocol/clientCapabilities":{}}'
)
NO_META = b'"_meta":{}'
DEPTH = 100_000

# name: (frame, the id of the answer, its codes)
FRAMES: dict[str, tuple[bytes, object, set[int]]] = {
    "not JSON": (b"hello", None, {PARSE_ERROR}),
    "truncated": (b'{"jsonrpc":"2.0","id":"x","method":"tools/li', "x", {PARSE_ERROR}),
    "invalid UTF-8": (
        b'{"jsonrpc":"2.0","id":"x","method":"ping\xff\xfe"}',
        "x",
        {PARSE_ERROR},
    ),
    "lone surrogate": (
        CALL % (b'{"name":"search","arguments":{"query":"\\ud800"},' + META + b"}"),
        "x",
        {PARSE_ERROR, INVALID_REQUEST},
    ),
    "lone surrogate, id last": (
        b'{"method":"tools/call","params":{"name":"\\udfff"},"jsonrpc":"2.0","id":"x"}',
        "x",
        {PARSE_ERROR, INVALID_REQUEST},
    ),
    "deep nesting": (
        CALL % (b'{"name":"search","arguments":' + b'{"a":' * DEPTH + b"1" + b"}" * DEPTH + b"}"),
        "x",
        {PARSE_ERROR, INVALID_REQUEST},
    ),
    "deep nesting, never closed": (b"[" * DEPTH, None, {PARSE_ERROR}),
    "batch": (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', None, {INVALID_REQUEST}),
    "empty batch": (b"[]", None, {INVALID_REQUEST}),
    "string": (b'"ping"', None, {INVALID_REQUEST}),
    "number": (b"1", None, {INVALID_REQUEST}),
    "null": (b"null", None, {INVALID_REQUEST}),
    "id null": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None, {INVALID_REQUEST}),
    "id fraction": (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', None, {INVALID_REQUEST}),
    "id object": (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', None, {INVALID_REQUEST}),
    "wrong version": (b'{"jsonrpc":"1.0","id":"x","method":"ping"}', "x", {INVALID_REQUEST}),
    "no version": (b'{"id":"x","method":"ping"}', "x", {INVALID_REQUEST}),
    "method a number": (b'{"jsonrpc":"2.0","id":"x","method":1}', "x", {INVALID_REQUEST}),
    "params a string": (
        b'{"jsonrpc":"2.0","id":"x","method":"tools/list","params":"all"}',
        "x",
        {INVALID_REQUEST, INVALID_PARAMS},
    ),
    "params a list": (
        b'{"jsonrpc":"2.0","id":"x","method":"tools/list","params":[1]}',
        "x",
        {INVALID_REQUEST, INVALID_PARAMS},
    ),
    "nothing": (b"{}", None, {INVALID_REQUEST}),
    "unknown method": (
        b'{"jsonrpc":"2.0","id":"x","method":"tools/destroy","params":{' + META + b"}}",
        "x",
        {METHOD_NOT_FOUND},
    ),
    "arguments a list": (
        CALL % (b'{"name":"search","arguments":[1],' + META + b"}"),
        "x",
        {INVALID_PARAMS},
    ),
    "name missing": (CALL % (b'{"arguments":{},' + META + b"}"), "x", {INVALID_PARAMS}),
    "5 MB": (
        CALL % (b'{"name":"search","arguments":{"query":"' + b"a" * 5_000_000 + b'"}}'),
        "x",
        {INVALID_REQUEST},
    ),
    "not a number": (
        b'{"jsonrpc":"2.0","id":"x","method":"ping","params":{"a":NaN}}',
        "x",
        {PARSE_ERROR},
    ),
}


@pytest.fixture(scope="module", params=["legacy", "2026-07-28"])
async def server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,
) -> AsyncGenerator[RawServer]:
    """Run one process for all frames, so that damage by one frame shows in the next test."""
    place = Place.make(tmp_path_factory.mktemp("frames"))
    async with raw_server(place) as server:
        if request.param == "legacy":
            await server.initialize()
        yield server
        await server.close_stdin()
        assert await server.ended() == 0
    assert "Traceback" not in place.stderr.read_text()


@pytest.mark.parametrize("name", FRAMES)
async def test_bad_frame_is_answered_and_the_next_good_one_served(
    server: RawServer, name: str
) -> None:
    frame, request_id, codes = FRAMES[name]
    await server.send(frame if server.is_modern else frame.replace(META, NO_META))
    answer = await server.receive()
    assert answer["id"] == request_id
    assert answer["error"]["code"] in codes
    assert len(json.dumps(answer)) < 2000
    assert await answers_next(server)


async def test_blank_lines_and_stray_notifications_are_passed_over(server: RawServer) -> None:
    await server.send(b"")
    await server.send(b"   \r")
    await server.send(b'{"jsonrpc":"2.0","method":"notifications/nothing"}')
    await server.send(b'{"jsonrpc":"2.0","id":"nobody asked","result":{}}')
    assert await answers_next(server)


async def answers_next(server: RawServer) -> bool:
    """Send a good request; return whether its answer is the next frame."""
    request_id = await server.start("tools/call", {"name": "list_collections", "arguments": {}})
    answer = await server.receive()
    return answer["id"] == request_id and answer["result"]["structuredContent"]["items"] == []
