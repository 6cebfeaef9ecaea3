"""Names the pages of a site before a sync reads them."""

from collections.abc import AsyncGenerator, Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import partial

import anyio.to_thread
import httpx

from weft.net.transport import origin_of
from weft.sources.base import Deleted, Incomplete, Named, PreviewEvent
from weft.sources.patterns import Fits, PatternWatch
from weft.sources.web.addresses import normalise_url
from weft.sources.web.memory import name_parent
from weft.sources.web.pages import Visit
from weft.sources.web.sitemap_fetch import SitemapReader
from weft.sources.web.walk import CHUNK_ADDRESSES, SiteWalk, chunks, digest, run_in_thread


async def preview_site(
    walk: SiteWalk, sitemaps: SitemapReader, stored: Collection[str]
) -> AsyncGenerator[PreviewEvent]:
    """Name the pages that the sitemaps name or, for a crawl, those that the start page links.

    It never ends with Complete: a page may have moved, and one that nothing names any more is asked
    for before it is given up.
    """
    config, start = walk.config, walk.start
    watch = PatternWatch({"include": config.include, "exclude": config.exclude}, _fits_one)
    if start.sitemap is None:
        queue = [Visit(str(normalise_url(config.url)))]
        walk.seen.add(digest(queue[0].url))
        (page,) = await walk.reader.read(queue)
        await run_in_thread(partial(walk.queue_links, 1, page, queue))
        await anyio.to_thread.run_sync(_show, watch, page.links)
        yield Incomplete("only the start page was read for links")
    else:
        queue = walk.list_first()
        async for address, sitemap in sitemaps.read_all(
            start.named_by or config.url, start.sitemap
        ):
            for pages in chunks(sitemap.pages, CHUNK_ADDRESSES):
                parent = name_parent(address)
                await run_in_thread(partial(walk.add_visits, pages, parent, queue))
                locations = [location for location, _ in pages]
                await anyio.to_thread.run_sync(_show, watch, locations)
            if walk.left_out or walk.overflowed:
                break
    for visit in queue:
        yield Named(visit.url, "page")
    for event in await run_in_thread(partial(_list_unfit, walk, stored)):
        yield event
    for gap in sitemaps.gaps:
        yield Incomplete(gap)
    for omitted in walk.list_omitted():
        yield omitted
    for unmatched in await anyio.to_thread.run_sync(watch.list_unmatched):
        yield unmatched


def _list_unfit(walk: SiteWalk, stored: Collection[str]) -> Iterator[Deleted]:
    """Yield the stored pages that the configuration does not want; the start page always is."""
    starts = {str(normalise_url(walk.config.url)), str(walk.start.url)}
    for address in stored:
        url = httpx.URL(address)
        is_wanted = origin_of(url) in walk.start.site and walk.wants(url)
        if not is_wanted and address not in starts:
            yield Deleted(address)


def _fits_one(pattern: str) -> Fits:
    return lambda parts, _: fnmatchcase(f"/{'/'.join(parts)}", pattern)


def _show(watch: PatternWatch, addresses: Iterable[str]) -> None:
    for address in addresses:
        url = normalise_url(address)
        if url is not None:
            watch.see(tuple(url.path.removeprefix("/").split("/")))
