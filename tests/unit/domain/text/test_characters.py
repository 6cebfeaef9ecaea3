"""One set of hidden characters, which every front and every document reader takes out."""

import sys
import unicodedata
from collections.abc import Callable

import pytest

from weft.cli.terminal.text import plain
from weft.document.text import clean_text
from weft.domain.text.characters import HIDDEN, HIDDEN_OR_BREAK, clean_line
from weft.server.render.untrusted import clean, one_line
from weft.web.pages.html import visible_line

ALL = "".join(map(chr, range(sys.maxunicode + 1)))
HIDDEN_CHARS = frozenset("".join(HIDDEN.findall(ALL)))
BREAKS = frozenset("\t\n")
# Formats by category which everyone sees: Arabic, Syriac and Kaithi number signs.
SEEN_FORMATS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)


def test_controls_surrogates_separators_and_formats_are_hidden() -> None:
    unsafe = {c for c in ALL if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert unsafe - BREAKS - SEEN_FORMATS <= HIDDEN_CHARS
    assert not HIDDEN_CHARS & (SEEN_FORMATS | BREAKS)
    assert set("".join(HIDDEN_OR_BREAK.findall(ALL))) == HIDDEN_CHARS | BREAKS


@pytest.mark.parametrize("char", "\u034f\u115f\u180b\u3164\ufe0f\uffa0\U000e0041")
def test_letters_and_marks_that_show_nothing_are_hidden(char: str) -> None:
    assert char in HIDDEN_CHARS


@pytest.mark.parametrize("char", "a \xa0é你👩\u0301\ufffc\ufffd")
def test_what_people_see_is_not_hidden(char: str) -> None:
    assert char not in HIDDEN_CHARS


@pytest.mark.parametrize("reader", [clean, clean_text, clean_line, one_line, plain, visible_line])
def test_all_take_out_the_same_characters(reader: Callable[[str], str]) -> None:
    left = {c for start in range(0, len(ALL), 64) for c in reader(f"a{ALL[start : start + 64]}b")}
    taken = set(ALL) - left
    assert taken - set(filter(str.isspace, ALL)) == {c for c in HIDDEN_CHARS if not c.isspace()}
