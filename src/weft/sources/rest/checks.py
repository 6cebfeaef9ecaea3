"""Finds the mistakes in a table that a person wrote, before the service is asked anything."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any, Final, cast

from weft.sources.rest.paging import Asked
from weft.sources.rest.streams import PARENT
from weft.sources.rest.table import (
    Auth,
    Basic,
    Bearer,
    Header,
    Keyset,
    NextUrl,
    NoAuth,
    Pages,
    Paging,
    Request,
    Search,
    SignedOAuth1,
    Single,
    Stream,
    Token,
)

_NAME: Final = re.compile(r"\{([^{}]*)\}")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUES: Final = (
    *("title", "text", "url", "updated", "created", "author", "breadcrumbs", "viewers", "key"),
    *("only_if", "deleted", "wanted", "version", "among", "cut", "file_name"),
)
_SECRET: Final = re.compile(
    r"(?i)authorization|cookie|passw|secret|(?:api|access|auth|private)[-_]?(?:key|token)"
)
_HIDDEN: Final = "a definition is stored as it is, so a secret belongs into the credentials"
_KEYS: Final = ("key", "key0", "key1", "key2")


def check_row(number: int, row: Stream, streams: tuple[Stream, ...]) -> None:
    """Raise ValueError that names the field for a row that could never work."""
    for field, message in _find_mistakes(row, streams):
        raise ValueError(f"streams.{number}.{field}: {message}")


def check_request(request: Request) -> None:
    """Raise ValueError that names the field for a check that could never work."""
    for field, message in _check_place(request, ()):
        raise ValueError(f"check.{field}: {message}")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise ValueError for headers that cannot be sent."""
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            raise ValueError("headers: a header's name holds letters, digits and hyphens only")
        if _SECRET.search(name):
            raise ValueError(f"headers.{name}: {_HIDDEN}: see auth")
        if not (value.isascii() and value.isprintable()):
            raise ValueError(f"headers.{name}: it may hold printable ASCII characters only")


def check_auth(auth: Auth, names: Collection[str]) -> None:
    """Raise ValueError for credentials of other ``names``, and for a header that cannot be."""
    for name in names_of(auth):
        if name not in names:
            raise ValueError(f"auth: there is no credential '{name}', only {_list(names)}")
    if isinstance(auth, Header) and not _HEADER.fullmatch(auth.name):
        raise ValueError("auth.name: a header's name holds letters, digits and hyphens only")


def names_of(auth: Auth) -> list[str]:
    """Return the names of the credentials that requests are authenticated with."""
    match auth:
        case Bearer():
            return [auth.field]
        case Basic():
            return _NAME.findall(f"{auth.user}{auth.password}")
        case Header():
            return _NAME.findall(auth.value)
        case SignedOAuth1():
            return [auth.consumer_key, auth.consumer_secret, auth.token, auth.token_secret]
        case NoAuth():
            return []


def _find_mistakes(row: Stream, streams: tuple[Stream, ...]) -> Iterator[tuple[str, str]]:
    names = (PARENT,) if row.parent else ()
    yield from _check_place(row, names)
    yield from _check_item(row)
    yield from _check_since(row, names)
    for field in _VALUES:
        given = getattr(row, field)
        for value in cast("tuple[object, ...]", given) if isinstance(given, tuple) else (given,):
            yield from ((field, each) for each in _check_value(value, row))
    for name, value in row.metadata.items():
        yield from ((f"metadata.{name}", each) for each in _check_value(value, row))
    if row.key in ((), "", "."):
        yield "key", "it must name a field"
    others = {other.name: other for other in streams}
    if row.deletes and (row.deletes == row.name or others[row.deletes].deletes):
        yield "deletes", f"'{row.deletes}' holds no records of its own"
    if row.unstored and row.name not in {other.parent for other in streams}:
        yield "unstored", "no stream has it as its parent, so nothing would be read"


def _check_item(row: Stream) -> Iterator[tuple[str, str]]:
    if row.item is not None:
        yield from (("item", each) for each in _check_path(row.item, _KEYS))
        if not any(name in _KEYS for name in _NAME.findall(row.item)):
            yield "item", "it must hold {key}"


def _check_since(row: Stream, names: Collection[str]) -> Iterator[tuple[str, str]]:
    how = row.since
    if how is None:
        return
    if _NAME.findall(how.template) != ["since"]:
        yield "since.template", "it must hold {since}, and no other name"
    yield from (("since.extra", each) for each in _check_names(how.extra, names))
    if how.search is not None:
        yield from (
            (f"since.search.{name}", each) for name, each in _check_place(how.search, names)
        )
    place = how.search or row
    if how.param and _cannot_put(place, how.param):
        yield "since.param", f"the body has no place for '{how.param}'"


def _check_place(
    row: Request | Search | Stream, names: Collection[str]
) -> Iterator[tuple[str, str]]:
    yield from (("path", each) for each in _check_path(row.path, names))
    yield from (("params", each) for each in _check_names(row.params, names))
    yield from (("body", each) for each in _check_names(row.body, names))
    for field, given in (("params", row.params), ("body", row.body or {})):
        yield from ((f"{field}.{name}", _HIDDEN) for name in given if _SECRET.search(name))
        try:
            json.dumps(given, allow_nan=False).encode()
        except (TypeError, ValueError):
            yield field, "it holds what JSON does not have"
    if any(isinstance(value, dict) for value in row.params.values()):
        yield "params", "an object cannot be in an address; write name[part]"
    if row.body is not None and row.method != "POST" and row.query is None:
        yield "body", "only a POST has one; add method: POST"
    if not isinstance(row, Request):
        yield from _check_paging(row, row.paging)


def _check_paging(row: Search | Stream, paging: Paging) -> Iterator[tuple[str, str]]:
    if isinstance(paging, Pages) and sum(map(bool, (paging.total, paging.pages, paging.more))) > 1:
        yield "paging", "only one of total, pages and more can say where the end is"
    if isinstance(paging, Token | NextUrl) and paging.more and paging.last:
        yield "paging", "only one of more and last can say where the end is"
    if isinstance(paging, Single):
        return
    sent = [paging.size_param]
    if isinstance(paging, Pages | Token | Keyset):
        sent.append(paging.param)
    for name in sent:
        if name is not None and _cannot_put(row, name):
            yield "paging", f"the body has no place for '{name}'"


def _cannot_put(row: Search | Stream, name: str) -> bool:
    if row.method != "POST" and row.query is None:
        return False
    try:
        Asked("", "", body=deepcopy(row.body or {})).put(name, 0)
    except (AttributeError, LookupError, TypeError):
        return True
    return False


def _check_path(path: str, names: Collection[str]) -> Iterator[str]:
    if not path.startswith("/") or path.startswith("//"):
        yield "it must begin with one /, as it is added to base_url"
    if "?" in path or "#" in path:
        yield "put the query into params"
    if "{" in _NAME.sub("", path) or "}" in _NAME.sub("", path):
        yield "a brace is not closed, or not opened"
    yield from _check_names(path, names)


def _check_names(template: Any, names: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the names in a template, or in all of a list or object."""
    if isinstance(template, dict):
        for part in cast("dict[str, Any]", template).values():
            yield from _check_names(part, names)
    elif isinstance(template, list):
        for part in cast("list[Any]", template):
            yield from _check_names(part, names)
    elif isinstance(template, str):
        for name in _NAME.findall(template):
            if name.partition(".")[0] not in names:
                allowed = f"only {_list(names)} can be named" if names else "nothing can be named"
                yield f"there is no value for {{{name}}}: {allowed} here"


def _check_value(value: object, row: Stream) -> Iterator[str]:
    if not isinstance(value, str) or value in ("", "."):
        return
    for path in _NAME.findall(value) if "{" in value else [value]:
        parts = path.split(".")
        if not all(part.removesuffix("[]") for part in parts):
            yield f"'{path}' is no path of names and dots"
        elif parts[0] == PARENT and not row.parent:
            yield f"'{path}' needs a stream with a parent"


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
