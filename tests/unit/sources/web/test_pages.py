"""The one form of an address, and the text in a page's bytes."""

import httpx
import pytest

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
