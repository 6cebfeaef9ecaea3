"""Responses of mail servers that are made to cost time or memory, of any size."""

from contextlib import suppress

from tests.support.sources.hostile.pages import number, random_bytes, repeat
from weft.errors import SourceUnavailable
from weft.sources.imap.names import decode_name
from weft.sources.imap.tokens import read_tokens
from weft.testing.hostile import HostileParser


def _read_all(content: bytes) -> None:
    for line in content.split(b"\n"):
        decode_name(line)
        with suppress(SourceUnavailable):
            read_tokens([line])
    with suppress(SourceUnavailable):
        read_tokens(content.split(b"{"))


MAIL_RESPONSES = HostileParser(
    "responses of mail servers",
    _read_all,
    {
        "brackets": repeat(b"("),
        "brackets that close": lambda size: b"(" * (size // 2) + b")" * (size // 2),
        "empty lists": repeat(b"()"),
        "closings": repeat(b")"),
        "lists in lists": repeat(b"(a (b) "),
        "a long atom": repeat(b"a"),
        "atoms": repeat(b"a "),
        "numbered atoms": number("a%d "),
        "quotes": repeat(b'"'),
        "a string without end": repeat(b"a", b'"'),
        "strings": repeat(b'"a" '),
        "escapes": repeat(b"\\\\", b'"', b'"'),
        "escaped quotes": repeat(b'\\"', b'"'),
        "a backslash at the end": repeat(b"a", b'"', b"\\"),
        "literals": repeat(b"a {b"),
        "empty literals": repeat(b"{"),
        "spaces": repeat(b" "),
        "null bytes": repeat(b"\0"),
        "nothings": repeat(b"NIL "),
        "lines": repeat(b"* 1 FETCH (UID 1)\n"),
        "shifts": repeat(b"&"),
        "empty shifts": repeat(b"&-"),
        "shifted letters": repeat(b"&APw-"),
        "a long shift": repeat(b"APwA", b"&", b"-"),
        "a shift without end": repeat(b"APwA", b"&"),
        "half characters": repeat(b"&2D0-"),
        "high bytes": repeat(b"\xff"),
        "no text": random_bytes,
    },
    size=32 * 1024,
    memory_factor=256,
)
