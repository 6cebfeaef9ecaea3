"""Folding: only nearly equal texts are one hit."""

import pytest

from weft.local.search.folding import fold
from weft.local.store.search import HEAD_MAX_CHARS, Excerpt, ShownEntity

LICENCE = " ".join(f"word{n}" for n in range(1_500))


def entity(no: int, text: str, title: str | None = None) -> ShownEntity:
    return ShownEntity(
        no=no,
        source_id=f"file-{no}",
        connection_id="connection",
        connection_name="Connection",
        type="note",
        title=title or f"file-{no}",
        url=None,
        updated_at=None,
        excerpt=Excerpt("", 0),
        head=text[:HEAD_MAX_CHARS],
        chars=len(text),
        has_none=True,
        has_all=False,
    )


def groups(*texts: str) -> list[list[int]]:
    found = fold([entity(no, text) for no, text in enumerate(texts)])
    return [[each.no for each in group] for group in found]


def test_first_of_nearly_equal_texts_stands_for_all() -> None:
    text = " ".join(f"step{n} does this" for n in range(80))
    assert groups(text, "something else", f"{text} again", text.upper()) == [[0, 2, 3], [1]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("database ✅ cache ✅", "database ❌ cache ❌"),
        ("a == b and c >= 10 " * 30, "a != b and c <= 10 " * 30),
        ("#Host one\n" * 30 + LICENCE[:200], "Host one\n" * 30 + LICENCE[:200]),
        ("version 1.2.3 is out", "version 1.2.4 is out"),
        ("", ""),
        ("yes", "no"),
        (LICENCE + " def one(): ..." * 200, LICENCE + " class Other: ..." * 20),
    ],
)
def test_texts_that_differ_are_hits_of_their_own(one: str, other: str) -> None:
    assert groups(one, other) == [[0], [1]]


def test_texts_of_other_titles_are_folded_only_if_these_are_names_of_files() -> None:
    text = " ".join(f"step{n} does this" for n in range(80))
    named = [entity(1, text), entity(2, text)]
    titled = [entity(3, text, "Login is broken"), entity(4, text, "Payment is refused")]
    same = [entity(5, text, "Login is broken")]
    found = fold([*named, *titled, *same])
    assert [[each.no for each in group] for group in found] == [[1, 2], [3, 5], [4]]
