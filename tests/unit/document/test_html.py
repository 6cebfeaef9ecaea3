"""Pages become text: the ordinary ones readable, the hostile ones in bounded time."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.document.html import MAX_LINKS, MAX_TITLE_CHARS, html_to_text

ARTICLE = """<!DOCTYPE html>
<html><head><title>Guide &amp;
  tour</title><link rel="canonical" href="/guide"><base href="https://example.org/docs/">
<style>p { color: red }</style><script>if (a < b) document.write("<p>no</p>")</script></head>
<body><nav><a href="home">Home</a></nav>
<h1>Guide</h1><p>First
line &lt;here&gt;.</p><p>Second<br>third</p>
<!-- <p>a comment</p> --><template><p>template</p></template><noscript>enable it</noscript>
<svg><title>icon</title><text>drawn</text></svg>
<pre>def f():
    return 1
</pre>
<table><tr><td>1</td><td>2</td></tr></table>
<a href='next?a=1&amp;b=2'>Next</a> <a name="x">no href</a></body></html>"""


def test_article_reads_as_one_line_per_block() -> None:
    page = html_to_text(ARTICLE)
    assert page.title == "Guide & tour"
    assert page.text.split("\n") == [
        "Guide",
        "First line <here>.",
        "Second",
        "third",
        "def f():",
        "    return 1",
        "1 2",
        "Next no href",
    ]


def test_links_base_and_canonical_are_kept_as_written() -> None:
    page = html_to_text(ARTICLE)
    assert page.links == ["home", "next?a=1&b=2"]
    assert page.base == "https://example.org/docs/"
    assert page.canonical == "/guide"


def test_first_heading_stands_in_for_a_missing_title() -> None:
    assert html_to_text("<h2>no</h2><h1>The <i>one</i></h1><h1>two</h1>").title == "The one"


def test_unclosed_navigation_costs_no_content() -> None:
    assert html_to_text("<nav>menu<p>content").text == "menu\ncontent"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a < b", "a < b"),
        ("a <", "a <"),
        ("x</>y", "xy"),
        ("x<!-->y", "xy"),
        ("x<!--->y", "xy"),
        ("x<!-- y", "x"),
        ("x<?php y ?>z", "xz"),
        ("x<p title='>'>y", "x\ny"),
        ("x<p title=it's>y</p>z", "x\ny\nz"),
        ("x<b", "x"),
        ("<SCRIPT>no</sCript >yes", "yes"),
        ("<script>no</scripts>no", ""),
        ("<textarea><b>kept</textarea>", "<b>kept"),
        ("a&nbsp;b&#0;c", "a b\ufffdc"),
        ("&#" + "9" * 10_000 + ";", "\ufffd"),
        ("", ""),
    ],
)
def test_odd_markup_reads_as_browsers_read_it(html: str, text: str) -> None:
    assert html_to_text(html).text == text


# Each of these costs a tree builder, or a naive scanner, quadratic time or memory.
HOSTILE: dict[str, Callable[[int], str]] = {
    "clones": lambda n: "".join(f"<p><b id={i}>x" for i in range(n)),
    "deep": lambda n: "<div>" * n,
    "deep left out": lambda n: "<svg><nav>" * n + "</svg>" * n,
    "unended tags": lambda n: "<a " * n,
    "unended quotes": lambda n: "<a b=\"' " * n,
    "unended comments": lambda n: "<!--" * n,
    "unended raw text": lambda n: "<script>" * n,
    "brackets": lambda n: "<" * n,
    "equals": lambda n: "<a " + "= " * n,
    "spaces": lambda n: "<a" + " " * n,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_page_costs_linear_time(kind: str) -> None:
    def seconds(n: int) -> float:
        html = HOSTILE[kind](n)
        started = time.process_time()
        html_to_text(html)
        return time.process_time() - started

    # Quadratic growth would make this factor about 400; the constant hides timer noise.
    assert seconds(200_000) < 100 * seconds(10_000) + 0.25


def test_what_is_kept_is_bounded() -> None:
    page = html_to_text("<title>" + "t" * 9_999 + "</title>" + "<a href=x>" * (MAX_LINKS + 5))
    assert len(page.title) == MAX_TITLE_CHARS
    assert len(page.links) == MAX_LINKS


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["<", ">", "/", "p", "a href=", "'", '"', "!--", "-->", "&", " "])))
def test_no_input_raises(parts: list[str]) -> None:
    page = html_to_text("".join(parts))
    assert page.text == page.text.strip()
