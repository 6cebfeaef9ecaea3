"""Feeds that are made to cost time or memory, of any size."""

from tests.support.sources.hostile.pages import number, random_bytes, repeat
from weft.errors import SourceUnavailable
from weft.sources.rss.feed import read_feed
from weft.sources.rss.model import NotAFeed
from weft.testing.hostile import HostileParser

_HEAD, _FOOT = b"<rss version='2.0'><channel>", b"</channel></rss>"
_ITEM, _END = _HEAD + b"<item>", b"</item>" + _FOOT

FEED = HostileParser(
    "feed",
    lambda content: read_feed(content, "application/xml", "https://a.example/feed"),
    {
        "many entries": number("<item><guid>%d</guid></item>", _HEAD, _FOOT),
        "deep entries": repeat(b"<item>", _HEAD),
        "deep markup that is escaped": repeat(b"&lt;div&gt;", _ITEM + b"<description>", _FOOT),
        "links of Atom": number("<link href='%d'/>", b"<feed xmlns='http://www.w3.org/2005/Atom'>"),
        "categories": number("<category>%d</category>", _ITEM, _END),
        "enclosures": number("<enclosure url='%d'/>", _ITEM, _END),
        "an author of brackets": repeat(b"(", _ITEM + b"<author>", b"</author>" + _END),
        "an author of at signs": repeat(b"a@", _ITEM + b"<author>", b"</author>" + _END),
        "a long date": repeat(b"9", _ITEM + b"<pubDate>", b"</pubDate>" + _END),
        "a date of dashes": repeat(b"1-", _ITEM + b"<pubDate>", b"</pubDate>" + _END),
        "a date of colons": repeat(b"1:", _ITEM + b"<pubDate>", b"</pubDate>" + _END),
        "a long title": repeat(b"a ", _ITEM + b"<title>", b"</title>" + _END),
        "a title of base64": repeat(b"YWFh", _ITEM + b"<title mode='base64'>", b"</title>" + _END),
        "references": repeat(b"&nbsp;", _ITEM + b"<title>", b"</title>" + _END),
        "unknown references": number("&a%d;", _ITEM + b"<title>", b"</title>" + _END),
        "an endless number": repeat(b"9", _ITEM + b"<title>&#", b";</title>" + _END),
        "less-than signs": repeat(b"<", _ITEM, _END),
        "open tags": repeat(b"<a ", _ITEM, _END),
        "open data": repeat(b"<![CDATA[", _ITEM, _END),
        "a comment without end": repeat(b"-a", _ITEM + b"<!--"),
        "declared entities": repeat(b"<!ENTITY a 'aa'>", b"<!DOCTYPE a [", b"]>" + _HEAD + _FOOT),
        "an entity again and again": lambda size: (
            b"<!DOCTYPE a [<!ENTITY a '%b'>]>" % (b"x" * (size // 2))
            + _ITEM
            + b"&a;" * (size // 6)
            + _END
        ),
        "attributes": number(" a%d=''", b"<rss version='2.0'", b">"),
        "a long attribute": repeat(b"a", b"<rss version='2.0' a='", b"'>"),
        "an attribute without end": repeat(b"a", b"<rss a='"),
        "many namespaces": number(" xmlns:a%d='a'", b"<rss version='2.0'", b"></rss>"),
        "a long namespace for many names": lambda size: (
            b"<rss version='2.0' xmlns='%b'>" % (b"n" * (size // 2)) + b"<a/>" * (size // 8)
        ),
        "bases": repeat(b"<a xml:base='http://a/b/'>", _ITEM),
        "unknown elements": number("<x%d a='1'>b</x>", _ITEM, _END),
        "spaces": repeat(b" ", b"", _HEAD + _FOOT),
        "null bytes": repeat(b"\0"),
        "no text": random_bytes,
        "an odd encoding": repeat(b"a-", b"<?xml version='1.0' encoding='punycode'?>"),
        "items of JSON": number(
            '{"id":%d},', b'{"version":"https://jsonfeed.org/version/1","items":[', b"{}]}"
        ),
        "a page": repeat(b"<link rel=alternate type=application/rss+xml href=a>"),
    },
    refusals=(NotAFeed, SourceUnavailable),
    size=12 * 1024,
    memory_factor=512,
)
