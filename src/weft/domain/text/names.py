"""Names: checks of their length, and suggestions for misspelt ones."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from weft.errors import Ambiguous, InvalidInput, NotFound

T = TypeVar("T")

SHORT_NAME_HINT: Final = (
    "Names are as long as Airweave's: write out an abbreviation, or add a word, as in 'HR files'."
)
_LISTED_MAX = 5


def validate_name_length(name: str, min_chars: int, max_chars: int) -> str:
    """Return the name without space around it. Raises InvalidInput for a wrong length."""
    text = name.strip()
    if not min_chars <= len(text) <= max_chars:
        raise InvalidInput(
            f"name must have {min_chars} to {max_chars} characters.",
            field="name",
            hint=SHORT_NAME_HINT if len(text) < min_chars else None,
        )
    return text


def pick_one(
    found: Sequence[T],
    noun: str,
    field: str,
    label: Callable[[T], str],
    hint: str | None = None,
    *,
    near: str | None = None,
) -> T:
    """Return the one item. Raises NotFound for none, and Ambiguous with their labels for more.

    ``near`` is a name that was perhaps meant.
    """
    if not found:
        hint = hint or f"list_{noun}s shows what there is."
        hint = f"Did you mean '{near}'? {hint}" if near else hint
        named = "id" if noun == "job" else "id or name"
        raise NotFound(f"No {noun} has that {named}.", field=field, hint=hint)
    if len(found) > 1:
        names = ", ".join(label(item) for item in found[:_LISTED_MAX])
        raise Ambiguous(
            f"Several {noun}s fit {field}: {names}.", field=field, hint="Use the full id of one."
        )
    return found[0]


def suggest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` most likely misspells, in whatever case."""
    by_fold = {each.casefold(): each for each in known}
    near = suggest(name.casefold(), by_fold)
    return by_fold[near] if near else None


def suggest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that ``name`` most likely misspells, if one is near enough."""
    import difflib  # costs start-up time, and only errors need it

    return next(iter(difflib.get_close_matches(name, list(known), 1, cutoff)), None)
