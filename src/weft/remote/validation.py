"""Reads the problems that a 422 names, in our own words: its texts may quote the input."""

import re
from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue


def read_problems(body: JsonValue) -> list[tuple[str, str]]:
    """Return the problems in order, each as the name of a field of ours and a vetted text."""
    found = [(_field_path(place), _vet(text)) for place, text in _places(body)]
    # For a union of forms the API reports a problem of each form; the first one is enough.
    return list({field: (field, text) for field, text in reversed(found)}.values())[::-1]


def _places(body: JsonValue) -> Iterator[tuple[list[str], str]]:
    if not isinstance(body, dict):
        return
    errors, detail = body.get("errors"), body.get("detail")
    for item in errors if isinstance(errors, list) else []:
        if isinstance(item, dict):
            yield from ((place.split("."), str(text)) for place, text in item.items())
    for item in detail if isinstance(detail, list) else []:
        if isinstance(item, dict):
            loc = item.get("loc")
            place = [str(part) for part in loc] if isinstance(loc, list) else []
            yield place, str(item.get("msg"))
    if isinstance(detail, str):
        match = _FIELDS_IN_TEXT.match(detail)
        if match:
            yield [match["group"], match["name"]], match["text"]


def _field_path(place: list[str]) -> str:
    names = [part for part in place if part not in ("body", "query", "path")]
    kept: list[str] = []
    for name in names:
        if not _PLAIN_NAME.fullmatch(name):
            break
        kept.append(_OURS.get(name, name))
    if kept and kept[0] == "auth":
        # The rest names the API's forms of authentication, which are not ours.
        kept = kept[:1]
    return ".".join(kept) or "arguments"


def _vet(text: str) -> str:
    text = text.removeprefix("Value error, ").strip()
    return text.rstrip(".") if _SAFE_TEXT.fullmatch(text) else "the API does not accept it"


_PLAIN_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OURS: Final = {
    "authentication": "auth",
    "source_connection_id": "connection_id",
    "cron_schedule": "schedule",
    "config_fields": "config",
}
_FIELDS_IN_TEXT: Final = re.compile(
    r"Invalid (?P<group>config|auth) fields: (?P<name>[a-z][a-z0-9_]{0,39}): (?P<text>[^\n]{1,200})"
)
_SAFE_TEXT: Final = re.compile(
    r"Field required"
    r"|String should have at (least|most) \d{1,6} characters?"
    r"|String should match pattern '\^\[a-z0-9\]\+\(-\[a-z0-9\]\+\)\*\$'"
    r"|Input should be (a valid (string|integer|number|boolean|list|dictionary|datetime|UUID)"
    r"|(greater|less) than( or equal to)? -?\d{1,9}(\.\d{1,6})?)"
    r"|Extra inputs are not permitted|(Has|config has) an unknown field\.?"
    r"|Credentials cannot be empty|At least one field must be provided for update\.?"
    r"|Invalid cron schedule format|Direct auth can only be updated with authentication"
    r"|Only direct credentials can be updated\..*"
)
