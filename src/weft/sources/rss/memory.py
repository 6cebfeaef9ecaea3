"""Remembers of each feed what the next sync need not read again."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx

from weft.domain.base import Json
from weft.domain.entities import Entity

_DIGEST_BYTES = 8


@dataclass(slots=True)
class FeedMemory:
    """The validators of a feed's first page, and digests of its entries as they were read."""

    etag: str | None = None
    last_modified: str | None = None
    seen: set[bytes] = field(default_factory=set[bytes])

    @classmethod
    def of_answer(cls, response: httpx.Response) -> "FeedMemory":
        """Remember the validators of an answer."""
        return cls(response.headers.get("etag"), response.headers.get("last-modified"))

    @property
    def headers(self) -> dict[str, str]:
        """Headers that ask for the feed only if it has changed."""
        wanted = {"if-none-match": self.etag, "if-modified-since": self.last_modified}
        # A server may send anything as a validator; send back only what a header can hold.
        return {k: v for k, v in wanted.items() if v and v.isascii() and v.isprintable()}

    def add(self, entity: Entity) -> None:
        """Remember an entry as it is."""
        self.seen.add(_digest(entity))

    def has(self, entity: Entity) -> bool:
        """Return whether the entry was read as it is."""
        return _digest(entity) in self.seen

    def keep(self, before: "FeedMemory", most: int) -> None:
        """Remember what was known before, too, if there is room for all of it."""
        if len(self.seen) + len(before.seen) <= most:
            self.seen |= before.seen


def dump_memory(scope: Json, feeds: Mapping[str, FeedMemory]) -> Json:
    """Return the memory of feeds, by address, as a cursor."""
    return {
        "scope": scope,
        "feeds": {
            url: {
                "etag": feed.etag,
                "last_modified": feed.last_modified,
                "seen": base64.b64encode(b"".join(sorted(feed.seen))).decode(),
            }
            for url, feed in feeds.items()
        },
    }


def parse_memory(cursor: Json, scope: Json) -> dict[str, FeedMemory] | None:
    """Read what `dump_memory` wrote of the same scope; None for anything else."""
    feeds = cursor.get("feeds")
    if cursor.get("scope") != scope or not isinstance(feeds, dict):
        return None
    return {url: _parse_feed(cast("dict[str, Any]", found)) for url, found in feeds.items()}


def _parse_feed(found: Mapping[str, Any]) -> FeedMemory:
    packed = base64.b64decode(found["seen"])
    seen = {packed[at : at + _DIGEST_BYTES] for at in range(0, len(packed), _DIGEST_BYTES)}
    return FeedMemory(found["etag"], found["last_modified"], seen)


def _digest(entity: Entity) -> bytes:
    shown = f"{entity.version} {entity.id}"
    return hashlib.blake2b(shown.encode(), digest_size=_DIGEST_BYTES).digest()
