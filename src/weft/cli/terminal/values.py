"""Converts typed text into configuration and credentials, by the fields of the source."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from pydantic import JsonValue

from weft.domain.base import Json
from weft.domain.sources import FieldInfo, SourceInfo
from weft.domain.text.names import suggest
from weft.errors import InvalidInput

CREDENTIALS_MAX_CHARS = 1 << 20
Ask = Callable[[FieldInfo], str]

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def parse_config(
    source: SourceInfo,
    pairs: Sequence[str],
    text: str | None = None,
    unset: Sequence[str] = (),
) -> Json:
    """Parse ``key=value`` pairs over a JSON object; ``unset`` keys become null.

    Raises InvalidInput naming the key, never the value.
    """
    known = {field.name: field for field in source.config_fields}
    config: Json = {} if text is None else parse_object(text, "config")
    given: dict[str, list[str]] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise InvalidInput(
                "--config takes key=value.",
                field="config",
                hint=f"Fields of '{source.short_name}': {', '.join(known) or 'none'}.",
            )
        given.setdefault(key.strip(), []).append(value)
    for key in (*given, *unset):
        _check_key(key, known, source.short_name)
    config.update({key: _convert(known[key], values) for key, values in given.items()})
    config.update(dict.fromkeys(unset))
    return config


def parse_object(text: str, name: str) -> Json:
    """Parse a JSON object. Raises InvalidInput that does not repeat the text: it may be secret."""
    try:
        value: object = json.loads(text)
    except ValueError:
        raise InvalidInput(f"{name} is not valid JSON.", field=name) from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{name} must be a JSON object.", field=name)
    return cast("Json", value)


def ask_credentials(fields: Iterable[FieldInfo], ask: Ask) -> Json:
    """Ask for each field in turn, and leave out optional ones without an answer."""
    credentials: Json = {}
    for field in fields:
        answer = ask(field)
        if answer:
            credentials[field.name] = _convert(field, [answer])
    return credentials


def _check_key(key: str, known: dict[str, FieldInfo], short_name: str) -> None:
    if key not in known:
        near = suggest(key, known)
        listed = f"Fields of '{short_name}': {', '.join(known) or 'none'}."
        hint = f"Did you mean {near}? {listed}" if near else listed
        raise InvalidInput(f"'{key}' is not a configuration field.", field="config", hint=hint)
    if known[key].secret:
        raise InvalidInput(
            f"config.{key} is secret and is not taken from the command line.",
            field=f"config.{key}",
            hint="Other users of this machine can read command lines.",
        )


def _convert(field: FieldInfo, values: Sequence[str]) -> JsonValue:
    if field.type == "array":
        return [item for value in values for item in _items(field, value)]
    if len(values) > 1:
        raise _wrong(field, "was given more than once")
    value = values[0]
    match field.type:
        case "integer":
            return _number(field, value, int, "a whole number")
        case "number":
            return _number(field, value, float, "a number")
        case "boolean":
            return _boolean(field, value)
        case "object":
            return parse_object(value, f"config.{field.name}")
        case _:
            return value


def _items(field: FieldInfo, value: str) -> list[JsonValue]:
    if not value.lstrip().startswith("["):
        return [item.strip() for item in _split_at_commas(value) if item.strip()]
    try:
        items: object = json.loads(value)
    except ValueError:
        raise _wrong(field, "must be a JSON array or values separated by commas") from None
    return cast("list[JsonValue]", items)


def _split_at_commas(value: str) -> list[str]:
    """Split a list, but not within braces: a pattern such as `*.{md,txt}` is one value."""
    items, depth = [""], 0
    for character in value:
        depth = max(0, depth + (character == "{") - (character == "}"))
        if character == "," and not depth:
            items.append("")
        else:
            items[-1] += character
    return items if not depth else value.split(",")


def _number(
    field: FieldInfo, value: str, convert: Callable[[str], int | float], kind: str
) -> int | float:
    try:
        return convert(value)
    except ValueError:
        raise _wrong(field, f"must be {kind}") from None


def _boolean(field: FieldInfo, value: str) -> bool:
    word = value.strip().lower()
    if word not in _TRUE | _FALSE:
        raise _wrong(field, "must be true or false")
    return word in _TRUE


def _wrong(field: FieldInfo, what: str) -> InvalidInput:
    return InvalidInput(
        f"config.{field.name} {what}.", field=f"config.{field.name}", hint=field.description or None
    )
