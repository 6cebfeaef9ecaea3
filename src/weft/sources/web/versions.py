"""What is stored of a page as its version: validators for the next request, links, addresses."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, cast

import httpx

LINKS_KEPT_CHARS_MAX = 32_768
# Part of every version: raise it when the reader improves, so that all pages are read again.
READER = 3


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a page: validators for the next request, and what an unchanged page has.

    A crawl follows the links when the site answers that the page is unchanged. They are None if
    no crawl read the page. ``canonical`` is another address that it
    names as its own.
    """

    etag: str | None = None
    last_modified: str | None = None
    links: tuple[str, ...] | None = None
    text_digest: str = ""
    canonical: str = ""

    @classmethod
    def parse(cls, text: str | None) -> "Version | None":
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
        return cls(
            fields.get("e"),
            fields.get("m"),
            None if links is None else tuple(links),
            fields.get("t", ""),
            fields.get("c", ""),
        )

    def dump(self) -> str | None:
        """Return compact JSON, or None if there is nothing to store, or too many links."""
        has_validator = bool(self.etag or self.last_modified)
        if not has_validator and self.links is None and not self.canonical:
            return None
        if sum(map(len, self.links or ())) > LINKS_KEPT_CHARS_MAX:
            return None
        fields = {"r": READER, "e": self.etag, "m": self.last_modified, "l": self.links}
        fields |= {"t": self.text_digest or None, "c": self.canonical or None}
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


def digest_text(text: str) -> str:
    """Return a short digest of a page's text; empty if it has none."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest() if text.strip() else ""


def version_of(
    response: httpx.Response,
    url: httpx.URL,
    links: list[str] | None,
    text_digest: str = "",
    canonical: str = "",
) -> str | None:
    """Return what to store of an answer; see `Version`."""
    home = _home_of(url)
    # Links to the page's own origin are stored without it, as every page stores such a list.
    short = [
        f"/{link.removeprefix(home)}" if link.startswith(home) else link for link in links or ()
    ]
    headers = response.headers
    version = Version(
        headers.get("etag"),
        headers.get("last-modified"),
        None if links is None else tuple(short),
        text_digest,
        canonical,
    )
    return version.dump()


def _home_of(url: httpx.URL) -> str:
    return str(url.copy_with(path="/", query=None))
