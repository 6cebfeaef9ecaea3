"""Errors for settings that are unknown or not valid, with the variable and its place."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from weft.domain.text.names import suggest
from weft.errors import InvalidInput

ENV_PREFIX = "WEFT_"
TOKEN_MIN_CHARS = 16


def refuse_unknown(environ: Mapping[str, str], names: Sequence[str]) -> None:
    """Raise InvalidInput for a variable of Weft that is none of the settings in ``names``."""
    known = [f"{ENV_PREFIX}{name}".upper() for name in names]
    for variable in environ:
        if variable.upper().startswith(ENV_PREFIX) and variable not in known:
            raise _unknown_setting(variable, known)


def invalid_setting(
    error: ValidationError, names: Sequence[str], config: Path, overrides: Mapping[str, Any]
) -> InvalidInput:
    """Return an error for the first fault: the setting, where it was set, and what is wrong."""
    first = error.errors(include_context=False)[0]
    name, *below = (str(part) for part in first["loc"]) if first["loc"] else ("config",)
    if first["type"] == "extra_forbidden" and not below:
        return _unknown_setting(name, names, f"{name} in {config}")
    variable = f"{ENV_PREFIX}{name}".upper()
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "too_short" and name == "token":
        said = f"it must have at least {TOKEN_MIN_CHARS} characters"
    if below and name == "secrets":
        said = f"{'.'.join(below)}: {said}"
    hint = None
    # A person would look for the variable in the environment, and it is not there.
    if first["input"] is not None and name not in overrides and not os.environ.get(variable):
        hint = f"It is `{name}` in {config}."
    return InvalidInput(f"{variable} is not valid: {said}.", field=variable, hint=hint)


def _unknown_setting(name: str, known: Sequence[str], where: str = "") -> InvalidInput:
    spelling = name.upper() if name.upper().startswith(ENV_PREFIX) else name
    near = suggest(spelling, known, cutoff=0.5)
    hint = f"Did you mean {near}?" if near else f"Known: {', '.join(known)}."
    return InvalidInput(f"{where or name} is not a setting of Weft.", field=name, hint=hint)
