"""Collects what a web page says about itself: `<meta>`, Open Graph, JSON-LD and `<time>`."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

JSON_LD_CHARS_MAX: Final = 64 * 1024
JSON_LD_MAX: Final = 8
FACT_CHARS_MAX: Final = 500
_NODES_MAX: Final = 200
_LANG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
# The first name that a page uses counts, so the more exact ones come first.
_META: Final = {
    "title": ("og:title", "twitter:title"),
    "description": ("description", "og:description", "twitter:description"),
    "lang": ("content-language", "og:locale"),
    "author": ("author", "article:author"),
    "published": ("article:published_time", "date", "dc.date"),
    "modified_at": ("article:modified_time", "og:updated_time"),
}
_WANTED: Final = frozenset(name for names in _META.values() for name in names)
_ARTICLES: Final = re.compile(r"(?:\w*Article|BlogPosting|NewsArticle|WebPage|Report)")


class PageFacts:
    """The facts of one page, as far as it has been read."""

    def __init__(self) -> None:
        self._meta: dict[str, str] = {}
        self._scripts: list[str] = []
        self._lang = ""
        self._time = ""

    def add_lang(self, lang: str) -> None:
        """Take the language of the `<html>` tag."""
        self._lang = self._lang or lang[:FACT_CHARS_MAX]

    def add_meta(self, attributes: Mapping[str, str]) -> None:
        """Take a `<meta>` tag."""
        for key in ("name", "property", "http-equiv"):
            name, content = attributes.get(key, "").lower(), attributes.get("content", "").strip()
            if name in _WANTED and content:
                self._meta.setdefault(name, content[:FACT_CHARS_MAX])

    def add_json_ld(self, script: str) -> None:
        """Take a script of type application/ld+json."""
        if len(self._scripts) < JSON_LD_MAX and len(script) <= JSON_LD_CHARS_MAX:
            self._scripts.append(script)

    def add_time(self, attributes: Mapping[str, str]) -> None:
        """Take a `<time>` if it says that it is the time of publication."""
        names = f"{attributes.get('itemprop', '')} {attributes.get('class', '')}".lower()
        if "pubdate" in attributes or "published" in names:
            self._time = self._time or attributes.get("datetime", "")[:FACT_CHARS_MAX]

    def list_facts(self) -> dict[str, str]:
        """Return the facts that the page states in a readable form."""
        found = {
            fact: next((self._meta[name] for name in names if name in self._meta), "")
            for fact, names in _META.items()
        }
        for name, value in self._read_scripts().items():
            found[name] = found[name] or value
        found["lang"] = _read_lang(self._lang) or _read_lang(found["lang"])
        found["published"] = _read_time(found["published"]) or _read_time(self._time)
        found["modified_at"] = _read_time(found["modified_at"])
        # Facebook's own tag for the author is the address of a profile.
        if found["author"].startswith(("http:", "https:")):
            del found["author"]
        return {name: value for name, value in found.items() if value}

    def _read_scripts(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for script in self._scripts:
            try:
                value: object = json.loads(script)
            except (ValueError, RecursionError):
                continue
            for node in _list_nodes(value):
                for fact, text in _read_node(node):
                    found.setdefault(fact, text[:FACT_CHARS_MAX])
        return found


def _list_nodes(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the things that are described, those of a graph too, up to a number."""
    nodes = [value]
    for _ in range(_NODES_MAX):
        if not nodes:
            return
        node = nodes.pop(0)
        if isinstance(node, list):
            nodes += cast("list[object]", node)[:_NODES_MAX]
        elif isinstance(node, dict):
            named = cast("dict[str, Any]", node)
            nodes.append(named.get("@graph"))
            kinds = named.get("@type")
            kinds = cast("list[object]", kinds) if isinstance(kinds, list) else [kinds]
            if any(isinstance(kind, str) and _ARTICLES.fullmatch(kind) for kind in kinds):
                yield named


def _read_node(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for fact, key in (
        ("title", "headline"),
        ("description", "description"),
        ("lang", "inLanguage"),
        ("published", "datePublished"),
        ("modified_at", "dateModified"),
    ):
        if isinstance(text := node.get(key), str) and text.strip():
            yield fact, text.strip()
    authors = node.get("author")
    authors = cast("list[Any]", authors) if isinstance(authors, list) else [authors]
    names: list[object] = [
        cast("dict[str, Any]", author).get("name") if isinstance(author, dict) else author
        for author in authors[:_NODES_MAX]
    ]
    if shown := ", ".join(name.strip() for name in names if isinstance(name, str)):
        yield "author", shown


def _read_lang(text: str) -> str:
    return text.replace("_", "-") if _LANG.fullmatch(text) else ""


def _read_time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
