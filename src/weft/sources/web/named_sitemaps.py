"""Decides whether the sitemaps that a site's robots.txt names list what a connection wants.

It wants what lies at or below its start page. A sitemap may list other parts of the site, or a few
pages only. So it is used only if it lists pages there, and most of those that the start page links.
"""

from collections.abc import Iterable
from contextlib import aclosing

import anyio.to_thread
import httpx

from weft.document.read import is_document
from weft.document.suffixes import BINARY_SUFFIXES
from weft.net.transport import Origin
from weft.sources.web.addresses import normalise_url
from weft.sources.web.content import is_html, read_response
from weft.sources.web.memory import SiteMemory
from weft.sources.web.robots import Robots
from weft.sources.web.sitemap import Sitemap
from weft.sources.web.sitemap_fetch import SitemapReader
from weft.sources.web.start import Start

SITEMAPS_TRIED_MAX = 20


def robots_url(origin: Origin) -> httpx.URL:
    """Return the address of an origin's robots.txt."""
    scheme, host, port = origin
    return httpx.URL(scheme=scheme, host=host, port=port, path="/robots.txt")


def list_named(robots: dict[Origin, Robots]) -> dict[str, Sitemap]:
    """Return the sitemaps that each robots.txt names, by its address, as an index would."""
    found: dict[str, Sitemap] = {}
    for origin, rules in robots.items():
        place = robots_url(origin)
        urls = [normalise_url(sitemap, place) for sitemap in rules.sitemaps]
        if named := [str(url) for url in urls if url is not None]:
            found[str(normalise_url(str(place)))] = Sitemap(sitemaps=named)
    return found


async def check_section_is_listed(
    client: httpx.AsyncClient, response: httpx.Response, start: Start
) -> bool:
    """Return whether the sitemaps of ``start`` list what belongs to its page, the response.

    Raises RateLimited; a sitemap that cannot be read lists nothing.
    """
    page = await read_response(response, str(start.url), start.site) if is_html(response) else None
    linked = _list_pages(page.links if page else (), start)
    missing, enough = set(linked), len(linked) // 2
    has_other = False
    sitemaps = SitemapReader(client, SiteMemory(), SiteMemory())
    named = sitemaps.read_all(start.named_by, start.sitemap or Sitemap())
    async with aclosing(named):
        tried = 0
        async for _, sitemap in named:
            locations = [location for location, _ in sitemap.pages]
            listed = await anyio.to_thread.run_sync(_list_pages, locations, start)
            has_other = has_other or bool(listed)
            missing -= listed
            if has_other and len(missing) <= enough:
                return True
            tried += 1
            if tried > SITEMAPS_TRIED_MAX:
                break
    return False


def _list_pages(locations: Iterable[str], start: Start) -> set[str]:
    """Return the pages that belong to the start page, without it, in a form to compare."""
    found: set[str] = set()
    for location in locations:
        url = normalise_url(location)
        if url is None or url.query or not start.covers(url):
            continue
        ending = url.path.rpartition("/")[2].rpartition(".")[2].lower()
        # Sitemaps usually leave files out.
        if f".{ending}" not in BINARY_SUFFIXES and not is_document(url.path):
            # Sitemaps and links often differ in what makes no difference.
            found.add(url.path.rstrip("/"))
    return found - {start.url.path.rstrip("/")}
