"""Reads single pages for the `web` source: conditional requests, redirects, refusals, entities."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import anyio
import httpx

from weft.document.model import Unreadable
from weft.document.read import PDF_MARK, is_document, name_document, read
from weft.domain.entities import Entity
from weft.domain.text.characters import clean_line
from weft.errors import RateLimited, SourceUnavailable, WeftError
from weft.net.addresses import AddressRefused
from weft.net.dates import parse_http_date
from weft.net.errors import ResponseTooLarge, status_error
from weft.net.retry import TRANSIENT_STATUSES
from weft.net.transport import MAX_BYTES, Origin, origin_of
from weft.sources.base import Event, Failed, Skipped, SourceContext, Unchanged
from weft.sources.web.addresses import normalise_url
from weft.sources.web.content import (
    HTML_TYPES,
    TEXT_TYPES,
    PageContent,
    is_feed,
    media_type_of,
    read_response,
)
from weft.sources.web.memory import SiteMemory
from weft.sources.web.versions import Version, digest_text, version_of

PAGE_BYTES_MAX = 5 * 1024 * 1024
DOCUMENT_BYTES_MAX = 20 * 1024 * 1024

NEEDS_SCRIPT = "it needs JavaScript, which is not run"
NO_TEXT = "it has no text and no title"

# A login or maintenance page in place of all others is reached in these ways.
_FOR_NOW = frozenset({302, 303, 307})
_FILE_NAME = re.compile(r"filename\s?=\s?\"?([^\";/\\]{1,200})", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Visit:
    """A page to read; ``depth`` counts the links from the start page, ``parent`` names it."""

    url: str
    depth: int = 0
    updated_at: datetime | None = None
    parent: str = ""


@dataclass(slots=True)
class PageResult:
    """The result of reading one page; no event if there is no such page.

    ``url`` is the address after redirects; ``links`` are the normalised addresses on the page.
    ``unread``: it is there but could not be read. ``moved_to``: the path, or the other site, that
    it leads to for good. ``hides``: so pages may exist to which nothing else known would lead.
    ``is_shell``: a script would have to write it. ``is_as_stored``: so is its text. ``canonical``
    is another address that it names as its own.
    """

    url: str
    event: Event | None = None
    links: list[str] = field(default_factory=list[str])
    refused: bool = False
    unread: bool = False
    for_now: bool = False
    moved_to: str = ""
    hides: bool = False
    is_shell: bool = False
    text_digest: str = ""
    is_as_stored: bool = False
    canonical: str = ""


class PageReader:
    """Reads pages of the origins ``site`` over one client; with ``crawl``, their links as well.

    ``before`` is what the last sync could read, and ``stored`` are the pages in the store.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        context: SourceContext,
        site: Collection[Origin],
        before: SiteMemory,
        stored: Collection[str],
        *,
        crawl: bool,
    ) -> None:
        self._client = client
        self._known_versions = context.known_versions
        self._site = site
        self._before = before
        self.stored = stored
        self._crawl = crawl

    async def read(self, visits: Sequence[Visit]) -> list[PageResult]:
        """Read the pages; return one result for each visit, in the same order.

        Raises RateLimited; every other failure is a `Failed` event.
        """
        urls = [visit.url for visit in visits]
        known = await self._known_versions(urls)
        found: dict[str, PageResult | RateLimited] = {}

        async def load(visit: Visit) -> None:
            # Keep the error and raise it below: raised here, it would be in an ExceptionGroup.
            try:
                found[visit.url] = await self._visit(visit, known.get(visit.url))
            except RateLimited as error:
                found[visit.url] = error

        async with anyio.create_task_group() as group:
            for visit in visits:
                group.start_soon(load, visit)
        outcomes = [found[visit.url] for visit in visits]
        for outcome in outcomes:
            if isinstance(outcome, RateLimited):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, PageResult)]

    async def _visit(self, visit: Visit, known: str | None) -> PageResult:
        version = Version.parse(known)
        # Without stored links, an unchanged page would end the crawl, so read it in full.
        usable = None if self._crawl and version and version.links is None else version
        result = await self._ask(visit, usable)
        result.is_as_stored = version is not None and version.text_digest == result.text_digest
        was_page = visit.url in self.stored or self._before.is_page(visit.url)
        is_elsewhere = result.url != visit.url or result.event is None
        if was_page and result.for_now and is_elsewhere:
            result = _unread(visit.url, "it leads to another page for now")
        if result.unread:
            self._keep(result)
        return result

    def _keep(self, result: PageResult) -> None:
        """Keep a page that is there but could not be read."""
        is_known = self._before.knows(result.url)
        if isinstance(result.event, Skipped):
            if result.url not in self.stored and not is_known:
                return  # It never was a page, so nothing is known by it.
            result.event = Failed(result.url, result.event.reason)
        # The pages that a known one led to are known too, and asked for by themselves.
        result.hides = self._crawl and not is_known

    async def _ask(self, visit: Visit, known: Version | None) -> PageResult:
        try:
            response = await self._get(visit.url, known.headers() if known else {})
            if response.status_code == 304 and response.history:
                # The validators belong to another address than the one that answered: ask without.
                response = await self._get(visit.url, {})
        except ResponseTooLarge:
            return _unread(visit.url, f"larger than {_size_max(visit.url) // 1024**2} MiB")
        except AddressRefused:
            return _unread(visit.url, "it leads to a private address")
        except RateLimited:
            raise
        except WeftError as error:
            return PageResult(visit.url, Failed(visit.url, error.message), unread=True)
        if response.status_code == 304 and known:
            return PageResult(
                visit.url,
                Unchanged(visit.url),
                known.links_at(visit.url) or [],
                text_digest=known.text_digest,
                canonical=known.canonical,
            )
        result = await self._read_answer(visit, response)
        if response.history and not _is_for_now(response):
            is_on_site = origin_of(response.url) in self._site
            result.moved_to = response.url.path if is_on_site else response.url.host
        return result

    async def _get(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        extensions = {MAX_BYTES: _size_max(url)}
        return await self._client.get(url, headers=headers, extensions=extensions)

    async def _read_answer(self, visit: Visit, response: httpx.Response) -> PageResult:
        status = response.status_code
        if status in {404, 410}:
            return PageResult(visit.url, for_now=_is_for_now(response))
        if status == 429:
            raise status_error(response, "a page")
        if response.is_client_error and status not in TRANSIENT_STATUSES:
            return _unread(visit.url, f"the site does not show it (HTTP {status})", refused=True)
        if not response.is_success:
            failed = Failed(visit.url, status_error(response, "the page").message)
            return PageResult(visit.url, failed, unread=True)
        for_now = _is_for_now(response)
        url = normalise_url(str(response.url))
        if url is None or origin_of(url) not in self._site:
            elsewhere = _unread(visit.url, "it redirects to another site")
            elsewhere.unread = for_now
            return elsewhere
        result = await self._read_page(visit, url, response)
        result.for_now = for_now
        return result

    async def _parse(self, response: httpx.Response, address: str) -> PageContent:
        page = await read_response(response, address, self._site if self._crawl else ())
        if page is None:
            raise Unreadable("not text")
        return page

    async def _read_page(
        self, visit: Visit, url: httpx.URL, response: httpx.Response
    ) -> PageResult:
        address = str(url)
        media_type = media_type_of(response)
        document = _name_document(response, url)
        if media_type and media_type not in HTML_TYPES | TEXT_TYPES and document is None:
            if is_feed(media_type, response.content):
                return _unread(address, "a feed, which the source rss reads")
            shown = media_type if _MEDIA_TYPE.fullmatch(media_type) else "of an unknown type"
            return _unread(address, f"not a page ({shown})")
        try:
            page = await (
                _read_document(document, response.content)
                if document
                else self._parse(response, address)
            )
        except Unreadable as error:
            return _unread(address, str(error))
        except SourceUnavailable as error:
            return PageResult(address, Failed(address, error.message), unread=True)
        if page.needs_script or not (page.text.strip() or page.title):
            shell = _unread(address, NEEDS_SCRIPT if page.needs_script else NO_TEXT)
            shell.links, shell.is_shell = page.links, page.needs_script
            return shell
        text_digest = digest_text(page.text)
        stated = page.canonical or _canonical_of(response, url)
        # Only an address on the site may stand for a page of it.
        is_usable = stated != address and origin_of(httpx.URL(stated)) in self._site
        canonical = stated if is_usable else ""
        entity = Entity(
            id=address,
            type="page",
            title=page.title or clean_line(url.path),
            text=page.text,
            url=address,
            updated_at=visit.updated_at
            or page.modified_at
            or parse_http_date(response.headers.get("last-modified", "")),
            metadata={
                **page.facts,
                "content_type": media_type or "text/html",
                "status": response.status_code,
                "depth": visit.depth,
            },
            breadcrumbs=(url.host, *_folders(url)),
            version=version_of(
                response, url, page.links if self._crawl else None, text_digest, canonical
            ),
        )
        return PageResult(address, entity, page.links, text_digest=text_digest, canonical=canonical)


def _size_max(url: str) -> int:
    return DOCUMENT_BYTES_MAX if is_document(httpx.URL(url).path) else PAGE_BYTES_MAX


def _name_document(response: httpx.Response, url: httpx.URL) -> str | None:
    """Return the name of the document that was sent, if it is one."""
    name, media_type = url.path.rpartition("/")[2], media_type_of(response)
    found = name_document(name, media_type)
    sent = _FILE_NAME.search(response.headers.get("content-disposition", ""))
    if found is None and sent:
        found = name_document(clean_line(sent[1]), media_type)
    # Many a server does not know the type of what it sends.
    is_pdf = found is None and response.content.startswith(PDF_MARK)
    return f"{name}.pdf" if is_pdf else found


def _canonical_of(response: httpx.Response, url: httpx.URL) -> str:
    """Return the canonical address in the header, else the page's own."""
    href = response.links.get("canonical", {}).get("url", "")
    return str((normalise_url(href, url) if href else None) or url)


async def _read_document(name: str, content: bytes) -> PageContent:
    document = await read(name, content)
    return PageContent(document.title, document.text, facts=document.facts)


def _is_for_now(response: httpx.Response) -> bool:
    return any(hop.status_code in _FOR_NOW for hop in response.history)


def _unread(url: str, reason: str, *, refused: bool = False) -> PageResult:
    return PageResult(url, Skipped(url, reason), refused=refused, unread=True)


def _folders(url: httpx.URL) -> tuple[str, ...]:
    return tuple(clean_line(part) for part in url.path.split("/")[1:-1] if part)
