"""Secrets to find afterwards in whatever was sent or stored, in any encoding."""

import base64
import binascii
import html
import re
import secrets
import string
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

RUN_CHARS: Final = 6
MARK: Final = "~"
GROUPS: Final = 6
GROUP_CHARS: Final = 4

_ALPHABET: Final = string.ascii_letters + string.digits
_NESTED_MAX: Final = 2
_UNESCAPED_MAX: Final = 3
_MARK_BYTE: Final = MARK.encode()
_BETWEEN: Final = re.compile(rb"[ \t\r\n,]+")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{%d,}" % (RUN_CHARS * 2))
_ESCAPE: Final = re.compile(rb'\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(["\\/]))')
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


class Canaries:
    """Secrets by name, and what finds runs of `RUN_CHARS` of their characters.

    The ones made here have a mark in every such run, so that only what is around a mark has to be
    compared, whatever its case. The mark is neither of base64 nor of hex, so that no random text
    of those looks like a run; and it stays as it is in JSON and URLs.
    """

    def __init__(self) -> None:
        self._marked: dict[bytes, str] = {}
        self._others: dict[bytes, str] = {}
        self.by_name: dict[str, str] = {}

    def make(self, name: str) -> str:
        """Make a secret of more than 130 random bits, of printable ASCII characters."""
        groups = ("".join(_pick_characters(GROUP_CHARS)) for _ in range(GROUPS))
        secret = MARK.join(groups)
        self._know(name, secret.lower().encode(), self._marked)
        self.by_name[name] = secret
        return secret

    def add(self, name: str, secret: str | bytes) -> None:
        """Look for a secret that somebody else made, in its own case."""
        self._know(name, secret.encode() if isinstance(secret, str) else secret, self._others)

    def find(self, data: bytes) -> set[str]:
        """Return the names of the secrets with a run in the data, raw or encoded, even nested."""
        # What is said is said again and again. None of the encodings has blanks or commas in it.
        words = b"\n".join(set(_BETWEEN.split(data)))
        return {name for form in _forms(words, _NESTED_MAX) for name in self._find_seen(form)}

    def _know(self, name: str, secret: bytes, runs: dict[bytes, str]) -> None:
        for text in (secret, secret[::-1]):
            for start in range(len(text) - RUN_CHARS + 1):
                runs[text[start : start + RUN_CHARS]] = name

    def _find_seen(self, form: bytes) -> Iterator[str]:
        folded = form.lower()
        at = folded.find(_MARK_BYTE)
        while at >= 0:
            for start in range(max(0, at - RUN_CHARS + 1), at + 1):
                if name := self._marked.get(folded[start : start + RUN_CHARS]):
                    yield name
            at = folded.find(_MARK_BYTE, at + 1)
        yield from (name for run, name in self._others.items() if run in form)


def _pick_characters(count: int) -> Iterator[str]:
    return (secrets.choice(_ALPHABET) for _ in range(count))


def _forms(data: bytes, nested: int) -> Iterator[bytes]:
    """Yield the data, raw and decoded from each of the encodings."""
    yield data
    if b"\0" in data:
        yield data.replace(b"\0", b"")  # UTF-16 of ASCII.
    # Each step is looked at, because the one after it may take more away than was put on.
    plain = data
    for _ in range(_UNESCAPED_MAX):
        if b"\\" not in plain:
            break
        plain = _ESCAPE.sub(_character, plain)
        yield plain
    for text in dict.fromkeys((data, plain)):
        if b"%" in text:
            plain = unquote_to_bytes(text)
            yield plain
        if b"&" in text:
            yield html.unescape(text.decode("latin-1")).encode("utf-8", "surrogatepass")
    if nested:
        yield from _forms(_unpack(plain), nested - 1)


def _character(escape: re.Match[bytes]) -> bytes:
    four, two, one = escape.groups()
    return one if one else chr(int(four or two, 16)).encode("utf-8", "surrogatepass")


def _unpack(data: bytes) -> bytes:
    """Decode all hex and base64 (either alphabet) in the data, from every possible beginning."""
    found = [
        binascii.unhexlify(digits[start : start + (len(digits) - start) // 2 * 2])
        for digits in set(_HEX.findall(data))
        for start in range(2)
    ]
    for text in set(_BASE64.findall(data)):
        plain = text.translate(_TO_STANDARD)
        found += [base64.b64decode(_pad(plain[start:])) for start in range(4)]
    return b"\n".join(found)


def _pad(text: bytes) -> bytes:
    # One character of a group of four says nothing yet.
    whole = text[:-1] if len(text) % 4 == 1 else text
    return whole + b"=" * (-len(whole) % 4)
