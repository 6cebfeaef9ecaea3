"""What mail servers write is read as IMAP defines it, and refused where it is something else."""

import pytest

from weft.errors import SourceUnavailable
from weft.sources.imap.client import write_set
from weft.sources.imap.memory import FolderMemory, dump_memory, parse_memory
from weft.sources.imap.names import decode_name
from weft.sources.imap.tokens import Token, read_tokens


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"INBOX", "INBOX"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"&U,BTF2XlZyyKng-", "台北日本語"),
        (b"Tom &- Jerry", "Tom & Jerry"),
        (b"&2D3eAA-", "\U0001f600"),
        ("Entwürfe".encode(), "Entwürfe"),
        *((bad, None) for bad in (b"&", b"a&b", b"&APw", b"&2D0-", b"&AA-", b"\xff")),
    ],
)
def test_name_of_a_folder_is_decoded(raw: bytes, name: str | None) -> None:
    assert decode_name(raw) == name


RESPONSES: list[tuple[list[bytes], list[Token]]] = [
    ([b'* LIST (\\Sent) "/" a'], [b"*", b"LIST", [b"\\Sent"], b"/", b"a"]),
    ([b'* LIST () NIL "a \\"b\\" \\\\"'], [b"*", b"LIST", [], None, b'a "b" \\']),
    ([b"(BODY[]<0> ", b"a)b", b" UID 5)"], [[b"BODY[]<0>", b"a)b", b"UID", b"5"]]),
    ([b'("NIL" nil)'], [[b"NIL", None]]),
]


@pytest.mark.parametrize(("parts", "tokens"), RESPONSES)
def test_response_is_read(parts: list[bytes], tokens: list[Token]) -> None:
    assert read_tokens(parts) == tokens


@pytest.mark.parametrize("line", [b")", b"(", b'"a', b'"\\', b"(" * 100, b"a " * 20_000])
def test_malformed_response_is_refused(line: bytes) -> None:
    with pytest.raises(SourceUnavailable):
        read_tokens([line])


def test_memory_is_the_same_after_it_was_stored() -> None:
    folders = {"a": FolderMemory(b"\xffa", 7, None, {1, 2, 3, 9, 11, 12}, {2})}
    stored = dump_memory({"host": "a"}, folders)
    assert parse_memory(stored, {"host": "a"}) == folders
    assert parse_memory(stored, {"host": "b"}) is None
    assert write_set([1, 2, 3, 9, 11, 12]) == b"1:3,9,11:12"
