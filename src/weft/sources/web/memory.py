"""Remembers between two syncs what could be read of a site, so that a fault is told from a loss."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, cast

from weft.domain.base import Json

# A sync reads at most 5,000 pages, and asks again for as many.
REMEMBERED_MAX = 20_000
_DIGEST_BYTES = 8


class Named(NamedTuple):
    """The place that names a page: digest of a page or sitemap, "" if unknown, and the depth."""

    parent: str
    depth: int


class Scope(NamedTuple):
    """The configuration that a memory is of; ``selection`` is a digest of what else it reads."""

    url: str = ""
    mode: str = ""
    selection: str = ""


@dataclass(slots=True)
class SiteMemory:
    """The pages that were read, and digests of addresses that led to one, and of sitemaps.

    ``kind`` says how pages were found, by "sitemap" or by "crawl"; None in an empty memory.
    ``sitemaps`` had entries. ``unlinked`` pages still answered, although the page or sitemap that
    named them was read and names them no more.
    """

    kind: str | None = None
    scope: Scope = field(default_factory=Scope)
    pages: dict[str, Named] = field(default_factory=dict[str, Named])
    aliases: set[bytes] = field(default_factory=set[bytes])
    sitemaps: set[bytes] = field(default_factory=set[bytes])
    unlinked: set[str] = field(default_factory=set[str])

    @classmethod
    def parse(cls, cursor: Json | None) -> "SiteMemory":
        """Read what `dump` wrote; an empty memory for anything else."""
        given = cast("dict[str, Any]", cursor or {})
        kind, pages = given.get("kind"), given.get("pages")
        if not isinstance(kind, str) or not isinstance(pages, dict):
            return cls()
        return cls(
            kind,
            Scope(*given.get("scope", ())),
            {address: Named(*found) for address, found in cast("dict[str, Any]", pages).items()},
            set(_unpack(given.get("aliases"))),
            set(_unpack(given.get("sitemaps"))),
            set(given.get("unlinked", ())),
        )

    def dump(self) -> Json:
        """Return it as a cursor."""
        return {
            "kind": self.kind,
            "scope": [*self.scope],
            "pages": {address: list(named) for address, named in sorted(self.pages.items())},
            "aliases": _pack(sorted(self.aliases)),
            "sitemaps": _pack(sorted(self.sitemaps)),
            "unlinked": [*sorted(self.unlinked)],
        }

    def knows(self, address: str) -> bool:
        """Return whether a page was read at this address or where it led."""
        return address in self.pages or digest_of(address) in self.aliases

    def is_page(self, address: str) -> bool:
        """Return whether a page was read at this very address."""
        return address in self.pages and digest_of(address) not in self.aliases

    def add_page(self, asked: str, address: str, named: Named) -> None:
        """Remember a page that was read; ``address`` is where it was in the end."""
        if asked == address:
            self.pages[address] = named
        else:
            self.pages.setdefault(address, Named(name_parent(asked), named.depth))
            self.aliases.add(digest_of(asked))

    def keep(self, address: str, before: "SiteMemory") -> None:
        """Remember what was known of an address that could not be read this time."""
        if digest_of(address) in before.aliases:
            self.aliases.add(digest_of(address))
        if address in before.pages:
            self.pages[address] = before.pages[address]

    def keep_all(self, before: "SiteMemory") -> None:
        """Remember all that was known before, as far as there is room."""
        # What was a page has not moved, as long as a listing with gaps is all that says so.
        self.aliases -= {digest_of(address) for address in before.pages} - before.aliases
        missing = (item for item in before.pages.items() if item[0] not in self.pages)
        self.pages |= dict(islice(missing, max(0, REMEMBERED_MAX - len(self.pages))))
        self.aliases |= set(islice(before.aliases, REMEMBERED_MAX))
        self.sitemaps |= set(islice(before.sitemaps, REMEMBERED_MAX))


def digest_of(address: str) -> bytes:
    """Return the short digest by which an address is remembered."""
    return hashlib.blake2b(address.encode(), digest_size=_DIGEST_BYTES).digest()


def name_parent(address: str) -> str:
    """Return the name that a page or sitemap has as a parent."""
    return digest_of(address).hex()


def _pack(digests: Iterable[bytes]) -> str:
    return base64.b64encode(b"".join(digests)).decode()


def _unpack(value: Any) -> list[bytes]:
    try:
        data = base64.b64decode(value) if isinstance(value, str) else b""
    except ValueError:
        return []
    return [data[at : at + _DIGEST_BYTES] for at in range(0, len(data), _DIGEST_BYTES)]
