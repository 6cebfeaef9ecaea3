"""Gitignore patterns, matched in bounded time: pattern files come from strangers.

No library is used: those we found translate a whole pattern into one backtracking expression.
Measured with pathspec 1.1: the pattern `*a*a*a*a*b` against one name of 255 letters takes 10 s,
and `**/a/**/a/**/a/**/b` against one deep path 45 s, both holding the interpreter lock.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

# Patterns that are tried on a name: those with wildcards at their end, and those that end with it.
MAX_PATTERNS = 2_000
# Folders in the patterns with `**` among those: each may be tried at every folder of a path.
MAX_FOLDERS_AT_ANY_DEPTH = 8_000
# No path is longer on the systems that Weft runs on.
MAX_PATTERN_CHARS = 4_096
_SPECIAL = re.compile(r"[*?\[\\]")

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "lower": "a-z",
    "space": r"\s",
    "upper": "A-Z",
}


class TooComplex(ValueError):
    """The patterns are too many or too long to be matched against every name."""


_Segment = re.Pattern[str] | str
"""What matches one name: an expression, or the name itself."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line. A segment that is None matches any number of folders in that place."""

    place: int
    negated: bool
    folders_only: bool
    anchored: bool
    segments: tuple[_Segment | None, ...]

    def matches(self, parts: tuple[str, ...], is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        if not self.anchored:
            last = self.segments[-1]
            return last is not None and _fits(last, parts[-1])
        return _segments_match(self.segments, parts)


class Patterns:
    """The patterns of one ignore file, or of one setting, for paths relative to its folder."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Compile the lines. Raises TooComplex."""
        # Most patterns end with a plain name, and are only tried on that one.
        self._by_name: dict[str, list[_Rule]] = {}
        self._rules: list[_Rule] = []
        for place, line in enumerate(lines):
            rule = _parse_rule(place, line)
            if rule is None:
                continue
            last = rule.segments[-1]
            rules = self._by_name.setdefault(last, []) if isinstance(last, str) else self._rules
            rules.append(rule)
            if len(rules) > MAX_PATTERNS:
                raise TooComplex(f"more than {MAX_PATTERNS} patterns")
        for rules in (self._rules, *self._by_name.values()):
            if sum(_count_at_any_depth(rule) for rule in rules) > MAX_FOLDERS_AT_ANY_DEPTH:
                raise TooComplex(
                    f"more than {MAX_FOLDERS_AT_ANY_DEPTH} folders in patterns with **"
                )

    def __bool__(self) -> bool:
        return bool(self._rules or self._by_name)

    def verdict(self, parts: tuple[str, ...], *, is_folder: bool) -> bool | None:
        """Return True for a match, False if a later ``!pattern`` revokes it, else None.

        Parent folders are not looked at: the walk never enters a folder that matched.
        """
        found = _find_last(self._by_name.get(parts[-1], ()), parts, is_folder, -1)
        other = _find_last(self._rules, parts, is_folder, -1 if found is None else found.place)
        decisive = other or found
        return None if decisive is None else not decisive.negated


def fits_one(line: str) -> Callable[[tuple[str, ...], bool], bool]:
    """Return what tells whether a name fits one pattern, also if that revokes others."""
    patterns = Patterns([line])
    return lambda parts, is_folder: patterns.verdict(parts, is_folder=is_folder) is not None


def _find_last(
    rules: Sequence[_Rule], parts: tuple[str, ...], is_folder: bool, after: int
) -> _Rule | None:
    for rule in reversed(rules):
        if rule.place < after:
            return None
        if rule.matches(parts, is_folder):
            return rule
    return None


def _count_at_any_depth(rule: _Rule) -> int:
    return len(rule.segments) if None in rule.segments else 0


def _parse_rule(place: int, line: str) -> _Rule | None:
    line = _without_trailing_spaces(line.rstrip("\r\n"))
    if not line or line.startswith("#"):
        return None
    if len(line) > MAX_PATTERN_CHARS:
        raise TooComplex(f"a pattern of more than {MAX_PATTERN_CHARS} characters")
    negated = line.startswith("!")
    line = line[1:] if negated else line
    folders_only = line.endswith("/")
    line = line[:-1] if folders_only else line
    anchored = "/" in line
    texts = [text for text in line.split("/") if text]
    if not texts:
        return None
    segments = [None if text == "**" else _segment(text) for text in texts]
    if segments[-1] is None:
        # `a/**` matches what is inside a, not a itself.
        segments.append(_segment("*"))
    return _Rule(place, negated, folders_only, anchored, tuple(segments))


def _without_trailing_spaces(line: str) -> str:
    stripped = line.rstrip(" ")
    escaped = len(stripped) < len(line) and stripped.endswith("\\")
    return stripped + " " if escaped else stripped


def _fits(segment: _Segment, name: str) -> bool:
    return segment == name if isinstance(segment, str) else segment.match(name) is not None


def _segments_match(segments: tuple[_Segment | None, ...], parts: tuple[str, ...]) -> bool:
    # The classic glob walk: on a mismatch only the last `**` takes one more folder, so the work
    # is at most the product of the two lengths.
    at, star, star_at = 0, -1, 0
    index = 0
    while index < len(parts):
        segment = segments[at] if at < len(segments) else None
        if at < len(segments) and segment is None:
            star, star_at, at = at, index, at + 1
        elif segment is not None and _fits(segment, parts[index]):
            at, index = at + 1, index + 1
        elif star >= 0:
            star_at += 1
            at, index = star + 1, star_at
        else:
            return False
    return all(segment is None for segment in segments[at:])


def _segment(text: str) -> _Segment:
    if not _SPECIAL.search(text):
        return text
    # Each stretch between two stars has a fixed length, so the leftmost place where it fits is
    # always good enough: an atomic group takes that one and never looks back.
    stretches: list[str] = [""]
    position = 0
    while position < len(text):
        if text[position] == "*":
            stretches.append("")
            position += 1
        else:
            expression, position = _one_character(text, position)
            stretches[-1] += expression
    first, *others = stretches
    if not others:
        return re.compile(f"{first}\\Z", re.DOTALL)
    *middles, last = others
    middle = "".join(f"(?>.*?{stretch})" for stretch in middles if stretch)
    return re.compile(f"{first}{middle}.*{last}\\Z", re.DOTALL)


def _one_character(text: str, position: int) -> tuple[str, int]:
    character = text[position]
    if character == "?":
        return ".", position + 1
    if character == "[":
        return _bracket(text, position)
    if character == "\\" and position + 1 < len(text):
        return re.escape(text[position + 1]), position + 2
    return re.escape(character), position + 1


def _bracket(text: str, position: int) -> tuple[str, int]:
    start = position + 1
    negated = text[start : start + 1] in ("!", "^")
    start += negated
    end, inside = start, ""
    while end < len(text) and (text[end] != "]" or end == start):
        piece, end = _bracket_piece(text, end)
        inside += piece
    if end >= len(text):
        return re.escape("["), position + 1
    try:
        # A backward range such as [z-a] is invalid, and the pattern matches nothing, as in git.
        re.compile(f"[{inside}]")
    except re.error:
        return "(?!)", end + 1
    return f"[{'^' if negated else ''}{inside}]", end + 1


def _bracket_piece(text: str, position: int) -> tuple[str, int]:
    if text.startswith("[:", position):
        name, found, _ = text[position + 2 :].partition(":]")
        if found and name in _CLASSES:
            return _CLASSES[name], position + 4 + len(name)
    if text[position] == "\\" and position + 1 < len(text):
        return re.escape(text[position + 1]), position + 2
    character = text[position]
    return (character if character == "-" else re.escape(character)), position + 1
