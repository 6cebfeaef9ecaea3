"""Reads the syntax of IMAP's responses (RFC 3501, 9): atoms, strings, literals and lists."""

import re
from collections.abc import Sequence
from typing import Final

from weft.errors import SourceUnavailable

DEPTH_MAX: Final = 10
TOKENS_MAX: Final = 10_000
# Possessive quantifiers: no part is ever matched in a second way.
_TOKEN: Final = re.compile(rb"[ ]++|([()])|\"((?:[^\"\\]++|\\.)*+)\"|([^\s()\"]++)")
_ESCAPED: Final = re.compile(rb"\\(.)")

# Bytes of an atom, a string or a literal; None for NIL; or a list of these.
Token = bytes | None | list["Token"]


def read_tokens(parts: Sequence[bytes]) -> list[Token]:
    """Read a response that was sent as lines, each followed by a literal but the last.

    Raises SourceUnavailable if it is malformed, or larger than any that was asked for.
    """
    top: list[Token] = []
    stack = [top]
    count = 0
    for number, part in enumerate(parts):
        if number % 2:
            stack[-1].append(part)
            continue
        at = 0
        while at < len(part):
            found = _TOKEN.match(part, at)
            count += 1
            if found is None or count > TOKENS_MAX:
                raise broken_answer()
            at = found.end()
            _add_token(found, stack)
    if len(stack) != 1:
        raise broken_answer()
    return top


def broken_answer() -> SourceUnavailable:
    """Return the error for an answer that is none of IMAP."""
    return SourceUnavailable("The mail server sent a broken answer.")


def _add_token(found: re.Match[bytes], stack: list[list[Token]]) -> None:
    bracket, quoted, atom = found.groups()
    if bracket == b"(":
        inner: list[Token] = []
        stack[-1].append(inner)
        stack.append(inner)
        if len(stack) > DEPTH_MAX:
            raise broken_answer()
    elif bracket == b")":
        stack.pop()
        if not stack:
            raise broken_answer()
    elif quoted is not None:
        stack[-1].append(_ESCAPED.sub(rb"\1", quoted))
    elif atom is not None:
        stack[-1].append(None if atom.upper() == b"NIL" else atom)
