"""Reads the problems that a 422 names, in our own words: its texts may quote the input."""

import re
from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue


def read_problems(body: JsonValue) -> list[tuple[str, str]]:
    """Return the problems in order, each as the name of a field of ours and a vetted text."""
    places = list(_places(body))
    for _, text in places:
        if _HALF_CLIENT.fullmatch(text):
            # The problem of the form that was meant; those of the other forms come before it.
            return [("auth.oauth_browser", _vet(text))]
    found = [(_field_path(place), _vet(text)) for place, text in places]
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
        match = _FIELDS_IN_TEXT.match(detail) or _PROVIDER_FIELD_IN_TEXT.match(detail)
        if match:
            yield [f"{match['group']} fields", match["name"]], match["text"]


def _field_path(place: list[str]) -> str:
    names = [part for part in place if part not in ("body", "query", "path")]
    kept: list[str] = [_GROUPS[name] for name in names[:1] if name in _GROUPS]
    for name in names[len(kept) :]:
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
_GROUPS: Final = {
    "config fields": "config",
    "auth fields": "auth.direct.credentials",
    "provider fields": "auth.auth_provider.provider_config",
}
_HALF_CLIENT: Final = re.compile(
    r"(Value error, )?OAuth[12] BYOC requires both \w{1,20} and \w{1,20} or neither"
)
_PROVIDER_FIELD_IN_TEXT: Final = re.compile(
    r"Invalid auth (?P<group>provider) config: Invalid configuration for \w{1,40}:\n"
    r"Field '(?P<name>[a-z][a-z0-9_]{0,39})': (?P<text>[^\n]{1,200})"
)
_FIELDS_IN_TEXT: Final = re.compile(
    r"Invalid (?P<group>config|auth) fields: (?P<name>[a-z][a-z0-9_]{0,39}): (?P<text>[^\n]{1,200})"
)
_SAFE_TEXT: Final = re.compile(
    r"Field required"
    r"|String should have at (least|most) \d{1,6} characters?"
    r"|String should match pattern '\^\[a-z0-9\]\+\(-\[a-z0-9\]\+\)\*\$'"
    r"|String should match pattern '[\w^$\[\]+*?.()/{}|\\-]{1,100}'"
    r"|Input should be (a valid (string|integer|number|boolean|list|dictionary|datetime|UUID)"
    r"(, unable to (parse string as an? (integer|number)|interpret input))?"
    r"|'[a-z_]{1,30}'(, '[a-z_]{1,30}'){0,9} or '[a-z_]{1,30}'"
    r"|(greater|less) than( or equal to)? -?\d{1,9}(\.\d{1,6})?)"
    r"|Extra inputs are not permitted|(Has|config has) an unknown field\.?"
    r"|OAuth[12] BYOC requires both \w{1,20} and \w{1,20} or neither|Query cannot be empty"
    r"|Invalid token format\. Expected format: (\w{1,20}_\.\.\.|\d{1,3}-character hex)"
    r"( or (\w{1,20}_\.\.\.|\d{1,3}-character hex)){0,9}"
    r"|Credentials cannot be empty|At least one field must be provided for update\.?"
    r"|Invalid cron schedule format|Direct auth can only be updated with authentication"
    r"|Only direct credentials can be updated\..*"
)
