"""Finds the passage of a text that is nearest to a query in meaning."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from weft.local.embedding.encoder import Encoder
from weft.local.store.search import Excerpt

PASSAGE_CHARS: Final = 400
_GAP: Final = " … "
# Where a passage may end, the best first: after a paragraph, a line, a sentence, a word.
_ENDS: Final = tuple(re.compile(end) for end in (r"\n\s*\n", r"\n", r"[.!?。！？]\s*", r"\s"))


def find_passages(encoder: Encoder, query: str, texts: Sequence[str]) -> list[Excerpt]:
    """Return the nearest passage of each text; this blocks and computes."""
    wanted = encoder.encode_query(query)
    found: list[Excerpt] = []
    for text in texts:
        passages = list(_split(text))
        vectors = encoder.encode([text[begin:end] for begin, end in passages])
        best = int((vectors @ wanted).argmax()) if passages else 0
        found.append(_cut(text, *passages[best]) if passages else Excerpt("", 0))
    return found


def _split(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each passage begins and ends, in order and without gaps."""
    begin = 0
    while begin < len(text):
        end = min(len(text), begin + PASSAGE_CHARS)
        if end < len(text):
            half = text[begin + PASSAGE_CHARS // 2 : end]
            breaks = ([*pattern.finditer(half)] for pattern in _ENDS)
            last = next((found[-1] for found in breaks if found), None)
            end = begin + PASSAGE_CHARS // 2 + last.end() if last else end
        yield begin, end
        begin = end


def _cut(text: str, begin: int, end: int) -> Excerpt:
    head, tail = _GAP if begin else "", _GAP if end < len(text) else ""
    passage = text[begin:end].rstrip()
    shown = passage.lstrip()
    return Excerpt(head + shown + tail, begin + len(passage) - len(shown))
