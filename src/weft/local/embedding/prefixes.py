"""The words that models want before a text, to tell queries from what is searched.

A model that is asked without them still answers, only worse.
"""

from typing import Final, NamedTuple


class Prefixes(NamedTuple):
    """What goes before a query, and before a passage."""

    query: str = ""
    passage: str = ""


_E5: Final = Prefixes("query: ", "passage: ")
_FOR_SEARCH: Final = Prefixes("Represent this sentence for searching relevant passages: ")

# By a part of the model's name, as its publisher and those who repackage it write it. The first
# that fits counts; names of models that follow instructions of another form are not here.
_KNOWN: Final = (
    ("e5-mistral", Prefixes()),
    ("e5-small", _E5),
    ("e5-base", _E5),
    ("e5-large", _E5),
    ("nomic-embed-text", Prefixes("search_query: ", "search_document: ")),
    ("embeddinggemma", Prefixes("task: search result | query: ", "title: none | text: ")),
    ("mxbai-embed", _FOR_SEARCH),
    ("arctic-embed2", Prefixes("query: ")),
    ("arctic-embed-l-v2", Prefixes("query: ")),
    ("arctic-embed-m-v2", Prefixes("query: ")),
    ("arctic-embed", _FOR_SEARCH),
    ("bge-small-en", _FOR_SEARCH),
    ("bge-base-en", _FOR_SEARCH),
    ("bge-large-en", _FOR_SEARCH),
    (
        "qwen3-embedding",
        Prefixes(
            "Instruct: Given a web search query, retrieve relevant passages that answer the query"
            "\nQuery:"
        ),
    ),
)


def find_prefixes(model: str, query: str | None = None, passage: str | None = None) -> Prefixes:
    """Return what a model of this name wants; ``query`` and ``passage`` are used if given."""
    name = model.lower().replace("_", "-")
    known = next((found for part, found in _KNOWN if part in name), Prefixes())
    return Prefixes(
        known.query if query is None else query, known.passage if passage is None else passage
    )
