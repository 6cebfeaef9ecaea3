"""Names that people give to what they make."""

from weft.errors import InvalidInput


def name_of_length(name: str, min_chars: int, max_chars: int) -> str:
    """The name without space around it. Raises InvalidInput for one too short or too long."""
    text = name.strip()
    if not min_chars <= len(text) <= max_chars:
        raise InvalidInput(f"name must have {min_chars} to {max_chars} characters.", field="name")
    return text
