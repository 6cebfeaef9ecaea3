"""Every frame becomes a message or an answer that carries its id."""

import time
from collections.abc import Callable, Iterator

import pytest
from mcp_types import INVALID_REQUEST, PARSE_ERROR, JSONRPCError, JSONRPCNotification
from mcp_types.jsonrpc import JSONRPCRequest, JSONRPCResponse

from weft.net.json_bodies import CONTAINERS_MAX
from weft.server.transport.frames import (
    FRAME_MAX_BYTES,
    KEPT_TAIL_BYTES,
    FrameError,
    oversize_error,
    read_frame,
)
from weft.server.transport.pipe import FrameSplitter, encode

DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    ("raw", "code", "request_id"),
    [
        (b"{", PARSE_ERROR, None),
        (b"nonsense", PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":7,"method":"x"', PARSE_ERROR, 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"\\ud800"}', PARSE_ERROR, 7),
        (b'{"method":"\\ud800","params":{"id":1},"jsonrpc":"2.0","id":"a b"}', PARSE_ERROR, "a b"),
        (b'{"jsonrpc":"2.0","params":{"id":1},"method":"\xff"}', PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":8,"method":"\xff\xfe"}', PARSE_ERROR, 8),
        (b'{"jsonrpc":"2.0","id":9,"method":"x","params":' + DEEP + b"}", PARSE_ERROR, 9),
        (b'{"params":' + DEEP + b',"jsonrpc":"2.0","id":9}', PARSE_ERROR, 9),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"x"}', PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","method":"\\"id\\":5","x":}', PARSE_ERROR, None),
        (b"[]", INVALID_REQUEST, None),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', INVALID_REQUEST, 1),
        (b'[{"id":1,"method":"ping"},{"id":2,"method":"ping"}]', INVALID_REQUEST, None),
        (b'[["id"]]', INVALID_REQUEST, None),
        (b"1", INVALID_REQUEST, None),
        (b"null", INVALID_REQUEST, None),
        (b"{}", INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":[],"method":"ping"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"1.0","id":3,"method":"ping"}', INVALID_REQUEST, 3),
        (b'{"id":3,"method":"ping"}', INVALID_REQUEST, 3),
        (b'{"jsonrpc":"2.0","id":3,"method":5}', INVALID_REQUEST, 3),
        (b'{"jsonrpc":"2.0","id":3,"method":"ping","params":[1]}', INVALID_REQUEST, 3),
        (b'{"jsonrpc":"2.0","id":3}', INVALID_REQUEST, 3),
    ],
)
def test_frame_that_cannot_be_served_is_answered(
    raw: bytes, code: int, request_id: str | int | None
) -> None:
    answer = read_frame(raw)
    assert isinstance(answer, FrameError)
    assert answer.error.code == code
    assert answer.id == request_id


def test_good_frames_are_messages() -> None:
    assert isinstance(read_frame(b'{"jsonrpc":"2.0","id":"1","method":"x"}'), JSONRPCRequest)
    assert isinstance(read_frame(b'{"jsonrpc":"2.0","method":"x"}\r'), JSONRPCNotification)
    assert isinstance(read_frame(b'{"jsonrpc":"2.0","id":1,"result":{}}'), JSONRPCResponse)
    error = read_frame(b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}')
    assert isinstance(error, JSONRPCError)
    assert not isinstance(error, FrameError)
    assert read_frame(b" \r") is None


def chunks_of(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def split(chunks: Iterator[bytes]) -> Iterator[bytes | FrameError]:
    splitter = FrameSplitter()
    for chunk in chunks:
        yield from splitter.feed(chunk)
    yield from splitter.finish()


@pytest.mark.parametrize("size", [1, 3, 100])
def test_lines_are_whole_however_they_arrive(size: int) -> None:
    assert list(split(chunks_of(b"one\ntwo\n\nthree", size))) == [
        b"one",
        b"two",
        b"",
        b"three",
    ]


@pytest.mark.parametrize("id_first", [True, False])
@pytest.mark.parametrize("ended", [True, False])
def test_oversize_frame_is_refused_with_its_id_and_not_kept(id_first: bool, ended: bool) -> None:
    head = b'{"jsonrpc":"2.0","id":"big",' if id_first else b'{"jsonrpc":"2.0",'
    tail = b'"x":1}' if id_first else b'"id":"big"}'
    body = b'"params":{"id":1,"x":"' + b"x" * (FRAME_MAX_BYTES + 10) + b'"},'
    data = head + body + tail + (b"\nnext\n" if ended else b"")
    first, *rest = split(chunks_of(data, 65536))
    assert isinstance(first, FrameError)
    assert first.id == "big"
    assert rest == ([b"next"] if ended else [])


@pytest.mark.parametrize("piece", [b"[],", b"{},"])
def test_frame_of_endless_lists_is_refused_with_its_id(piece: bytes) -> None:
    body = b'"params":{"arguments":{"query":[' + piece * (CONTAINERS_MAX + 1) + b"1]}}}"
    answer = read_frame(b'{"jsonrpc":"2.0","id":"big","method":"tools/call",' + body)
    assert isinstance(answer, FrameError)
    assert answer.id == "big"


def test_lone_surrogate_in_a_result_is_replaced() -> None:
    response = JSONRPCResponse(jsonrpc="2.0", id=1, result={"a": ["x\ud800y"], "b\udfff": 1})
    assert encode(response) == b'{"jsonrpc":"2.0","id":1,"result":{"a":["x?y"],"b?":1}}\n'


HOSTILE_HEADS: dict[str, Callable[[int], str]] = {
    "escaped quotes without an end": lambda n: '{"x":"' + '\\"' * n,
    "quotes and escapes": lambda n: '{"x":"' + '\\\\"' * n,
    "a lone escape": lambda n: '{"x":"' + "\\" * n,
    "spaces before an id": lambda n: '{"id":' + " " * n,
    "ids": lambda n: '"id":"' * n,
}


@pytest.mark.parametrize("kind", HOSTILE_HEADS)
def test_search_for_an_id_takes_linear_time(kind: str) -> None:
    def seconds(n: int) -> float:
        head = HOSTILE_HEADS[kind](n).encode()
        durations: list[float] = []
        for _ in range(3):
            started = time.process_time()
            oversize_error(head, head[-KEPT_TAIL_BYTES:])
            durations.append(time.process_time() - started)
        return min(durations)

    # Quadratic growth would make this factor 64; the constant hides timer noise.
    assert seconds(16_000) < 24 * seconds(2_000) + 0.02
