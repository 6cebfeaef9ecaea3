"""The rules of a site's robots.txt, as in RFC 9309.

The standard library's parser is not used: it takes "*" and "$" in paths literally and stops at the
first rule that fits instead of the longest, so it would read pages that the site asks to leave.
"""

from dataclasses import dataclass, field
from urllib.parse import unquote

LINES_MAX = 50_000
RULES_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules of the groups that apply to us: (pattern, allowed)."""

    rules: tuple[tuple[str, bool], ...] = field(default=())

    @classmethod
    def parse(cls, text: str, agent: str) -> "Robots":
        """Parse a robots.txt, skipping unreadable lines; ``agent`` is our product token."""
        wanted = agent.lower()
        groups: dict[str, list[tuple[str, bool]]] = {wanted: [], "*": []}
        named: set[str] = set()
        current: set[str] = set()
        in_rules = True
        for line in text.splitlines()[:LINES_MAX]:
            key, _, value = line.partition("#")[0].partition(":")
            key, value = key.strip().lower(), value.strip()
            if key == "user-agent":
                # Several user-agent lines in a row head one group.
                current = set() if in_rules else current
                current.add(value.partition("/")[0].strip().lower())
                named |= current
                in_rules = False
            elif key in {"allow", "disallow"}:
                in_rules = True
                for group in current & groups.keys():
                    if value and len(groups[group]) < RULES_MAX:
                        groups[group].append((_unquote(value), key == "allow"))
        return cls(tuple(groups[wanted if wanted in named else "*"]))

    def allows(self, path: str) -> bool:
        """Return whether a path, with its query, may be read: the longest fitting rule decides."""
        comparable = _unquote(path)
        best, allowed = -1, True
        for pattern, allow in self.rules:
            longer = len(pattern) > best or (len(pattern) == best and allow)
            if longer and _fits(pattern, comparable):
                best, allowed = len(pattern), allow
        return allowed


def _unquote(path: str) -> str:
    # "%7E" and "~" are one path; an encoded slash is not a slash.
    return unquote(path.replace("%2F", "%252F").replace("%2f", "%252F"))


def _fits(pattern: str, path: str) -> bool:
    """Match with "*" and a final "$", in linear time: each part is looked for once, in order."""
    anchored = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    position = len(first)
    if anchored and not rest:
        return position == len(path)
    for part in rest[:-1] if anchored else rest:
        position = path.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return not anchored or (len(path) - len(rest[-1]) >= position and path.endswith(rest[-1]))
