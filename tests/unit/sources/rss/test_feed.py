"""Feeds of all formats become entries; what is no feed is told as what it is."""

from datetime import UTC, datetime

import pytest

from tests.support.sources.feeds import item, json_feed, rss
from weft.sources.rss.feed import read_feed
from weft.sources.rss.model import FeedEntry, FeedPage, NotAFeed

ADDRESS = "https://blog.example/feeds/main"
ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">
  <title>Notes</title>
  <link rel="self" href="/feeds/main"/><link rel="next" href="?page=2"/>
  <entry>
    <id>tag:blog.example,2026:1</id><title type="html">A &lt;b&gt;bold&lt;/b&gt; title</title>
    <link rel="alternate" href="../one"/><link rel="enclosure" href="/one.mp3"/>
    <published>2026-01-02T03:04:05Z</published><updated>2026-02-03T04:05:06+01:00</updated>
    <author><name>Ada</name></author><category term="t" label="Topic"/>
    <summary>short</summary>
    <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Hello</p><p>World</p></div></content>
  </entry>
</feed>"""
RDF = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
  xmlns:dc="http://purl.org/dc/elements/1.1/">
  <channel rdf:about="x"><title>Old feed</title></channel>
  <item rdf:about="https://blog.example/1"><title>First</title>
    <link>https://blog.example/1</link><description>Text</description>
    <dc:creator>Bob</dc:creator><dc:date>2026-03-04T05:06:07Z</dc:date></item>
</rdf:RDF>"""


def read(text: str | bytes, content_type: str = "application/xml") -> FeedPage:
    content = text.encode() if isinstance(text, str) else text
    return read_feed(content, content_type, ADDRESS)


def test_atom_is_read_with_all_that_it_says() -> None:
    page = read(ATOM)
    assert (page.title, page.following) == ("Notes", f"{ADDRESS}?page=2")
    assert page.entries == [
        FeedEntry(
            key="tag:blog.example,2026:1",
            title="A bold title",
            text="Hello\nWorld",
            url="https://blog.example/one",
            author="Ada",
            published=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            updated=datetime(2026, 2, 3, 3, 5, 6, tzinfo=UTC),
            categories=["Topic"],
            enclosures=["https://blog.example/one.mp3"],
        )
    ]


def test_rss_2_is_read_with_its_whole_text_and_author() -> None:
    more = (
        "<content:encoded>&lt;p&gt;The whole &lt;i&gt;text&lt;/i&gt; of it&lt;/p&gt;"
        "</content:encoded><dc:creator>Ada</dc:creator><category>a</category><category>a</category>"
        "<pubDate>Mon, 06 Sep 2021 18:45:00 +0200</pubDate>"
        '<enclosure url="https://blog.example/1.mp3" type="audio/mpeg" length="1"/>'
    )
    (entry,) = read(rss(item(1, "short", more=more)).body).entries
    assert (entry.key, entry.title) == ("1", "Entry 1")
    assert (entry.text, entry.author) == ("The whole text of it", "Ada")
    assert entry.published == datetime(2021, 9, 6, 16, 45, tzinfo=UTC)
    assert entry.updated is None
    assert (entry.categories, entry.enclosures) == (["a"], ["https://blog.example/1.mp3"])


def test_rss_1_is_read() -> None:
    page = read(RDF)
    (entry,) = page.entries
    assert (page.title, entry.title, entry.text) == ("Old feed", "First", "Text")
    assert (entry.key, entry.author) == ("https://blog.example/1", "Bob")


def test_json_feed_is_read_by_its_content_not_by_its_type() -> None:
    first = {
        "id": 7,
        "title": "One",
        "content_html": "<p>Text</p>",
        "url": "/one",
        "date_published": "2026-01-02T03:04:05+01:00",
        "authors": [{"name": "Ada"}, {"name": "Bob"}],
        "tags": ["x", 3, None],
        "attachments": [{"url": "/a.mp3"}, "broken"],
    }
    feed = json_feed(first, {"url": "/two", "content_text": "a < b"}, next_url="?page=2")
    page = read(feed.body, "text/html")
    one, two = page.entries
    assert (page.title, page.following) == ("The log", f"{ADDRESS}?page=2")
    assert (one.key, one.text, one.url) == ("7", "Text", "https://blog.example/one")
    assert (one.author, one.categories) == ("Ada, Bob", ["x"])
    assert one.published == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert one.enclosures == ["https://blog.example/a.mp3"]
    assert (two.key, two.text) == ("/two", "a < b")


def test_id_does_not_depend_on_the_address_of_the_feed() -> None:
    content = rss(item("post-1")).body
    there, here = (read_feed(content, "", f"https://{host}/feed") for host in ("a.example", "b.b"))
    assert there.entries[0].key == here.entries[0].key == "post-1"


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1251", "utf-16"])
def test_declared_encoding_is_obeyed(charset: str) -> None:
    word = "привет" if charset == "windows-1251" else "crème"
    text = f'<?xml version="1.0" encoding="{charset}"?><rss version="2.0"><channel>'
    text += f"<item><guid>1</guid><title>{word}</title></item></channel></rss>"
    assert read(text.encode(charset), "text/xml").entries[0].title == word


@pytest.mark.parametrize(
    "title", ["Fish & chips", "caf&eacute;", "one &nbsp; two", "a < b", "bell \x07 in it"]
)
def test_feed_that_is_malformed_is_read_as_far_as_possible(title: str) -> None:
    content = f"<rss version='2.0'><channel><item><guid>1</guid><title>{title}</title></item>"
    content += "<item><guid>2</guid><title>Second</title></item></channel></rss>"
    assert [entry.key for entry in read(content).entries] == ["1", "2"]


def test_feed_that_ends_in_the_middle_is_refused() -> None:
    content = rss(item(1), item(2)).body
    with pytest.raises(NotAFeed, match="ends in the middle"):
        read(content[: len(content) // 2])


def test_page_names_the_feeds_that_it_links() -> None:
    page = (
        '<html><head><base href="/deep/"><link rel="stylesheet" href="x.css">'
        '<link rel="alternate" type="application/rss+xml" href="feed.xml">'
        '<link rel="alternate" hreflang="de" href="/de">'
        '<link rel="Alternate" type="application/Atom+xml" href="https://other.example/atom">'
    )
    with pytest.raises(NotAFeed) as caught:
        read(page, "text/html")
    assert caught.value.args[1] == [
        "https://blog.example/deep/feed.xml",
        "https://other.example/atom",
    ]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"hello", b"\0\1\2", b"<<<{{{", b"{}", b"[]", b'{"version": "1", "items": []}'),
        *(b"<html><body>Please sign in", b"<?xml version='1.0'?><urlset/>", b'{"items": ['),
    ],
)
def test_anything_else_is_no_feed(content: bytes) -> None:
    with pytest.raises(NotAFeed):
        read(content)


def test_files_and_addresses_are_never_opened() -> None:
    entity = (
        '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        "<rss version='2.0'><channel><item><guid>1</guid><title>a&x;b</title></item>"
        "</channel></rss>"
    )
    assert "root" not in read(entity).entries[0].title
    for name in (b"/etc/passwd", b"http://127.0.0.1:9/"):
        with pytest.raises(NotAFeed):
            read(name)
