"""Reads single pages for the `web` source: addresses, conditional requests, charsets, entities."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import anyio
import httpx

from weft.document.child import run_parser
from weft.document.html import HtmlText, html_to_text
from weft.document.model import Unreadable
from weft.document.read import is_document, name_document, read
from weft.document.text import clean_text
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.text.characters import clean_line
from weft.errors import RateLimited, SourceUnavailable, WeftError
from weft.net.addresses import AddressRefused
from weft.net.dates import parse_http_date
from weft.net.errors import ResponseTooLarge, status_error
from weft.net.retry import TRANSIENT_STATUSES
from weft.net.transport import MAX_BYTES, Origin, origin_of
from weft.sources.base import Event, Failed, Skipped, SourceContext, Unchanged
from weft.sources.web.charsets import decode_body
from weft.sources.web.memory import SiteMemory

PAGE_BYTES_MAX = 5 * 1024 * 1024
DOCUMENT_BYTES_MAX = 20 * 1024 * 1024
URL_CHARS_MAX = 2_048
LINKS_KEPT_CHARS_MAX = 32_768
# Part of every version: raise it when the reader improves, so that all pages are read again.
READER = 2

_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_TYPES = frozenset({"text/plain", "text/markdown", "text/x-markdown"})
# A login or maintenance page in place of all others is reached in these ways.
_FOR_NOW = frozenset({302, 303, 307})
_NO_BREAKS = str.maketrans("", "", "\t\r\n")
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
    it leads to for good. ``hides``: so pages may exist to which nothing
    else known would lead.
    """

    url: str
    event: Event | None = None
    links: list[str] = field(default_factory=list[str])
    refused: bool = False
    unread: bool = False
    for_now: bool = False
    moved_to: str = ""
    hides: bool = False


@dataclass(frozen=True, slots=True)
class _Version:
    """The version of a page: validators for the next request, and its links.

    A crawl follows the links when the site answers that the page is unchanged. They are None if
    no crawl read the page.
    """

    etag: str | None = None
    last_modified: str | None = None
    links: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, text: str | None) -> "_Version | None":
        try:
            value: object = json.loads(text or "null")
        except ValueError:
            return None
        if not isinstance(value, dict):
            return None
        fields = cast("dict[str, Any]", value)
        if fields.get("r") != READER:
            return None
        links = fields.get("l")
        return cls(fields.get("e"), fields.get("m"), None if links is None else tuple(links))

    def dump(self) -> str | None:
        """Return compact JSON, or None if there is nothing to store, or too many links."""
        if not (self.etag or self.last_modified) and self.links is None:
            return None
        if sum(map(len, self.links or ())) > LINKS_KEPT_CHARS_MAX:
            return None
        fields = {"r": READER, "e": self.etag, "m": self.last_modified, "l": self.links}
        given = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(given, separators=(",", ":"))

    def links_at(self, url: str) -> list[str] | None:
        """Return the links as full addresses; None if no crawl has read the page."""
        home = _home_of(httpx.URL(url)).removesuffix("/")
        links = self.links
        return None if links is None else [f"{home * link.startswith('/')}{link}" for link in links]

    def headers(self) -> dict[str, str]:
        wanted = {"if-none-match": self.etag, "if-modified-since": self.last_modified}
        # A site may send anything as a validator; send back only what a header can hold.
        return {
            name: value
            for name, value in wanted.items()
            if value and value.isascii() and value.isprintable()
        }


def normalise_url(url: str, base: httpx.URL | None = None) -> httpx.URL | None:
    """Return the canonical form that identifies a page; None if it is not a web address."""
    if len(url) > URL_CHARS_MAX:
        return None
    try:
        # Browsers remove line breaks and tabs from addresses, and pages rely on it.
        url = url.translate(_NO_BREAKS)
        joined = (base.join(url) if base else httpx.URL(url)).copy_with(fragment=None)
        usable = joined.scheme in {"http", "https"} and joined.host and not joined.userinfo
        # The copy writes an empty path as "/", since both are the same address.
        return joined.copy_with(raw_path=joined.raw_path) if usable and _has_port(joined) else None
    except (httpx.InvalidURL, ValueError):
        return None


def _has_port(url: httpx.URL) -> bool:
    return url.port is None or 0 < url.port < 65_536


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
        self._stored = stored
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
        version = _Version.parse(known)
        # Without stored links, an unchanged page would end the crawl, so read it in full.
        usable = None if self._crawl and version and version.links is None else version
        result = await self._ask(visit, usable)
        was_page = visit.url in self._stored or self._before.is_page(visit.url)
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
            if result.url not in self._stored and not is_known:
                return  # It never was a page, so nothing is known by it.
            result.event = Failed(result.url, result.event.reason)
        # The pages that a known one led to are known too, and asked for by themselves.
        result.hides = self._crawl and not is_known

    async def _ask(self, visit: Visit, known: _Version | None) -> PageResult:
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
            return PageResult(visit.url, Unchanged(visit.url), known.links_at(visit.url) or [])
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

    async def _parse(
        self, response: httpx.Response, is_html: bool, address: str
    ) -> tuple[HtmlText, Json]:
        page = await run_parser(
            len(response.content),
            read_content,
            response.content,
            response.headers.get("content-type", ""),
            is_html,
            address,
            frozenset(self._site) if self._crawl else frozenset[Origin](),
        )
        if page is None:
            raise Unreadable("not text")
        return page, {}

    async def _read_page(
        self, visit: Visit, url: httpx.URL, response: httpx.Response
    ) -> PageResult:
        address = str(url)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        document = name_document(url.path.rpartition("/")[2], media_type)
        if media_type and media_type not in _HTML_TYPES | _TEXT_TYPES and document is None:
            shown = media_type if _MEDIA_TYPE.fullmatch(media_type) else "of an unknown type"
            return _unread(address, f"not a page ({shown})")
        try:
            page, facts = await (
                _read_document(document, response.content)
                if document
                else self._parse(response, media_type not in _TEXT_TYPES, address)
            )
        except Unreadable as error:
            return _unread(address, str(error))
        except SourceUnavailable as error:
            return PageResult(address, Failed(address, error.message), unread=True)
        entity = Entity(
            id=address,
            type="page",
            title=page.title or clean_line(url.path),
            text=page.text,
            url=address,
            updated_at=visit.updated_at
            or parse_http_date(response.headers.get("last-modified", "")),
            metadata={
                **facts,
                "content_type": media_type or "text/html",
                "status": response.status_code,
                "depth": visit.depth,
            },
            breadcrumbs=(url.host, *_folders(url)),
            version=_version_of(response, url, page.links if self._crawl else None),
        )
        return PageResult(address, entity, page.links)


def _size_max(url: str) -> int:
    return DOCUMENT_BYTES_MAX if is_document(httpx.URL(url).path) else PAGE_BYTES_MAX


async def _read_document(name: str, content: bytes) -> tuple[HtmlText, Json]:
    document = await read(name, content)
    return HtmlText(document.title, document.text), document.facts


def read_content(
    content: bytes, content_type: str, is_html: bool, address: str, site: Collection[Origin]
) -> HtmlText | None:
    """Return clean text, title and the addresses that a page links to on ``site``; None if binary.

    A plain text has neither title nor links.
    """
    text = decode_body(content, content_type, is_html)
    if text is None:
        return None
    page = html_to_text(text) if is_html else HtmlText(text=text)
    links = _resolve_links(page, httpx.URL(address), site) if site else []
    return HtmlText(clean_line(page.title), clean_text(page.text), links)


def _resolve_links(page: HtmlText, url: httpx.URL, site: Collection[Origin]) -> list[str]:
    base = (normalise_url(page.base, url) if page.base else None) or url
    found: dict[str, None] = {}
    for href in page.links:
        target = normalise_url(href, base)
        if target is not None and origin_of(target) in site:
            found[str(target)] = None
    return list(found)


def _is_for_now(response: httpx.Response) -> bool:
    return any(hop.status_code in _FOR_NOW for hop in response.history)


def _unread(url: str, reason: str, *, refused: bool = False) -> PageResult:
    return PageResult(url, Skipped(url, reason), refused=refused, unread=True)


def _version_of(response: httpx.Response, url: httpx.URL, links: list[str] | None) -> str | None:
    home = _home_of(url)
    # Links to the page's own origin are stored without it, as every page stores such a list.
    short = [
        f"/{link.removeprefix(home)}" if link.startswith(home) else link for link in links or ()
    ]
    headers = response.headers
    version = _Version(
        headers.get("etag"), headers.get("last-modified"), None if links is None else tuple(short)
    )
    return version.dump()


def _home_of(url: httpx.URL) -> str:
    return str(url.copy_with(path="/", query=None))


def _folders(url: httpx.URL) -> tuple[str, ...]:
    return tuple(clean_line(part) for part in url.path.split("/")[1:-1] if part)
