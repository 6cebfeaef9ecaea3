"""Text without case and accents, for comparing what people write with what is stored."""

import unicodedata


def fold_text(text: str) -> str:
    """Return the text without case and accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if not unicodedata.combining(char))
