"""Reads which fields a GraphQL query selects, and picks them from a record."""

import re
from collections.abc import Iterator
from typing import Any, cast

Selection = dict[str, Any]
"""The selected fields by name, each with those below it."""

_TOKENS = re.compile(r"[{}()]|[^\s{}(),]+")


def read_selection(query: str) -> Selection:
    """Return what a query selects; its variables and arguments are passed over."""
    tokens = iter(_TOKENS.findall(query))
    token = next(tokens)
    while token != "{":
        if token == "(":
            _skip_arguments(tokens)
        token = next(tokens)
    return _read_fields(tokens)


def _read_fields(tokens: Iterator[str]) -> Selection:
    found: Selection = {}
    last = ""
    for token in tokens:
        if token == "}":
            return found
        if token == "(":
            _skip_arguments(tokens)
        elif token == "{":
            found[last] = _read_fields(tokens)
        else:
            last = token
            found[last] = {}
    raise AssertionError("the query ends too early")


def _skip_arguments(tokens: Iterator[str]) -> None:
    for token in tokens:
        if token == ")":
            return
        if token == "(":
            _skip_arguments(tokens)


def pick(value: Any, selection: Selection) -> Any:
    """Return the selected fields of an object, or of each in a list; those it lacks are null."""
    if isinstance(value, list):
        return [pick(each, selection) for each in cast("list[Any]", value)]
    if not selection or value is None:
        return value
    fields = cast("dict[str, Any]", value)
    return {name: pick(fields.get(name), below) for name, below in selection.items()}
