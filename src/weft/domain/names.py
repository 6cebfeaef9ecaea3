"""Names: checks of their length, and suggestions for misspelt ones."""

from collections.abc import Iterable

from weft.errors import InvalidInput


def validate_name_length(name: str, min_chars: int, max_chars: int) -> str:
    """Return the name without space around it. Raises InvalidInput for a wrong length."""
    text = name.strip()
    if not min_chars <= len(text) <= max_chars:
        raise InvalidInput(f"name must have {min_chars} to {max_chars} characters.", field="name")
    return text


def suggest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that ``name`` most likely misspells, if one is near enough."""
    import difflib  # costs start-up time, and only errors need it

    return next(iter(difflib.get_close_matches(name, list(known), 1, cutoff)), None)
