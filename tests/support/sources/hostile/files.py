"""Ignore files made to cost time or memory, for any size."""

from tests.support.sources.hostile.pages import number, random_bytes, repeat
from weft.sources.files.ignore import Patterns, TooComplex
from weft.testing.hostile import HostileParser

_NAMES = ("a" * 255, "ab" * 127, "a", "x.log")
_PATHS = (*((name,) for name in _NAMES), ("a",) * 200, ("a", "b") * 100)


def _judge_names(content: bytes) -> None:
    patterns = Patterns(content.decode("utf-8", "replace").split("\n"))
    for path in _PATHS:
        patterns.verdict(path, is_folder=False)


IGNORE = HostileParser(
    "ignore file",
    _judge_names,
    {
        "many names": number("%d\n"),
        "one name": repeat(b"a\n"),
        "many paths to one name": number("%d/a\n"),
        "many wildcards": repeat(b"*b\n"),
        "many patterns of stars": repeat(b"*a*a*a*a*a*a*a*a*a*b\n"),
        "one pattern of stars": repeat(b"*a", b"", b"b"),
        "stars": repeat(b"*"),
        "question marks": repeat(b"?*"),
        "patterns of question marks": repeat(b"?" * 120 + b"*b\n"),
        "long stretches": repeat(b"*" + b"a" * 120 + b"b" + b"a" * 120 + b"\n"),
        "folders": repeat(b"**/a/", b"", b"b"),
        "patterns of folders": repeat(b"**/a/**/a/**/a/**/b\n"),
        "two stars": repeat(b"**/", b"", b"b"),
        "slashes": repeat(b"/"),
        "patterns of slashes": repeat(b"a/a/a/a/a/a/a/b\n"),
        "open brackets": repeat(b"["),
        "brackets": repeat(b"[a-z]"),
        "patterns of brackets": repeat(b"*[!a-y][a-z]b\n"),
        "a long class": repeat(b"ab", b"[", b"]"),
        "classes by name": repeat(b"[[:alnum:]]*"),
        "classes without an end": repeat(b"[[:"),
        "ranges that run backwards": repeat(b"[z-a]\n"),
        "backslashes": repeat(b"\\"),
        "negations": repeat(b"!a\n*\n"),
        "exclamation marks": repeat(b"!"),
        "comments": repeat(b"#\n"),
        "spaces": repeat(b" "),
        "lines of spaces": repeat(b" \\ \n"),
        "empty lines": repeat(b"\n"),
        "carriage returns": repeat(b"\r"),
        "null bytes": repeat(b"\0"),
        "no text": random_bytes,
    },
    refusals=(TooComplex,),
    size=24 * 1024,
    memory_factor=1280,
)
