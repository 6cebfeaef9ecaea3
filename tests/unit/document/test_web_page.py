"""The main text of a web page is found, and nothing of it lost; what the page states is kept."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.sources.documents import DOCUMENTS
from weft.document.html import html_to_text
from weft.document.web_page import read_web_page

# Pages as well-known generators and sites write them. Comments name phrases to keep and to leave.
PAGES = sorted((DOCUMENTS.parent / "web_pages").glob("*.html"))
PROSE = "A sentence that is long enough to be taken for prose, as it has many words. "
DISHES = "<ul class=menu>" + "<li><a href=x>Soup of the day, with bread</a></li>" * 9 + "</ul>"


def list_phrases(html: str, comment: str) -> list[str]:
    found = re.search(rf"<!-- {comment}: (.*?) -->", html)
    assert found
    return [_flatten(phrase) for phrase in found[1].split(" | ")]


def _flatten(text: str) -> str:
    return re.sub(r"\W+", " ", text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_main_text_is_kept_and_what_is_around_it_left_out(path: Path) -> None:
    html = path.read_text()
    page = read_web_page(html)
    text = _flatten(f"{page.title}\n{page.text}")
    assert [phrase for phrase in list_phrases(html, "keeps") if phrase not in text] == []
    assert [phrase for phrase in list_phrases(html, "leaves") if phrase in text] == []
    assert not page.needs_script
    assert page.links


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hello", "Hello"),
        ("<nav>menu<p>content", "menu\ncontent"),
        ("<main>teaser</main><p>" + PROSE * 3, "teaser\n" + (PROSE * 3).strip()),
        ("<main></main><p>content", "content"),
        ("<header>never closed<p>" + PROSE, "never closed\n" + PROSE.strip()),
        ("<div><aside>never closed</div><p>" + PROSE, PROSE.strip()),
        ("<div class='has-sidebar sidebar'><p>" + PROSE + "</div>", PROSE.strip()),
        ("<footer><p>" + PROSE + "</footer>", PROSE.strip()),
        ("<ul>" + "<li><a href=x>one</a></li>" * 4 + "</ul>", "one\none\none\none"),
        ("<article>teaser</article><article>teaser</article><p>" + PROSE * 2, "teaser\nteaser\n"),
        ("<a href=x><div><p>" + PROSE + "</div></a>", PROSE.strip()),
        ("<header><h1>Top</h1></header><main>" + PROSE + "</main>", PROSE.strip()),
        ("<title>x</title><header><h1>Top</h1></header><main>" + PROSE, "Top\n"),
        ("<main>hero</main><p>" + PROSE + "<article>x " + PROSE + "</article>", "hero\n"),
        (f"<article>x {PROSE}</article><div>y {PROSE}</div>", f"x {PROSE.strip()}\ny"),
        (f"<x-page><template shadowrootmode=open>x {PROSE}</template></x-page>", "x "),
        (f"<p>{PROSE}<aside class='note'>Never do it.</aside>", f"{PROSE.strip()}\nNever"),
        (f"<main><p>{PROSE}" + DISHES + "</main>", f"{PROSE.strip()}\nSoup"),
        (f"<h1>x</h1><p>{PROSE}" + DISHES.replace("menu", ""), f"x\n{PROSE.strip()}\nSoup"),
        (DISHES.replace("menu", "") + f"<p>{PROSE}", "Soup"),
        (f"<h1>x</h1><p>{PROSE}" + DISHES.replace("menu", "toc"), f"x\n{PROSE.strip()}\nSoup"),
        ("", ""),
    ],
)
def test_unclear_page_keeps_more_rather_than_less(html: str, text: str) -> None:
    assert read_web_page(html).text.startswith(text)


def test_page_states_its_facts() -> None:
    facts = {
        path.stem: read_web_page(path.read_text()).facts
        for path in PAGES
        if path.stem in {"news", "wordpress", "mediawiki", "material", "short", "starlight", "gov"}
    }
    assert facts["news"] == {
        "description": "After nine years the ferry sails again.",
        "lang": "en",
        "author": "Mara Lind, Ole Berg",
        "published": "2026-06-01T06:00:00+02:00",
        "modified_at": "2026-06-01T11:30:00+02:00",
    }
    assert facts["wordpress"]["published"] == "2026-04-02T09:15:00+00:00"
    assert (facts["wordpress"]["author"], facts["wordpress"]["lang"]) == ("Ida Holm", "en-GB")
    assert facts["wordpress"]["description"] == "Four thousand shelves in one month."
    assert facts["mediawiki"]["modified_at"] == "2026-01-09T16:12:11+00:00"
    assert "published" not in facts["material"]
    assert facts["starlight"]["modified_at"] == "2026-05-04T08:30:00+00:00"
    assert facts["gov"]["published"] == "2025-11-30T00:00:00+00:00"
    assert facts["short"] == {"lang": "fr"}


def test_title_of_the_page_goes_before_what_it_tells_networks() -> None:
    og = '<meta property="og:title" content="Shared">'
    assert read_web_page(f"<title>Own</title>{og}<h1>Heading</h1>").title == "Own"
    assert read_web_page(f"{og}<h1>Heading</h1>").title == "Shared"
    assert read_web_page("<h1>Heading</h1>").title == "Heading"


@pytest.mark.parametrize(
    "data",
    ["{", "[" * 50_000, "1" * 9_000, '{"@graph":3}', '{"@type":"Article","author":[1,{}]}', "null"],
)
def test_odd_data_states_nothing(data: str) -> None:
    html = f'<script type="application/ld+json">{data}</script><p>text'
    assert read_web_page(html).facts == {}


MARKUP = ["main", "nav", "aside", "article", "ul class=menu", "header", "h1", "svg", "noscript"]
PIECES = [f"<{tag}>" for tag in MARKUP] + [f"</{tag.split()[0]}>" for tag in MARKUP]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*PIECES, "<a href=x>", "</a>", "text ", PROSE]), max_size=40))
def test_no_mix_of_markup_raises_or_leaves_nothing(pieces: list[str]) -> None:
    html = "".join(pieces)
    page = read_web_page(html)
    assert bool(page.text) == bool(html_to_text(html).text)


def test_answers_below_a_question_are_kept() -> None:
    question, answer = f"<article>{PROSE * 8}</article>", f"<div>Yes. {PROSE}</div>"
    assert "Yes." in read_web_page(f"{question}{answer}<footer>imprint</footer>").text


SCRIPT = '<script src="/app.js"></script>'
ASKS = "<noscript>You need to enable JavaScript to run this app.</noscript>"


@pytest.mark.parametrize(
    ("html", "needs"),
    [
        (f'<title>App</title><div id="root"></div>{SCRIPT}{ASKS}', True),
        (f'<div id="__next"><div>Loading…</div></div>{SCRIPT}', True),
        (f"<app-root></app-root>{SCRIPT}", True),
        (f"<header><a href=/>Home of the application</a></header>{ASKS}{SCRIPT}", True),
        (f"<p>Please enable JavaScript and cookies to continue.</p>{SCRIPT}", True),
        (f'<div id="root"></div>{ASKS}', False),
        (f'<div id="app"><main><p>{PROSE * 2}</main></div>{SCRIPT}{ASKS}', False),
        (f"<p>A short page.</p>{SCRIPT}", False),
        (f'<div id="root"></div><p>{PROSE * 2}{SCRIPT}', False),
    ],
)
def test_page_that_a_script_fills_is_told_from_a_short_one(html: str, needs: bool) -> None:
    assert read_web_page(html).needs_script is needs
