"""Content that sites send to cost time or memory, made for any size."""

import gzip
import zlib
from collections.abc import Callable
from itertools import count, islice

import httpx

from weft.document.html import html_to_text
from weft.document.text import decode, read_text
from weft.document.web_page import read_web_page
from weft.errors import SourceUnavailable
from weft.net.errors import ResponseTooLarge, json_of
from weft.net.unpack import unpack_gzip
from weft.sources.web.charsets import decode_body
from weft.sources.web.robots import Robots
from weft.sources.web.sitemap import read_sitemap
from weft.testing.hostile import HostileParser

Make = Callable[[int], bytes]

PATHS = ["/", "/" + "a" * 2_000, "/" + "ab" * 1_000, "/a/b/c?" + "%41" * 600]


def repeat(piece: bytes, before: bytes = b"", after: bytes = b"") -> Make:
    """Return a maker of content in which the piece fills the size."""
    return lambda size: before + piece * (size // len(piece)) + after


def number(piece: str, before: bytes = b"", after: bytes = b"") -> Make:
    """Return a maker of content that repeats the piece with another number each time."""

    def make(size: int) -> bytes:
        times = size // (len(piece) + 4)
        return before + "".join(piece % n for n in islice(count(), times)).encode() + after

    return make


def random_bytes(size: int) -> bytes:
    """Return bytes that look random and are the same each time."""
    state, found = 1, bytearray()
    while len(found) < size:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        found += (state >> 24).to_bytes(5, "big")
    return bytes(found[:size])


def _judge_paths(content: bytes) -> None:
    rules = Robots.parse(content.decode("utf-8", "replace"), "WeftBot")
    for path in PATHS:
        rules.allows(path)


ROBOTS = HostileParser(
    "robots.txt",
    _judge_paths,
    {
        "many agents": number("user-agent: a%d\n"),
        "many agents, then a rule": number("user-agent: a%d\n", after=b"disallow: /\n"),
        "our agent again and again": repeat(b"user-agent: weftbot\n", after=b"disallow: /x\n"),
        "a group a line": number("user-agent: weftbot\ndisallow: /%d\n"),
        "many rules": number("disallow: /a%d\n", b"user-agent: *\n"),
        "many rules that fit": repeat(b"allow: /a\n", b"user-agent: *\n"),
        "many stars": repeat(b"disallow: /*a*a*a*a*a*a*aq$\n", b"user-agent: *\n"),
        "one rule of stars": repeat(b"*a", b"user-agent: *\ndisallow: /", b"q$\n"),
        "stars in a row": repeat(b"*", b"user-agent: *\ndisallow: /"),
        "long parts between stars": repeat(
            b"disallow: /*" + b"a" * 500 + b"b" + b"a" * 500 + b"\n", b"user-agent: *\n"
        ),
        "one long rule": repeat(b"a", b"user-agent: *\ndisallow: /"),
        "ends": repeat(b"disallow: /*$\n", b"user-agent: *\n"),
        "dollars": repeat(b"$", b"user-agent: *\ndisallow: /"),
        "percent signs": repeat(b"%", b"user-agent: *\ndisallow: /"),
        "escapes": repeat(b"%41", b"user-agent: *\ndisallow: /"),
        "escaped slashes": repeat(b"%2F", b"user-agent: *\ndisallow: /"),
        "broken escapes": repeat(b"disallow: /%zz%\n", b"user-agent: *\n"),
        "empty lines": repeat(b"\n"),
        "carriage returns": repeat(b"\r"),
        "form feeds": repeat(b"\x0c"),
        "line separators": repeat("\u2028".encode()),
        "comments": repeat(b"#", b"user-agent: *"),
        "colons": repeat(b":"),
        "sitemaps": number("sitemap: /%d\n"),
        "no line end": repeat(b"user-agent"),
        "null bytes": repeat(b"\0"),
        "no text": random_bytes,
    },
    size=64 * 1024,
)

_HEAD, _FOOT = b"<urlset><url>", b"</url></urlset>"
_EMPTY_MEMBER = gzip.compress(b"", mtime=0)

SITEMAP = HostileParser(
    "sitemap",
    read_sitemap,
    {
        "many addresses": number("<url><loc>http://a/%d</loc></url>", b"<urlset>", b"</urlset>"),
        "an index": number(
            "<sitemap><loc>http://a/%d</loc></sitemap>", b"<sitemapindex>", b"</sitemapindex>"
        ),
        "empty entries": repeat(b"<url/>", b"<urlset>", b"</urlset>"),
        "children": repeat(b"<a/>", _HEAD, _FOOT),
        "children of other names": number("<a%d/>", _HEAD, _FOOT),
        "values of other names": number("<a%d>x</a0>", _HEAD, _FOOT),
        "deep": repeat(b"<url>", b"<urlset>"),
        "cut": repeat(b"<url><loc>a", b"<urlset>"),
        "a long address": repeat(b"a", b"<urlset><url><loc>", b"</loc></url></urlset>"),
        "an address in pieces": repeat(
            b"a<!---->", b"<urlset><url><loc>", b"</loc></url></urlset>"
        ),
        "an address of references": repeat(
            b"&#97;", b"<urlset><url><loc>", b"</loc></url></urlset>"
        ),
        "an address of data": repeat(
            b"<![CDATA[a]]>", b"<urlset><url><loc>", b"</loc></url></urlset>"
        ),
        "many addresses in one entry": repeat(b"<loc>http://a/</loc>", _HEAD, _FOOT),
        "attributes": number(" a%d=''", b"<urlset", b"></urlset>"),
        "a long attribute": repeat(b"a", b"<urlset a='", b"'></urlset>"),
        "an attribute without end": repeat(b"a", b"<urlset a='"),
        "a long namespace for many names": lambda size: (
            b"<urlset xmlns='%b'>" % (b"n" * (size // 2)) + b"<a/>" * (size // 8) + b"</urlset>"
        ),
        "many namespaces": number(" xmlns:a%d='a'", b"<urlset", b"></urlset>"),
        "a long name": repeat(b"a", b"<", b"/>"),
        "a comment": repeat(b"-a", b"<urlset><!--", b"--></urlset>"),
        "comments": repeat(b"<!---->", b"<urlset>", b"</urlset>"),
        "a comment without end": repeat(b"-a", b"<urlset><!--"),
        "instructions": repeat(b"<?a ?>", b"<urlset>", b"</urlset>"),
        "entities": repeat(b"<!ENTITY a 'aa'>", b"<!DOCTYPE a [", b"]><urlset/>"),
        "times": repeat(b"<url><lastmod>9</lastmod></url>", b"<urlset>", b"</urlset>"),
        "spaces": repeat(b" ", b"", b"<urlset/>"),
        "another encoding": lambda size: (
            "<?xml version='1.0' encoding='utf-16'?><urlset>".encode("utf-16") + b" " * size
        ),
        "no text": random_bytes,
        "packed members": repeat(_EMPTY_MEMBER),
    },
    refusals=(SourceUnavailable, ResponseTooLarge),
)


def _stored_block(content: bytes) -> bytes:
    size = len(content)
    return b"\0" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + content


def _pack(piece: bytes, times: int = 1) -> Make:
    return lambda size: gzip.compress(piece * (size // len(piece)) * times, mtime=0)


_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"

GZIP = HostileParser(
    "gzip",
    lambda content: unpack_gzip(content, 4 * 1024 * 1024),
    {
        "empty members": repeat(_EMPTY_MEMBER),
        "members of a byte": repeat(gzip.compress(b"a", mtime=0)),
        "empty zlib members": repeat(zlib.compress(b"")),
        "members with names": repeat(b"\x1f\x8b\x08\x08\0\0\0\0\0\xffname\0\x03\0" + b"\0" * 8),
        "a name without end": repeat(b"a", b"\x1f\x8b\x08\x08\0\0\0\0\0\xff"),
        "a long extra field": lambda size: (
            b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\xff\xff" + b"a" * min(size, 65_535)
        ),
        "a comment without end": repeat(b"a", b"\x1f\x8b\x08\x10\0\0\0\0\0\xff"),
        "empty stored blocks": repeat(_stored_block(b""), _GZIP_HEAD),
        "stored blocks of a byte": repeat(_stored_block(b"a"), _GZIP_HEAD),
        "empty fixed blocks": repeat(b"\x02\x08 \x80\0", _GZIP_HEAD),
        "zeros": _pack(b"\0"),
        "a bomb": _pack(b"\0", 100),
        "a pattern": _pack(b"ab", 50),
        "a small bomb in each member": lambda size: (
            gzip.compress(b"\0" * 10_000, mtime=0) * (size // 100)
        ),
        "many members and a bomb": lambda size: (
            _EMPTY_MEMBER * 500 + gzip.compress(b"\0" * size * 50, mtime=0)
        ),
        "random content": lambda size: gzip.compress(random_bytes(size), mtime=0),
        "nothing packed": random_bytes,
        "rubbish behind it": lambda size: _EMPTY_MEMBER + random_bytes(size),
        "zeros behind it": lambda size: _EMPTY_MEMBER + b"\0" * size,
        "marks": repeat(b"\x1f\x8b"),
        "a cut bomb": lambda size: gzip.compress(b"\0" * size * 100, mtime=0)[:-9],
        "flushes": repeat(b"\0\0\0\xff\xff", _GZIP_HEAD),
    },
    refusals=(SourceUnavailable, ResponseTooLarge),
)

HTML = HostileParser(
    "html",
    lambda content: html_to_text(content.decode("utf-8", "replace")),
    {
        "open divisions": repeat(b"<div>"),
        "closings": repeat(b"</div>"),
        "formatting that is adopted": number("<p><b id=%d>x"),
        "nested tables": repeat(b"<table><tr><td>"),
        "navigation": repeat(b"<nav>"),
        "navigation that closes": lambda size: b"<nav>" * (size // 12) + b"</nav>" * (size // 12),
        "other parts left out": repeat(b"<svg><nav><canvas>"),
        "closings of another part": lambda size: b"<nav>" * (size // 12) + b"</svg>" * (size // 12),
        "less-than signs": repeat(b"<"),
        "an open tag": repeat(b" a", b"<p"),
        "open tags": repeat(b"<p "),
        "attributes": repeat(b" a=b", b"<p", b">"),
        "attributes without end": repeat(b" a='b'", b"<p"),
        "quotes": repeat(b"<p a='"),
        "equals signs": repeat(b"=", b"<p a", b">"),
        "comments": repeat(b"<!---->"),
        "open comments": repeat(b"<!--"),
        "declarations": repeat(b"<!a>"),
        "open declarations": repeat(b"<!a"),
        "scripts": repeat(b"<script></script>"),
        "a script without end": repeat(b"</scrip", b"<script>"),
        "titles": repeat(b"<title>a</title>"),
        "references": repeat(b"&amp;"),
        "broken references": repeat(b"&ampx&#x;&#"),
        "an endless number": repeat(b"9", b"&#", b";"),
        "ampersands": repeat(b"&"),
        "links": number("<a href=%d>"),
        "a long link": repeat(b"a", b"<a href='", b"'>"),
        "spaces": repeat(b" "),
        "spaces that end": repeat(b" ", b"<p", b">"),
        "preformatted lines": repeat(b"\n", b"<pre>"),
        "preformatted parts": repeat(b"<pre>\n"),
        "null bytes": repeat(b"\0"),
        "no text": random_bytes,
    },
    size=48 * 1024,
    memory_factor=160,
)

WEB_PAGE = HostileParser(
    "web page",
    lambda content: read_web_page(content.decode("utf-8", "replace")),
    {
        **HTML.inputs,
        "main parts": repeat(b"<main>x</main>"),
        "main parts in one another": lambda size: (
            b"<main>" * (size // 13) + b"</main>" * (size // 13)
        ),
        "open main parts": repeat(b"<main>x"),
        "parts around in one another": lambda size: (
            b"<aside>x" * (size // 16) + b"</aside>" * (size // 16)
        ),
        "parts around": repeat(b"<footer>x</footer>"),
        "parts around in main parts": repeat(b"<main><aside>x</aside></main>"),
        "articles in one another": lambda size: (
            b"<article>x" * (size // 20) + b"</article>" * (size // 20)
        ),
        "lists of links": repeat(b"<ul><a href=a>x</a></ul>"),
        "lists of links in one another": lambda size: (
            b"<ul><a href=a>x</a>" * (size // 24) + b"</ul>" * (size // 24)
        ),
        "closings of what is far away": lambda size: (
            b"<main>" + b"<div>" * (size // 12) + b"</main>" * (size // 14)
        ),
        "a long name": repeat(b"a-", b"<div class='", b"'>"),
        "many names": repeat(b" nav-", b"<div class='", b"'>"),
        "parts with long names": repeat(b"<div class='a-a-a-a-a-a-a-a-a-a-a-a-a-navx'>"),
        "elements of their own": number("<x-%d>"),
        "cookies": repeat(b"<div class='cookie cookie cookie'>x</div>"),
        "prose": repeat(b"<p>" + b"a" * 70 + b"</p>"),
        "prose in parts left out": repeat(b"<nav><p>" + b"a" * 70 + b"</p></nav>"),
        "noscript": repeat(b"<noscript>enable javascript</noscript>"),
        "half a demand for scripts": repeat(b"enable ", b"<script src=a></script>"),
        "descriptions": number("<meta name=description content=%d>"),
        "data": repeat(b"<script type='application/ld+json'>[{}]</script>"),
        "deep data": repeat(b"[", b"<script type='application/ld+json'>"),
        "wide data": repeat(b"{},", b"<script type='application/ld+json'>[", b"{}]</script>"),
        "graphs": repeat(b'{"@graph":', b"<script type='application/ld+json'>"),
        "times": repeat(b"<time pubdate datetime=9></time>"),
    },
    size=48 * 1024,
    memory_factor=160,
)


def _decode_everywhere(content: bytes) -> None:
    decode(content)
    read_text("a.md", content.decode("latin-1"))
    for charset in ("utf-16", "shift_jis", "utf-7", "punycode", "gb18030", "hz", "a" * 9_999):
        decode_body(content, f"text/html; charset={charset}", is_html=True)


ENCODINGS = HostileParser(
    "encodings",
    _decode_everywhere,
    {
        "high bytes": repeat(b"\xff"),
        "all bytes": repeat(bytes(range(256))),
        "letters of Latin 1": repeat("é\n".encode("latin-1")),
        "lines of Latin 1": repeat("crème brûlée\n".encode("latin-1")),
        "Cyrillic": repeat("привет\n".encode("cp1251")),
        "KOI8": repeat("привет\n".encode("koi8-r")),
        "Japanese": repeat("日本語\n".encode("shift_jis")),
        "Japanese in EUC": repeat("日本語".encode("euc_jp")),
        "Chinese": repeat("中文".encode("gb18030")),
        "escapes of ISO 2022": repeat(b"\x1b$B\x1b(B"),
        "shifts of HZ": repeat(b"~{~}"),
        "shifts of UTF-7": repeat(b"+-"),
        "punycode": repeat(b"a-"),
        "null bytes": repeat(b"\0"),
        "UTF-16 without a mark": repeat("ab".encode("utf-16-le")),
        "UTF-16 with a mark": repeat(b"a\0", b"\xff\xfe"),
        "lone surrogates": repeat(b"\0\xd8", b"\xff\xfe"),
        "UTF-32": repeat(b"a\0\0\0", b"\xff\xfe\0\0"),
        "impossible UTF-32": repeat(b"\xff\xff\xff\x7f", b"\xff\xfe\0\0"),
        "broken UTF-8": repeat(b"\xf0\x9f\x98"),
        "overlong UTF-8": repeat(b"\xc0\x80"),
        "control characters": repeat(b"\x01a"),
        "line ends": repeat(b"\r\n\x0b\x0c"),
        "hidden characters": repeat("\u200b\u202e\U000e0041".encode()),
        "headings": repeat(b"# "),
        "headings without end": repeat(b" " * 3 + b"#"),
        "meta tags": repeat(b"<meta charset"),
        "random": random_bytes,
    },
    size=64 * 1024,
    memory_factor=320,
)

JSON = HostileParser(
    "json",
    lambda content: json_of(httpx.Response(200, content=content), "a test"),
    {
        "deep lists": repeat(b"["),
        "deep lists that close": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
        "deep objects": repeat(b'{"a":'),
        "deep objects that close": lambda size: b'{"a":' * (size // 6) + b"1" + b"}" * (size // 6),
        "empty lists": repeat(b"[],", b"[", b"[]]"),
        "empty objects": repeat(b"{},", b"[", b"{}]"),
        "numbers": repeat(b"1,", b"[", b"1]"),
        "a long number": repeat(b"9"),
        "long numbers": repeat(b"9" * 4_000 + b",", b"[", b"1]"),
        "a long fraction": repeat(b"9", b"1."),
        "an exponent": repeat(b"9", b"1e"),
        "a long string": repeat(b"a", b'"', b'"'),
        "a string without an end": repeat(b"a", b'"'),
        "strings": repeat(b'"",', b"[", b"1]"),
        "escapes": repeat(b"\\n", b'"', b'"'),
        "backslashes": repeat(b"\\\\", b'"', b'"'),
        "lone surrogates": repeat(b"\\ud800", b'"', b'"'),
        "many keys": number('"%d":1,', b"{", b'"a":1}'),
        "one key again and again": repeat(b'"a":1,', b"{", b'"a":1}'),
        "spaces": repeat(b" "),
        "constants": repeat(b"NaN,", b"[", b"1]"),
        "null bytes": repeat(b"\0"),
        "UTF-16": lambda size: ("[" + "1," * (size // 4) + "1]").encode("utf-16"),
        "no text": random_bytes,
    },
    refusals=(SourceUnavailable,),
)
