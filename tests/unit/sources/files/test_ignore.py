"""Gitignore patterns mean what Git's manual says, and cost no more than their length."""

import pytest

from weft.sources.files.ignore import MAX_PATTERN_CHARS, MAX_PATTERNS, Patterns, TooComplex


def is_excluded(lines: str, path: str) -> bool:
    """As a walk sees it: a matched folder takes along all that it holds."""
    patterns = Patterns(lines.split("|"))
    parts = tuple(path.strip("/").split("/"))
    for depth in range(1, len(parts) + 1):
        folder = depth < len(parts) or path.endswith("/")
        if patterns.verdict(parts[:depth], is_folder=folder):
            return True
    return False


@pytest.mark.parametrize(
    ("lines", "path", "expected"),
    [
        ("*.md", "a.md", True),
        ("*.md", "docs/a.md", True),
        ("*.md", "a.mdx", False),
        ("/a.md", "a.md", True),
        ("/a.md", "docs/a.md", False),
        ("docs/", "docs/", True),
        ("docs/", "docs", False),
        ("docs/", "x/docs/a", True),
        ("docs/*.txt", "docs/a.txt", True),
        ("docs/*.txt", "x/docs/a.txt", False),
        ("docs/*.txt", "docs/x/a.txt", False),
        ("**/docs", "x/y/docs", True),
        ("docs/**", "docs/x/y", True),
        ("docs/**", "docs/", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/c", False),
        ("*.log|!keep.log", "keep.log", False),
        ("*.log|!keep.log", "x.log", True),
        ("logs/|!logs/keep.log", "logs/keep.log", True),
        ("logs/*|!logs/keep.log", "logs/keep.log", False),
        ("# comment", "# comment", False),
        ("\\#name", "#name", True),
        ("\\!name", "!name", True),
        ("name   ", "name", True),
        ("name\\ ", "name ", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[!a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        ("[]-]x", "]x", True),
        ("[[:digit:]]x", "1x", True),
        ("[z-a]x", "zx", False),
        ("[open", "[open", True),
        ("a**b", "aXXb", True),
        ("*", "anything/at/all", True),
        ("/", "a", False),
        ("f*o*r", "foobar", True),
        ("f*o*r", "foobaz", False),
        ("\\", "\\", True),
        ("*a*", "bab", True),
        ("a*a", "a", False),
        ("*aab", "aaab", True),
    ],
)
def test_pattern_matches_as_git_does(lines: str, path: str, expected: bool) -> None:
    assert is_excluded(lines, path) is expected


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("*a" * 400 + "b", "a" * 255), ("?*" * 300 + "b", "a" * 255), ("*" * 900 + "b", "a" * 255)],
)
def test_hostile_pattern_is_decided_at_once(pattern: str, name: str) -> None:
    # A backtracking matcher needs longer than the universe for the first of these.
    assert Patterns([pattern]).verdict((name,), is_folder=False) is None


def test_hostile_folders_are_decided_at_once() -> None:
    patterns = Patterns(["/".join(["**/a"] * 100) + "/**/b"])
    assert patterns.verdict(("a",) * 2_000, is_folder=False) is None


def test_too_many_or_too_long_patterns_are_refused() -> None:
    for same in ("a", "*.a", "x/a", "x/?"):
        Patterns([same] * MAX_PATTERNS)
        with pytest.raises(TooComplex):
            Patterns([same] * (MAX_PATTERNS + 1))
    with pytest.raises(TooComplex):
        Patterns(["a" * (MAX_PATTERN_CHARS + 1)])


def test_too_many_folders_at_any_depth_are_refused() -> None:
    # 2,000 such patterns took a minute for one name 900 folders deep.
    deep = "**/" + "a/" * 180
    for last in ("b", "b*"):
        with pytest.raises(TooComplex):
            Patterns([deep + last] * 50)
        Patterns([f"**/a/b/{last}"] * MAX_PATTERNS)
        Patterns([("a/" * 180) + last] * MAX_PATTERNS)
    Patterns([f"**/a{n}" for n in range(20_000)])


def test_comments_and_empty_lines_are_no_patterns() -> None:
    assert not Patterns(["", "# comment", "   ", "/"])
    assert Patterns(["a"])


def test_thousands_of_plain_names_are_no_trouble() -> None:
    patterns = Patterns([f"a{n}" for n in range(20_000)] + ["!a7", "b*", "!b7", "/c/b9"])
    for name, verdict in (("a6", True), ("a7", False), ("b8", True), ("b7", False), ("x", None)):
        assert patterns.verdict((name,), is_folder=False) is verdict
    assert patterns.verdict(("c", "b9"), is_folder=False) is True


def test_long_comment_is_no_pattern() -> None:
    assert not Patterns(["#" * (MAX_PATTERN_CHARS + 1)])
