"""Remembers between two syncs what could be read of a site, so that a fault is told from a loss."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from weft.domain.base import Json

# A site has at most 5,000 pages that are read, each perhaps with an address that leads to it.
REMEMBERED_MAX = 20_000
_DIGEST_BYTES = 8


@dataclass(slots=True)
class SiteMemory:
    """Digests of the addresses that were pages, of those that led to a page, and of sitemaps.

    ``kind`` says how pages were found, by "sitemap" or by "crawl"; None in an empty memory.
    ``aliases`` maps an address that redirects to its page; ``sitemaps`` had entries.
    """

    kind: str | None = None
    pages: set[bytes] = field(default_factory=set[bytes])
    aliases: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    sitemaps: set[bytes] = field(default_factory=set[bytes])

    @classmethod
    def parse(cls, cursor: Json | None) -> "SiteMemory":
        """Read what `dump` wrote; an empty memory for anything else."""
        given = cursor or {}
        kind = given.get("kind")
        if not isinstance(kind, str):
            return cls()
        pairs = iter(_unpack(given.get("aliases")))
        return cls(
            kind,
            set(_unpack(given.get("pages"))),
            dict(zip(pairs, pairs, strict=False)),
            set(_unpack(given.get("sitemaps"))),
        )

    def dump(self) -> Json:
        """Return it as a cursor."""
        return {
            "kind": self.kind,
            "pages": _pack(sorted(self.pages)),
            "aliases": _pack(part for pair in sorted(self.aliases.items()) for part in pair),
            "sitemaps": _pack(sorted(self.sitemaps)),
        }

    def knows(self, address: str) -> bool:
        """Return whether a page was read at this address or where it led."""
        digest = digest_of(address)
        return digest in self.pages or digest in self.aliases

    def is_page(self, address: str) -> bool:
        """Return whether a page was read at this very address."""
        digest = digest_of(address)
        return digest in self.pages and digest not in self.aliases

    def leads_elsewhere(self, address: str) -> bool:
        """Return whether this address led to a page of another address."""
        return digest_of(address) in self.aliases

    def add_page(self, asked: str, address: str) -> None:
        """Remember a page that was read; ``address`` is where it was in the end."""
        self.pages.add(digest_of(address))
        if asked != address:
            self.aliases[digest_of(asked)] = digest_of(address)

    def keep(self, address: str, before: "SiteMemory") -> None:
        """Remember what was known of an address that could not be read this time."""
        digest = digest_of(address)
        if digest in before.aliases:
            self.aliases[digest] = before.aliases[digest]
            self.pages.add(before.aliases[digest])
        elif digest in before.pages:
            self.pages.add(digest)

    def keep_all(self, before: "SiteMemory") -> None:
        """Remember all that was known before, as far as there is room."""
        room = REMEMBERED_MAX - len(self.pages) - len(self.aliases)
        self.pages |= set(islice(before.pages - self.pages, max(0, room)))
        for asked, address in islice(before.aliases.items(), max(0, room)):
            self.aliases.setdefault(asked, address)
        self.sitemaps |= set(islice(before.sitemaps, REMEMBERED_MAX))

    def count_lost_targets(self, before: "SiteMemory") -> int:
        """Count addresses that led to a page, and now to another while nothing leads to that."""
        return sum(
            (asked in self.aliases or asked in self.pages) and address not in self.pages
            for asked, address in before.aliases.items()
        )


def digest_of(address: str) -> bytes:
    """Return the short digest by which an address is remembered."""
    return hashlib.blake2b(address.encode(), digest_size=_DIGEST_BYTES).digest()


def _pack(digests: Iterable[bytes]) -> str:
    return base64.b64encode(b"".join(digests)).decode()


def _unpack(value: Any) -> list[bytes]:
    try:
        data = base64.b64decode(value) if isinstance(value, str) else b""
    except ValueError:
        return []
    return [data[at : at + _DIGEST_BYTES] for at in range(0, len(data), _DIGEST_BYTES)]
