"""Validates configuration and credentials against a source's own models.

Messages name the field and what is expected, never the value: it may be a secret.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from weft.domain.text.names import suggest
from weft.errors import InvalidInput

_HINTS = {
    "list_type": 'Give a list, also for one value: ["…"].',
    "int_parsing": "Give a whole number without a unit, such as 1048576.",
    "bool_parsing": "Give true or false.",
}
_PLAIN_NAME = re.compile(r"[a-z][a-z_]{0,29}")


def validate(
    model: type[BaseModel], data: Mapping[str, Any], *, field: str, secret: bool = False
) -> BaseModel:
    """Build a ``model``. Raises InvalidInput naming ``field`` and the inner field.

    With ``secret``, unknown names are not repeated either: a name may be the secret.
    """
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        # A misspelt field is reported as missing too; report the misspelling.
        problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
        raise _problem(model, problems[0], field, secret=secret) from None


def _problem(
    model: type[BaseModel], problem: Mapping[str, Any], field: str, *, secret: bool
) -> InvalidInput:
    known = list(model.model_fields)
    names = [str(part) for part in problem["loc"] if isinstance(part, str)]
    if problem["type"] == "extra_forbidden":
        # Text that does not look like a name may be a misplaced secret, so it is not repeated.
        plain = not secret and _PLAIN_NAME.fullmatch(names[0])
        named = f"no field '{names[0]}'" if plain else "an unknown field"
        near = suggest(names[0], known, cutoff=0.5)
        hint = f"Did you mean '{near}'? " if near else ""
        listing = f"Known: {', '.join(known)}." if known else _leave_out(field)
        return InvalidInput(f"{field} has {named}.", field=field, hint=hint + listing)
    path = ".".join((field, *(name for name in names[:1] if name in known)))
    if problem["type"] == "missing":
        return InvalidInput(
            f"{path} is required.", field=path, hint="get_source lists all fields of a source."
        )
    hint = _HINTS.get(problem["type"])
    return InvalidInput(f"{path}: {_sentence(problem['msg'])}", field=path, hint=hint)


def _leave_out(field: str) -> str:
    return f"The source takes none: leave {field.partition('.')[0]} out."


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."
