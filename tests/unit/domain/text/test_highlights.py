"""What is highlighted in titles and passages."""

import re
from importlib.resources import files

import pytest

from weft.domain.text.highlights import find_highlights
from weft.domain.text.little_words import LITTLE_WORDS

CASES: list[tuple[str, str, list[str]]] = [
    ("moving house", "Houses moved; a house.", ["Houses", "house"]),
    ("connect", "connecting connects reconnect connectivity", ["connecting", "connects"]),
    ("connections", "one connection", ["connection"]),
    ("cafe Muller", "Café MÜLLER", ["Café", "MÜLLER"]),
    ("Straße", "STRASSE strasse", ["STRASSE", "strasse"]),
    ("mueller", "Müller", ["Müller"]),
    ("connection pool", "HTTPConnectionPoolManager", ["ConnectionPool"]),
    ("user", "user_id userProfile", ["user", "user"]),
    ("東京の天気", "明日の東京は天気がいい", ["東京", "天気"]),
    ("語", "日本語", ["語"]),
    ("a of fox", "A fox of", ["fox"]),
    ("how does this fox", "How this fox does it", ["fox"]),
    ("what is this", "What is that? This.", ["What", "is", "This"]),
    ("go", "Go goes ego", ["Go", "goes"]),
    ("prof*", "userProfessional professor", ["Professional", "professor"]),
    ("ration motion", "opération émotion", []),
    ("x", "", []),
    ("?!", "what?!", []),
    ("data*", "Datenbank database DATA", ["database", "DATA"]),
]


@pytest.mark.parametrize(("query", "text", "words"), CASES)
def test_words_of_a_query_are_found_in_their_forms(query: str, text: str, words: list[str]) -> None:
    assert [text[begin:end] for begin, end in find_highlights(text, query)] == words


def test_highlights_are_found_in_time() -> None:
    text = "word 東京 HTTPPool " * 60
    assert len(find_highlights(text, "word " * 200 + "東京" * 100)) > 100


def test_dashboard_knows_the_same_little_words() -> None:
    source = (files("weft.server.apps") / "highlights.js").read_text("utf-8")
    lines = re.search(r"LITTLE = new Set\(\((.*?)\)\.split", source, re.DOTALL)
    assert lines is not None
    listed = "".join(re.findall(r'"(.*?)"', lines[1])).split(" ")
    assert set(listed) == {word for word in LITTLE_WORDS if len(word) > 2}
