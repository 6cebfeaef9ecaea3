"""English words that are in nearly every text, so that finding them says little."""

from typing import Final

_WORDS: Final = """
a an and are as at be but by can do does for from had has have he her his how i if in into
is it its me my no not of on or our she so than that the their them then there these they
this to us was we were what when where which who why will with would you your
"""
LITTLE_WORDS: Final = frozenset(_WORDS.split())


def is_little(word: str) -> bool:
    """Tell whether a word is "the" or its like."""
    return word.lower() in LITTLE_WORDS
