"""Frames that no server can serve, with the answers that every transport must give."""

from dataclasses import dataclass
from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
HEADER_MISMATCH = -32020

CANARY = "cAnary7Qx9ZZq2"
MODERN_META = (
    b'"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
    b'"io.modelcontextprotocol/clientCapabilities":{}}'
)
LEGACY_META = b'"_meta":{}'
DEPTH = 100_000
ANSWER_MAX_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, the id and the codes of its answer, and a word that says what is wrong."""

    raw: bytes
    request_id: object
    codes: frozenset[int]
    says: str = ""

    def of_era(self, *, is_modern: bool) -> bytes:
        """Return the frame as a client of that era sends it."""
        return self.raw if is_modern else self.raw.replace(MODERN_META, LEGACY_META)


def frame(raw: bytes, request_id: object, *codes: int, says: str = "") -> Frame:
    return Frame(raw.replace(b"CANARY", CANARY.encode()), request_id, frozenset(codes), says)


def call(arguments: bytes, *, meta: bytes = MODERN_META) -> bytes:
    """Return a call of `search` with these arguments."""
    start = b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"search",'
    return start + meta + b',"arguments":' + arguments + b"}}"


def call_with_id(request_id: bytes) -> bytes:
    """Return a call under this id, which holds a canary."""
    return call(b'{"query":"CANARY"}').replace(b'"x"', request_id, 1)


BAD_IDS = {
    "null": b"null",
    "fraction": b"1.5",
    "whole fraction": b"1.0",
    "exponent": b"1e3",
    "true": b"true",
    "object": b"{}",
    "list": b"[1]",
    "more than 64 bits": b"9223372036854775808",
    "far more than 64 bits": b"-" + b"9" * 400,
    "long": b'"' + b"x" * 257 + b'"',
    "very long": b'"' + b"x" * 100_000 + b'"',
}
BAD_ARGUMENTS = {
    "a list": b'["CANARY"]',
    "a string": b'"CANARY"',
    "a number": b"5",
    "true": b"true",
}
BAD_JSON: dict[str, tuple[bytes, str]] = {
    "NaN": (b'{"query":"CANARY","limit":NaN}', "NaN"),
    "Infinity": (b'{"query":"CANARY","limit":Infinity}', "Infinity"),
    "-Infinity": (b'{"query":"CANARY","limit":-Infinity}', "Infinity"),
    "5,000 digits": (b'{"query":"CANARY","limit":' + b"7" * 5000 + b"}", "too many digits"),
    "a high surrogate": (b'{"query":"CANARY\\ud800"}', "surrogate"),
    "a low surrogate": (b'{"query":"CANARY \\udfff"}', "surrogate"),
    "a surrogate before a letter": (b'{"query":"CANARY\\ud800\\u0041"}', "surrogate"),
    "half an escape": (b'{"query":"CANARY\\u12"}', "JSON"),
    "an unknown escape": (b'{"query":"CANARY\\x"}', "JSON"),
    "a raw control character": (b'{"query":"CANARY\x01"}', "JSON"),
    "a trailing comma": (b'{"query":"CANARY",}', "JSON"),
    "single quotes": (b"{'query':'CANARY'}", "JSON"),
    "a comment": (b'{"query":"CANARY"/* */}', "JSON"),
    "a leading zero": (b'{"query":"CANARY","limit":010}', "JSON"),
    "a wrong byte": (b'{"query":"CANARY\xff"}', "UTF-8"),
    "an encoded surrogate": (b'{"query":"CANARY\xed\xa0\x80"}', "UTF-8"),
    "an overlong byte": (b'{"query":"CANARY\xc0\xaf"}', "UTF-8"),
    "deep objects": (b'{"a":' * DEPTH + b'"CANARY"' + b"}" * DEPTH, "nested"),
    "deep lists": (b"[" * DEPTH + b'"CANARY"' + b"]" * DEPTH, "nested"),
    "201 levels": (b'{"a":' * 201 + b'"CANARY"' + b"}" * 201, "nested"),
}
BAD_REQUESTS: dict[str, bytes] = {
    "wrong version": b'{"jsonrpc":"1.0","id":"x","method":"CANARY"}',
    "version a number": b'{"jsonrpc":2.0,"id":"x","method":"ping","params":{"a":"CANARY"}}',
    "no version": b'{"id":"x","method":"tools/call","params":{"name":"search","a":"CANARY"}}',
    "no version, a number as id": b'{"id":700000,"method":"ping","params":{"a":"CANARY"}}',
    "method a number": b'{"jsonrpc":"2.0","id":"x","method":1,"params":{"a":"CANARY"}}',
    "method null": b'{"jsonrpc":"2.0","id":"x","method":null,"params":{"a":"CANARY"}}',
    "method an object": b'{"jsonrpc":"2.0","id":"x","method":{"a":"CANARY"}}',
    "params a string": b'{"jsonrpc":"2.0","id":"x","method":"tools/list","params":"CANARY"}',
    "params a list": b'{"jsonrpc":"2.0","id":"x","method":"tools/list","params":["CANARY"]}',
    "params a number": b'{"jsonrpc":"2.0","id":"x","method":"ping","params":5}',
    "neither method nor result": b'{"jsonrpc":"2.0","id":"x","CANARY":"CANARY"}',
    "an error without a code": b'{"jsonrpc":"2.0","id":"x","error":{"message":"CANARY"}}',
    "batch of one": b'[{"jsonrpc":"2.0","id":"x","method":"ping","params":{"a":"CANARY"}}]',
    "an error that is a string": b'{"jsonrpc":"2.0","id":"x","error":"CANARY"}',
}
NO_REQUESTS: dict[str, bytes] = {
    "batch": b'[{"id":1,"method":"ping","params":{"a":"CANARY"}},{"id":2,"method":"ping"}]',
    "empty batch": b"[]",
    "string": b'"CANARY"',
    "number": b"1",
    "null": b"null",
    "nothing": b"{}",
}


def _build() -> dict[str, Frame]:
    frames = {
        f"id {name}": frame(call_with_id(raw), None, INVALID_REQUEST, says="id must be")
        for name, raw in BAD_IDS.items()
    }
    frames |= {
        f"arguments {name}": frame(call(raw), "x", INVALID_PARAMS, says="arguments")
        for name, raw in BAD_ARGUMENTS.items()
    }
    frames |= {
        f"arguments with {name}": frame(call(raw), "x", PARSE_ERROR, says=says)
        for name, (raw, says) in BAD_JSON.items()
    }
    frames |= {
        name: frame(raw, 700000 if b"700000" in raw else "x", INVALID_REQUEST)
        for name, raw in BAD_REQUESTS.items()
    }
    frames |= {name: frame(raw, None, INVALID_REQUEST) for name, raw in NO_REQUESTS.items()}
    named = b'{"jsonrpc":"2.0","id":"x","method":"%s","params":{' + MODERN_META + b"%s}}"
    return frames | {
        "not JSON": frame(b"hello CANARY", None, PARSE_ERROR),
        "truncated": frame(b'{"jsonrpc":"2.0","id":"x","method":"CANARY', "x", PARSE_ERROR),
        "two frames": frame(
            b'{"jsonrpc":"2.0","id":"x","method":"ping"}{"jsonrpc":"2.0"}', "x", PARSE_ERROR
        ),
        "id last": frame(
            b'{"method":"CANARY","params":{"name":"\\udfff"},"jsonrpc":"2.0","id":"x"}',
            "x",
            PARSE_ERROR,
        ),
        "truncated, with the id of something else": frame(
            b'{"jsonrpc":"2.0","method":"CANARY","params":{"id":700000}', None, PARSE_ERROR
        ),
        "long and truncated, with the id of something else": frame(
            b'{"method":"CANARY' + b"a" * 20_000 + b'","params":{"id":700000}', None, PARSE_ERROR
        ),
        "UTF-16": frame('{"jsonrpc":"2.0","id":"x"}'.encode("utf-16"), None, PARSE_ERROR),
        "deep nesting, never closed": frame(b"[" * DEPTH, None, PARSE_ERROR),
        "unknown method": frame(named % (b"tools/destroy", b""), "x", METHOD_NOT_FOUND),
        "unknown method with a secret": frame(named % (b"CANARY", b""), "x", METHOD_NOT_FOUND),
        "very long method": frame(named % (b"m" * 100_000, b""), "x", METHOD_NOT_FOUND),
        "name missing": frame(named % (b"tools/call", b',"CANARY":1'), "x", INVALID_PARAMS),
        "name a list": frame(
            named % (b"tools/call", b',"name":["CANARY"]'),
            "x",
            INVALID_PARAMS,
            HEADER_MISMATCH,
            says="name",
        ),
        "a version with blanks": frame(
            call(b"{}", meta=b'"_meta":{"io.modelcontextprotocol/protocolVersion":"CANARY ?"}'),
            "x",
            INVALID_PARAMS,
            says="version",
        ),
        "very long version": frame(
            b'{"jsonrpc":"2.0","id":"x","method":"initialize","params":{"protocolVersion":"'
            + b"CANARY" * 20_000
            + b'"}}',
            "x",
            INVALID_PARAMS,
            says="version",
        ),
        "uri a number": frame(
            named % (b"resources/read", b',"uri":5,"CANARY":"CANARY"'),
            "x",
            INVALID_PARAMS,
            HEADER_MISMATCH,
            says="uri",
        ),
        "unknown tool": frame(
            named % (b"tools/call", b',"name":"CANARY","arguments":{}'), "x", INVALID_PARAMS
        ),
    }


FRAMES: dict[str, Frame] = _build()


def check_answer(answer: dict[str, Any], expected: Frame) -> None:
    """Assert that the answer has the frame's id and a reason, and repeats nothing."""
    assert answer["jsonrpc"] == "2.0"
    assert answer["id"] == expected.request_id
    assert answer["error"]["code"] in expected.codes
    text = str(answer)
    assert expected.says in answer["error"]["message"]
    assert CANARY not in text
    assert len(text) < ANSWER_MAX_CHARS
