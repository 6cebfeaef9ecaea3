"""The one form of an address, and the text in a page's bytes."""

import threading

import anyio
import anyio.from_thread
import httpx
import pytest

from tests.support.patience import PATIENCE_SECONDS
from tests.support.sources.website import serve_website
from weft.document.child import INLINE_BYTES_MAX
from weft.document.web_page import WebPage, read_web_page
from weft.net.http_factory import HttpFactory
from weft.sources.web import content as page_content
from weft.sources.web.addresses import normalise_url
from weft.sources.web.charsets import decode_body


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Example.ORG:80", "http://example.org/"),
        ("http://example.org?q", "http://example.org/?q"),
        ("/x/../y#z", "http://base.example/y"),
        ("?p=2", "http://base.example/d/?p=2"),
        ("//other.example/x", "http://other.example/x"),
        ("a\nb", "http://base.example/d/ab"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
        ("mailto:a@b", None),
        ("http://u:p@a/", None),
        ("http://[::1", None),
        ("http://a:99999999/", None),
        ("x" * 2049, None),
    ],
)
def test_addresses_have_one_form(url: str, expected: str | None) -> None:
    found = normalise_url(url, httpx.URL("http://base.example/d/"))
    assert (str(found) if found else None) == expected


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        ("grün".encode("latin-1"), "text/html; charset=ISO-8859-1", "grün"),
        ("“q”".encode("cp1252"), 'text/html; charset="iso-8859-1"', "“q”"),
        ("日本".encode("shift_jis"), "text/html; charset=Shift_JIS", "日本"),
        (
            b'<meta charset="koi8-r">' + "да".encode("koi8-r"),
            "text/html",
            '<meta charset="koi8-r">да',
        ),
        ("é".encode("utf-8-sig"), "text/html; charset=latin-1", "é"),
        ("é".encode(), "text/html; charset=rot13", "é"),
        ("é".encode(), "text/html; charset=idna", "é"),
        ("é".encode(), "text/html; charset=\0", "é"),
        ("é".encode(), "", "é"),
        (b"a\xffb", "text/html; charset=utf-8", "a\ufffdb"),
    ],
)
def test_charset_is_found(content: bytes, content_type: str, expected: str) -> None:
    assert decode_body(content, content_type, is_html=True) == expected


@pytest.mark.anyio
async def test_cancel_does_not_wait_for_the_parsing_of_a_page(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    waits: list[bool] = []

    def parse(text: str) -> WebPage:
        anyio.from_thread.run_sync(scope.cancel)
        waits.append(released.wait(PATIENCE_SECONDS))
        return read_web_page(text)

    monkeypatch.setattr(page_content, "read_web_page", parse)
    async with serve_website(http, {"/": "x" * (INLINE_BYTES_MAX + 1)}) as at:
        with anyio.CancelScope() as scope:
            await at.fetch()
        assert waits == []
        released.set()
