"""Tells the main part of a web page from what is around it: navigation, notices, footers.

What HTML says (`<main>`, `<footer>`, roles) counts before the names of classes, which count only
where most of the element is links. Where a choice would leave out most of the prose, more of the
page is kept.
"""

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

PROSE_CHARS_MIN: Final = 60
_ROLES_AROUND: Final = frozenset(
    {"navigation", "banner", "contentinfo", "search", "dialog", "alertdialog", "menu", "menubar"}
)
_CONSENT: Final = re.compile(
    r"(?:cookie|consent|gdpr)s?[-_ ]?(?:banner|bar|notice|popup|pop-up|modal|dialog|overlay|wall"
    r"|law|message|consent)|onetrust|cybotcookiebot|cc-window",
    re.IGNORECASE,
)
_NAMES_AROUND: Final = re.compile(
    r"(?:[a-z0-9]+[-_]+)*"
    r"(?:nav|navbar|navigation|navlinks|menu|sidebar|side-bar|breadcrumbs?|pagination|pager"
    r"|footer|header|topbar|masthead|related|share|sharing|social|skip-?link|tags?|widgets?"
    r"|languages|sitemap)",
    re.IGNORECASE,
)
_OUTLINES: Final = re.compile(r"(?:[a-z0-9]+[-_]+)*(?:toc|contents)", re.IGNORECASE)
_CALLOUTS: Final = re.compile(
    r"(?:[a-z0-9]+[-_]+)*(?:note|tip|warning|caution|callout|admonition|info|important|danger|hint"
    r"|alert|pullquote|sidenote|footnotes?)",
    re.IGNORECASE,
)
_NAMES_CHARS_MAX: Final = 300
_ROOTS: Final = frozenset(
    {"root", "app", "__next", "__nuxt", "___gatsby", "svelte", "q-app", "react-root", "ember"}
)
_ROOT_TAGS: Final = frozenset({"app-root", "ion-app"})
# The least share of the prose that the main part must have, by how clearly it is named.
_MAIN_SHARE: Final = 0.5
# Beside an article may be the answers to it, which are as much the page's content.
_ARTICLE_SHARE: Final = 0.95
# The largest share of the main part that is left out of it at once.
_INNER_SHARE: Final = 0.34
_LINKED_SHARE: Final = 0.5
_LIST_SHARE: Final = 0.8
_LIST_LINKS_MIN: Final = 4


class Kind(IntEnum):
    """What an element may be.

    `OUTLINE` is a table of contents, which is around the main part if it leads to places of the
    same page; else it may be all that there is. `LIST` is one of links that nothing names so.
    """

    NONE = 0
    MAIN = 1
    ARTICLE = 2
    AROUND = 3
    MAYBE_AROUND = 4
    LIST = 5
    ROOT = 6
    OUTLINE = 7


class Count(NamedTuple):
    """How much was read up to a place: pieces, characters, those of them in links, and links.

    ``places``: the links to places of the same page.
    """

    pieces: int
    chars: int
    linked: int
    links: int
    places: int


class Part(NamedTuple):
    """An element of the page, between two places."""

    kind: Kind
    start: Count
    end: Count

    @property
    def chars(self) -> int:
        """Return the characters in it."""
        return self.end.chars - self.start.chars

    @property
    def linked(self) -> int:
        """Return the characters of links in it."""
        return self.end.linked - self.start.linked

    @property
    def links(self) -> int:
        """Return the number of links in it."""
        return self.end.links - self.start.links

    @property
    def places(self) -> int:
        """Return the number of links in it to places of the same page."""
        return self.end.places - self.start.places


def kind_of(tag: str, attributes: Mapping[str, str], *, is_inside: bool) -> Kind:
    """Return what an element is by its tag, role and names.

    ``is_inside``: it is in an article or a section, whose header and footer are its own.
    """
    role = attributes.get("role", "").strip().lower()
    names = f"{attributes.get('id', '')} {attributes.get('class', '')}"[:_NAMES_CHARS_MAX]
    if tag == "main" or role == "main":
        kind = Kind.MAIN
    elif tag == "article" or role == "article" or attributes.get("itemprop") == "articleBody":
        kind = Kind.ARTICLE
    elif role in _ROLES_AROUND or tag == "dialog" or _CONSENT.search(names):
        kind = Kind.AROUND
    elif role == "note" or any(_CALLOUTS.fullmatch(name) for name in names.split()):
        kind = Kind.NONE
    elif tag in {"header", "footer", "aside"} or role == "complementary":
        kind = Kind.MAYBE_AROUND if is_inside else Kind.AROUND
    elif any(_NAMES_AROUND.fullmatch(name) for name in names.split()):
        kind = Kind.MAYBE_AROUND
    elif any(_OUTLINES.fullmatch(name) for name in names.split()):
        kind = Kind.OUTLINE
    elif attributes.get("id") in _ROOTS or tag in _ROOT_TAGS:
        kind = Kind.ROOT
    else:
        kind = Kind.NONE
    return kind


def settle_kind(part: Part, *, is_inside: bool) -> Part | None:
    """Return the part as what its content shows it to be; None if it is nothing special."""
    if part.kind in {Kind.MAYBE_AROUND, Kind.OUTLINE}:
        is_linked = part.chars and part.linked >= _LINKED_SHARE * part.chars
        leads_here = part.kind is Kind.MAYBE_AROUND or 2 * part.places >= part.links
        return part._replace(kind=Kind.AROUND) if is_linked and leads_here else None
    if part.kind is not Kind.NONE:
        return part
    is_list = part.links >= _LIST_LINKS_MIN and part.linked >= _LIST_SHARE * part.chars
    return part._replace(kind=Kind.LIST) if is_list and not is_inside else None


def choose_main(
    parts: Iterable[Part], whole: Part, first_prose: int | None
) -> list[tuple[int, int]]:
    """Return the pieces to keep, as ranges; ``first_prose`` is the first of them that is prose."""
    ordered = sorted(parts, key=_place_of)
    mains = _outermost(ordered, {Kind.MAIN})
    starts = [part.start.pieces for part in mains]
    around = [
        part
        for part in ordered
        # A part that holds the main one is no margin of it, whatever it is called.
        if part.kind is Kind.AROUND and not _holds_any(part, mains, starts)
    ]
    outer = _outermost(around, {Kind.AROUND})
    places = [part.start.pieces for part in outer]
    articles = [
        part for part in _outermost(ordered, {Kind.ARTICLE}) if not _is_held(part, outer, places)
    ]
    for chosen, share in ((mains, _MAIN_SHARE), (articles, _ARTICLE_SHARE)):
        if chosen and _is_enough(chosen, outer, share, whole):
            size = sum(part.chars for part in chosen)
            # A large part of the main one is content, whatever it is called.
            inner = [part for part in outer if part.chars <= _INNER_SHARE * size]
            return _subtract(chosen, inner if _leaves_enough(chosen, inner) else [])
    most = _prose_of([whole], [])
    small = [part for part in around if 2 * _prose_of([part], []) <= most]
    for left_out in (small + _list_menus(ordered, first_prose, most), small):
        outer = _outermost(sorted(left_out, key=_place_of), set(Kind))
        if _leaves_enough([whole], outer):
            return _subtract([whole], outer)
    return [(0, whole.end.pieces)]


def _list_menus(ordered: Iterable[Part], first_prose: int | None, most: int) -> list[Part]:
    """Return the lists of links above all prose, if there is more prose than they have text."""
    lists = [
        part
        for part in ordered
        if part.kind is Kind.LIST and first_prose is not None and part.end.pieces <= first_prose
    ]
    size = sum(part.chars for part in _outermost(lists, {Kind.LIST}))
    return lists if size <= most else []


def count_main_chars(parts: Iterable[Part], whole: Part) -> int:
    """Return the characters that are not around the main part."""
    ordered = sorted(parts, key=_place_of)
    return whole.chars - sum(part.chars for part in _outermost(ordered, {Kind.AROUND}))


def _place_of(part: Part) -> tuple[int, int]:
    return part.start.pieces, -part.end.pieces


def _outermost(ordered: Iterable[Part], kinds: Collection[Kind]) -> list[Part]:
    found: list[Part] = []
    for part in ordered:
        if part.kind in kinds and (not found or part.start.pieces >= found[-1].end.pieces):
            found.append(part)
    return found


def _holds_any(part: Part, others: Sequence[Part], starts: Sequence[int]) -> bool:
    first = bisect_left(starts, part.start.pieces)
    return first < len(others) and others[first].end.pieces <= part.end.pieces


def _is_held(part: Part, others: Sequence[Part], starts: Sequence[int]) -> bool:
    last = bisect_left(starts, part.start.pieces + 1) - 1
    return last >= 0 and part.end.pieces <= others[last].end.pieces


def _within(chosen: Iterable[Part], around: Sequence[Part]) -> Iterator[tuple[Part, list[Part]]]:
    """Yield each chosen part with what is left out of it; both are in order and disjoint."""
    at = 0
    for part in chosen:
        while at < len(around) and around[at].start.pieces < part.start.pieces:
            at += 1
        held: list[Part] = []
        while at < len(around) and around[at].end.pieces <= part.end.pieces:
            held.append(around[at])
            at += 1
        yield part, held


def _prose_of(chosen: Iterable[Part], around: Sequence[Part]) -> int:
    return sum(
        part.chars - part.linked - sum(each.chars - each.linked for each in held)
        for part, held in _within(chosen, around)
    )


def _is_enough(chosen: Sequence[Part], around: Sequence[Part], share: float, whole: Part) -> bool:
    """Return whether the chosen parts have that share of the prose and, if little, of the text."""
    kept, rest = _prose_of(chosen, around), _prose_of([whole], around)
    if kept >= PROSE_CHARS_MIN:
        return kept >= share * rest
    chars = sum(part.chars for part in chosen)
    left = whole.chars - sum(part.chars for part in around)
    return chars > 0 and kept >= share * rest and chars >= share * left


def _leaves_enough(chosen: Sequence[Part], around: Sequence[Part]) -> bool:
    """Return whether most of the text, or prose, is left besides what is around."""
    chars = sum(part.chars for part in chosen)
    out = sum(each.chars for _, held in _within(chosen, around) for each in held)
    return 2 * out <= chars or _prose_of(chosen, around) >= PROSE_CHARS_MIN


def _subtract(chosen: Iterable[Part], around: Sequence[Part]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for part, held in _within(chosen, around):
        start = part.start.pieces
        for each in held:
            kept.append((start, each.start.pieces))
            start = each.end.pieces
        kept.append((start, part.end.pieces))
    return kept
