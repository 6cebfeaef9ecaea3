"""What models want before a text, found by their names."""

import pytest

from weft.local.embedding.prefixes import Prefixes, find_prefixes


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("intfloat/multilingual-e5-small", Prefixes("query: ", "passage: ")),
        ("multilingual_e5_large.Q8_0.gguf", Prefixes("query: ", "passage: ")),
        ("nomic-embed-text:latest", Prefixes("search_query: ", "search_document: ")),
        (
            "text-embedding-nomic-embed-text-v1.5",
            Prefixes("search_query: ", "search_document: "),
        ),
        ("snowflake-arctic-embed2", Prefixes("query: ")),
        ("text-embedding-3-small", Prefixes()),
        ("bge-m3", Prefixes()),
    ],
)
def test_known_model_has_its_prefixes_under_each_of_its_names(model: str, wanted: Prefixes) -> None:
    assert find_prefixes(model) == wanted


def test_settings_win_even_if_they_are_empty() -> None:
    assert find_prefixes("e5-small", query="", passage="p: ") == Prefixes("", "p: ")
    assert find_prefixes("own", query="q: ") == Prefixes("q: ")
