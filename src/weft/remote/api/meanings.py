"""Makers of our errors for refusals of the API whose meaning is known; see `phrases`."""

import re
from collections.abc import Callable
from typing import Final

from weft.domain.connections import AuthMethod
from weft.errors import (
    AuthenticationFailed,
    Conflict,
    NotFound,
    Unsupported,
    WeftError,
)

Make = Callable[[re.Match[str]], WeftError]


class AlreadyLive(Conflict):
    """A sync is running already. Its job has to be looked up."""


class NoSync(NotFound):
    """The connection has nothing to run: Airweave created it with no schedule and no first sync."""


def credentials_error(_match: re.Match[str] | None = None) -> WeftError:
    return AuthenticationFailed(
        "The credentials or the configuration did not pass the check at the source.",
        hint="Nothing was stored. Correct auth or config; get_source lists the fields.",
    )


def method_error(match: re.Match[str]) -> WeftError:
    known = [name for name in re.findall(r"\w+", match["methods"]) if name in _METHODS]
    offered = ", ".join(dict.fromkeys(known)) or "another one"
    return Unsupported(
        f"The source does not support this authentication method; it offers: {offered}.",
        field="auth",
        hint="Give auth in one of these forms; get_source lists the fields.",
    )


def error_of(kind: Callable[..., WeftError], text: str, **facts: str | None) -> Make:
    return lambda _match: kind(text, **facts)


def named_error(kind: Callable[..., WeftError], text: str, **facts: str | None) -> Make:
    """Return a maker of errors whose text has named parts of the API's in it."""

    def make(match: re.Match[str]) -> WeftError:
        parts = {name: (part or "").replace("'", "") for name, part in match.groupdict().items()}
        return kind(text.format(**parts), **facts)

    return make


def not_found_of(field: str) -> Make:
    text = f"No {NOUNS[field]} has that id or name."
    return error_of(NotFound, text, field=field, hint=LISTS.get(field))


NAME: Final = r"[a-z][a-z0-9_-]{0,39}"
_METHODS: Final = frozenset(method.value for method in AuthMethod)
NOUNS: Final = {
    "connection_id": "connection",
    "readable_collection_id": "collection",
    "short_name": "source",
    "job_id": "job",
    "auth.auth_provider.provider_readable_id": "auth provider",
}
LISTS: Final = {
    "connection_id": "list_connections shows what there is.",
    "readable_collection_id": "list_collections shows what there is; create_collection makes one.",
    "short_name": "list_sources shows what there is.",
    "job_id": "list_jobs shows what there is.",
    "auth.auth_provider.provider_readable_id": "get_source lists those that can serve a source.",
}
