"""Fetches documents of feeds, and makes entities of their entries."""

import hashlib
from dataclasses import dataclass

import anyio
import httpx

from weft.document.child import INLINE_BYTES_MAX, run_parser
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.text.characters import clean_line
from weft.errors import AccessDenied, SourceMisconfigured, SourceUnavailable, WeftError
from weft.net.errors import raise_for_status
from weft.sources.rss.feed import read_feed
from weft.sources.rss.memory import FeedMemory
from weft.sources.rss.model import LINE_CHARS_MAX, FeedEntry, FeedPage, NotAFeed

# Part of every version: raise it when the reader improves, so that all entries are stored anew.
READER = 1
KEY_CHARS_MAX = 1_024
PAGES_MAX = 1_000
_UNTITLED = "Untitled entry"


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed of the configuration; ``name`` tells which one in messages, without its path."""

    url: str
    name: str


@dataclass(slots=True)
class Answer:
    """A document of a feed, with its own address and the validators that came with it."""

    page: FeedPage
    url: httpx.URL
    memory: FeedMemory


async def read_first_pages(
    client: httpx.AsyncClient, feeds: list[tuple[Feed, FeedMemory]]
) -> list[Answer | WeftError | None]:
    """Read several feeds at once; None for one that has not changed since its memory."""
    found: dict[str, Answer | WeftError | None] = {}

    async def load(feed: Feed, before: FeedMemory) -> None:
        # Keep the error: raised here, it would end the other requests.
        try:
            response = await client.get(feed.url, headers=before.headers)
            is_same = response.status_code == 304 and bool(before.headers)
            found[feed.url] = None if is_same else await _read_answer(feed, response)
        except WeftError as error:
            found[feed.url] = error

    async with anyio.create_task_group() as group:
        for feed, before in feeds:
            group.start_soon(load, feed, before)
    return [found[feed.url] for feed, _ in feeds]


async def read_following(client: httpx.AsyncClient, feed: Feed, url: str, pages: int) -> Answer:
    """Read a further document of a feed, of which so many were read."""
    if pages > PAGES_MAX:
        raise SourceUnavailable(f"{feed.name} has more than {PAGES_MAX:,} pages.")
    return await _read_answer(feed, await client.get(url))


def make_entity(feed: Feed, feed_title: str, entry: FeedEntry) -> Entity:
    """Return the entity of an entry; its version is a digest of all of it."""
    published = entry.published.isoformat() if entry.published else ""
    facts: Json = {
        "feed": feed_title,
        "author": entry.author,
        "published": published,
        "categories": [*entry.categories],
        "enclosures": [*entry.enclosures],
    }
    first_line = clean_line(entry.text[:LINE_CHARS_MAX].partition("\n")[0])
    entity = Entity(
        id=f"{feed.url}#{_key_of(entry, published)}",
        type="entry",
        title=entry.title or first_line or entry.url or _UNTITLED,
        text=entry.text,
        url=entry.url,
        updated_at=entry.updated or entry.published,
        metadata={name: value for name, value in facts.items() if value},
        breadcrumbs=(feed_title,) if feed_title else (),
    )
    entity.version = f"{READER}-{_digest(repr(entity))}"
    return entity


async def _read_answer(feed: Feed, response: httpx.Response) -> Answer:
    if response.status_code == 401:
        raise AccessDenied(f"{feed.name} asks for a login; such feeds cannot be read.")
    raise_for_status(response, feed.name)
    content, content_type = response.content, response.headers.get("content-type", "")
    # However short the content, the import of the parser would stop other calls for too long.
    size = max(len(content), INLINE_BYTES_MAX + 1)
    try:
        page = await run_parser(size, read_feed, content, content_type, str(response.url))
    except NotAFeed as error:
        raise _explain(feed, *error.args) from None
    except SourceUnavailable as error:
        raise SourceUnavailable(f"{feed.name}: {error.message}") from None
    return Answer(page, response.url, FeedMemory.of_answer(response))


def _key_of(entry: FeedEntry, published: str) -> str:
    key = entry.key or "\n".join((entry.title, published, "" if entry.title else entry.text))
    is_clean = len(key) <= KEY_CHARS_MAX and clean_line(key) == key
    return key if is_clean else f"%{_digest(key)}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _explain(feed: Feed, problem: str, linked: list[str]) -> WeftError:
    if linked:
        return SourceMisconfigured(
            f"{feed.name} is a web page, not a feed.",
            field="urls",
            hint=f"The page names its feeds: {', '.join(linked)}",
        )
    return SourceMisconfigured(
        f"{feed.name} {problem}.",
        field="urls",
        hint="Give the address of RSS, Atom or JSON Feed; for web pages there is the source web.",
    )
