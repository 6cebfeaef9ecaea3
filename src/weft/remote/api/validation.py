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
        yield from _places_in_text(detail[:_TEXT_MAX])


def _places_in_text(text: str) -> Iterator[tuple[list[str], str]]:
    for opening, problem in _LISTS_IN_TEXT:
        if begun := opening.match(text):
            for match in problem.finditer(text, begun.end()):
                yield [begun["group"], match["name"]], match["text"]
    if template := _TEMPLATE_FIELDS.match(text):
        for name in template["names"].split(", "):
            yield ["config fields", name], "Field required"


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
    text = text.removeprefix("Value error, ").removeprefix("config.").strip()
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
    "provider config": "auth.auth_provider.provider_config",
}
_HALF_CLIENT: Final = re.compile(
    r"(Value error, )?OAuth[12] BYOC requires both \w{1,20} and \w{1,20} or neither"
)
_TEXT_MAX: Final = 2000
# How a list of problems opens, and each problem in it; one of several fields has no name.
_LISTS_IN_TEXT: Final = (
    (
        re.compile(r"Invalid (?P<group>(config|auth) fields): "),
        re.compile(r"(?P<name>\?|[a-z][a-z0-9_.]{0,79}): (?P<text>[^\n;]{1,200})(; |$)"),
    ),
    (
        re.compile(
            r"Invalid auth (?P<group>provider config): Invalid configuration for \w{1,40}:\n"
        ),
        re.compile(r"Field '(?P<name>[a-z0-9_]{0,40})': (?P<text>[^\n]{1,200})(\n|$)"),
    ),
)
_TEMPLATE_FIELDS: Final = re.compile(
    r"Template config fields missing or empty: "
    r"(?P<names>[a-z][a-z0-9_]{0,39}(, [a-z][a-z0-9_]{0,39})*)\."
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
    r"|[A-Za-z_]{2,20}( [A-Za-z]{2,12}){0,2} is required( \(use '\*' for all tables\))?\.?"
    r"|(Limit|Skip|Weight) must be (a valid integer|non-negative)"
    r"|Port must be between 1 and 65535|Host must start with http:// or https://"
    r"|Host should not include protocol \(e\.g\., use 'localhost' not 'postgresql://localhost'\)"
    r"|Repository must be in 'owner/repo' format \(e\.g\., 'airweave-ai/airweave'\)"
    r"|Please enter your actual API (key|token), not a placeholder value"
    r"|Stripe API key must start with 'sk_test_' or 'sk_live_'"
    r"|Either 'url' or 'subdomain' must be provided|Token has already expired"
    r"|access_token cannot be empty or whitespace only"
    r"|Cannot provide both OAuth2 \(client_id/client_secret\) and OAuth1 "
    r"\(consumer_key/consumer_secret\) credentials"
)
