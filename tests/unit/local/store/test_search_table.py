"""The page on search says what is found."""

import re
from pathlib import Path

import pytest

from tests.support.store.bench import Bench, entity
from weft.local.backend.search import parse_terms
from weft.testing.store_contract.support import find

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[4] / "docs" / "search.md"
ROW = re.compile(r"^\| (?!The text has|---)(.+) \| (.+) \| (yes|no) \|$", re.MULTILINE)


async def test_words_are_found_or_not_as_the_page_says(bench: Bench) -> None:
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert len(rows) > 40
    texts = {text: f"e{number}" for number, (text, _, _) in enumerate(rows)}
    await bench.list_all(
        await bench.connection(), *(entity(name, text) for text, name in texts.items())
    )
    wrong: list[str] = []
    for text, query, is_found in rows:
        found = await find(bench.store, *parse_terms(query))
        titles = {each.title: each for each in found}
        if (texts[text] in titles) != (is_found == "yes"):
            wrong.append(f"{query} in {text}: not {is_found}")
        elif texts[text] in titles:
            assert not titles[texts[text]].has_none, (query, text)
    assert "\n".join(wrong) == ""
