"""Fetches a sitemap and the sitemaps that it leads to."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from itertools import islice

import httpx

from weft.errors import RateLimited, SourceUnavailable, WeftError
from weft.net.errors import raise_for_status
from weft.net.transport import MAX_BYTES
from weft.sources.web.addresses import normalise_url
from weft.sources.web.memory import SiteMemory, digest_of
from weft.sources.web.sitemap import SITEMAP_BYTES_MAX, Sitemap, parse_sitemap

SITEMAPS_MAX = 500
SITEMAP_DEPTH_MAX = 3
_MORE_SITEMAPS = "the site has more, or deeper nested, sitemaps than are read"


@dataclass(slots=True)
class SitemapReader:
    """Reads sitemaps over one client; ``gaps`` say what could not be read of them."""

    client: httpx.AsyncClient
    before: SiteMemory
    now: SiteMemory
    gaps: list[str] = field(default_factory=list[str])

    async def read_all(self, url: str, first: Sitemap) -> AsyncGenerator[tuple[str, Sitemap]]:
        """Yield the sitemap of this address and all that it leads to, each with its address."""
        self._note(url, first)
        yield url, first
        # Each address with its depth, in the order found. No more are kept than will be read.
        found: dict[str, int] = {}
        self._add(found, first, 1)
        for number in range(SITEMAPS_MAX):
            if number >= len(found):
                return
            url, depth = next(islice(found.items(), number, None))
            try:
                sitemap = await _fetch_sitemap(self.client, url)
            except RateLimited:
                raise
            except WeftError as error:
                self.gaps.append(f"a sitemap could not be read: {error.message}")
                continue
            self._note(url, sitemap)
            yield url, sitemap
            self._add(found, sitemap, depth + 1)

    def _add(self, found: dict[str, int], sitemap: Sitemap, depth: int) -> None:
        new = [url for url in sitemap.sitemaps if url not in found]
        room = SITEMAPS_MAX - len(found) if depth <= SITEMAP_DEPTH_MAX else 0
        found.update(dict.fromkeys(new[:room], depth))
        if len(new) > room and _MORE_SITEMAPS not in self.gaps:
            self.gaps.append(_MORE_SITEMAPS)

    def _note(self, url: str, sitemap: Sitemap) -> None:
        digest = digest_of(url)
        if sitemap.pages or sitemap.sitemaps:
            self.now.sitemaps.add(digest)
        elif digest in self.before.sitemaps:
            self.gaps.append("a sitemap that named pages before is empty")


async def _fetch_sitemap(client: httpx.AsyncClient, location: str) -> Sitemap:
    url = normalise_url(location)
    if url is None:
        raise SourceUnavailable("Its address is no web address.")
    response = await client.get(url, extensions={MAX_BYTES: SITEMAP_BYTES_MAX})
    raise_for_status(response, "a sitemap")
    sitemap = await parse_sitemap(response.content)
    if sitemap is None:
        raise SourceUnavailable("It is no sitemap.")
    return sitemap
