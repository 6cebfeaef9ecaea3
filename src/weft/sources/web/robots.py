"""The rules of a site's robots.txt, as in RFC 9309.

The standard library's parser is not used: it takes "*" and "$" in paths literally and stops at the
first rule that fits instead of the longest, so it would read pages that the site asks to leave.
Protego matches well, but limits neither rules nor patterns, and a site may send any number of them.
"""

from dataclasses import dataclass
from urllib.parse import unquote

# RFC 9309 asks for at least 500 KiB; the rest is not read.
ROBOTS_CHARS_MAX = 512 * 1024
RULES_MAX = 5_000
RULE_CHARS_MAX = 8 * 1024
# Matching an address with a wildcard rule costs up to the product of their lengths.
WILDCARD_CHARS_MAX = 16 * 1024
SITEMAPS_MAX = 100


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern, cut at its "*"; ``anchored`` if it ended with "$"."""

    parts: tuple[str, ...]
    anchored: bool
    allow: bool
    length: int

    def fits(self, path: str) -> bool:
        """Match in linear time: each part is looked for once, in order."""
        first, *rest = self.parts
        if not path.startswith(first):
            return False
        position = len(first)
        if self.anchored and not rest:
            return position == len(path)
        for part in rest[:-1] if self.anchored else rest:
            position = path.find(part, position)
            if position < 0:
                return False
            position += len(part)
        return not self.anchored or (
            len(path) - len(rest[-1]) >= position and path.endswith(rest[-1])
        )


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules of the groups that apply to us; of several matching rules the first decides.

    ``sitemaps`` are named for everybody, as written.
    """

    rules: tuple[_Rule, ...] = ()
    prefixes: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, agent: str) -> "Robots":
        """Parse a robots.txt, skipping unreadable lines; ``agent`` is our product token."""
        wanted = agent.lower()
        groups: dict[str, list[_Rule]] = {wanted: [], "*": []}
        budgets = dict.fromkeys(groups, WILDCARD_CHARS_MAX)
        is_named = False
        current: set[str] = set()
        sitemaps: dict[str, None] = {}
        in_rules = True
        for line in text[:ROBOTS_CHARS_MAX].splitlines():
            key, _, value = line.partition("#")[0].partition(":")
            key, value = key.strip().lower(), value.strip()
            if key == "user-agent":
                # Several user-agent lines in a row head one group.
                current = set() if in_rules else current
                current |= {value.partition("/")[0].strip().lower()} & groups.keys()
                is_named = is_named or wanted in current
                in_rules = False
            elif key in {"allow", "disallow"}:
                in_rules = True
                for group in current if 0 < len(value) <= RULE_CHARS_MAX else ():
                    rule = _parse_rule(value, allow=key == "allow")
                    budgets[group] -= rule.length if len(rule.parts) > 1 else 0
                    if len(groups[group]) < RULES_MAX and budgets[group] >= 0:
                        groups[group].append(rule)
            elif key == "sitemap" and value and len(sitemaps) < SITEMAPS_MAX:
                sitemaps[value[:RULE_CHARS_MAX]] = None
        rules = sorted(groups[wanted if is_named else "*"], key=_precedence)
        return cls(tuple(rules), tuple({rule.parts[0] for rule in rules}), tuple(sitemaps))

    def allows(self, path: str) -> bool:
        """Return whether a path, with its query, may be read: the longest fitting rule decides."""
        comparable = _unquote(path)
        if not comparable.startswith(self.prefixes):
            return True
        return next((rule.allow for rule in self.rules if rule.fits(comparable)), True)


def _parse_rule(value: str, *, allow: bool) -> _Rule:
    pattern = _unquote(value)
    parts = tuple(pattern.removesuffix("$").split("*"))
    return _Rule(parts, pattern.endswith("$"), allow, len(pattern))


def _precedence(rule: _Rule) -> tuple[int, bool]:
    return -rule.length, not rule.allow


def _unquote(path: str) -> str:
    # "%7E" and "~" are one path; an encoded slash is not a slash.
    return unquote(path.replace("%2F", "%252F").replace("%2f", "%252F"))
