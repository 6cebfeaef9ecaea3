"""Finds values in records of foreign JSON, and makes clean entity fields of them."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from operator import methodcaller
from typing import Any, Final, cast
from urllib.parse import quote

from pydantic import JsonValue

from weft.document.text import clean_text
from weft.domain.text.characters import clean_line
from weft.errors import SourceUnavailable
from weft.net.dates import parse_http_date, posix_time
from weft.sources.rest.table import Value

Getter = Callable[[Any], object]

LINE_CHARS_MAX: Final = 1_000
ODD: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a service's function raises that believed a record to have its documented form."""
LIST_ITEMS_MAX: Final = 100
_DEPTH_MAX: Final = 4
# Nothing that people write is nested so deeply, and the interpreter gives up at 1,000 calls.
_TEXT_DEPTH_MAX: Final = 100
_NAMED: Final = re.compile(r"\{([^{}]+)\}")
# Milliseconds are larger than any seconds that are meant: these would be in the year 5138.
_SECONDS_MAX: Final = 100_000_000_000
_UNITS: Final = (1, 1_000, 1_000_000, 1_000_000_000)
_FIRST: Final = datetime(MINYEAR + 1, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(MAXYEAR - 1, 12, 31, tzinfo=UTC)


def getter_of(value: Value) -> Getter:
    """Return a function that finds the value in a record; it returns None where there is none."""
    if not isinstance(value, str):
        return value
    if "{" in value:
        return _template(value)
    if value in ("", "."):
        return lambda record: record
    return _path(value.split("."))


def find(answer: object, path: str) -> object:
    """Find what lies at a path, once; see `getter_of`."""
    if isinstance(answer, dict) or not path:
        return getter_of(path)(answer)
    return None


def _path(names: Sequence[str]) -> Getter:
    """Return a getter of closures, since it runs for every field of every record."""
    first, rest = names[0], names[1:]
    if first.endswith("[]"):
        return _items(first[:-2], _path(rest) if rest else None)
    if not rest:
        # Records are objects, and most values lie in one of their own fields.
        return methodcaller("get", first)
    if rest[0].isdecimal():
        return _item_at(first, int(rest[0]), _path(rest[1:]) if rest[1:] else None)
    inner = _path(rest)

    def get(record: Any) -> object:
        found = record.get(first)
        return inner(found) if isinstance(found, dict) else None

    return get


def _items(name: str, inner: Getter | None) -> Getter:
    def get(record: Any) -> object:
        items = record.get(name)
        if not isinstance(items, list):
            return []
        listed = cast("list[Any]", items)
        if inner is None:
            return [item for item in listed if item is not None]
        found = (inner(item) for item in listed if isinstance(item, dict))
        return [value for value in found if value is not None]

    return get


def _item_at(name: str, position: int, inner: Getter | None) -> Getter:
    def get(record: Any) -> object:
        items = record.get(name)
        listed = cast("list[Any]", items) if isinstance(items, list) else []
        item = listed[position] if position < len(listed) else None
        if inner is None:
            return item
        return inner(item) if isinstance(item, dict) else None

    return get


def _template(template: str) -> Getter:
    pieces = _NAMED.split(template)
    getters = [_path(name.split(".")) for name in pieces[1::2]]

    def get(record: Any) -> object:
        found = [getter(record) for getter in getters]
        if all(value is None or value == "" for value in found):
            return None
        shown = [_inline(value) for value in found]
        texts = [text for pair in zip(pieces[::2], [*shown, ""], strict=True) for text in pair]
        return "".join(texts)

    return get


def _inline(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def fill(template: Any, names: Mapping[str, Any], *, in_path: bool = False) -> Any:
    """Put values into the ``{names}`` of a template, or of all templates in a list or object.

    A template that is nothing but one name becomes that value, of whatever type. In a path, values
    are quoted.
    """
    if isinstance(template, dict):
        parts = cast("dict[str, Any]", template)
        return {name: fill(part, names) for name, part in parts.items()}
    if isinstance(template, list):
        return [fill(part, names) for part in cast("list[Any]", template)]
    if not isinstance(template, str) or "{" not in template:
        return template
    whole = _NAMED.fullmatch(template)
    if whole and not in_path:
        return find(names, whole[1])

    def put(found: re.Match[str]) -> str:
        text = _inline(find(names, found[1]))
        if in_path and not text:
            # Another address than the one that is meant might answer as well.
            raise SourceUnavailable(f"There is no '{found[1]}', which the path of a request needs.")
        return quote(text, safe="", errors="surrogatepass") if in_path else text

    return _NAMED.sub(put, template)


def records_of(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list; none of anything else."""
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def line_of(value: object, chars: int = LINE_CHARS_MAX) -> str:
    """Return text or a number on one clean line; empty for anything else."""
    if isinstance(value, str):
        # Most are plain, and this costs a tenth of the look for hidden characters.
        is_plain = value.isascii() and value.isprintable()
        return value[:chars].strip() if is_plain else clean_line(value[: 2 * chars])[:chars]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def text_of(value: object, depth: int = 0) -> str:
    """Return clean text: a list's items on lines of their own, an object's values by name."""
    if isinstance(value, str):
        return clean_text(value)
    if depth >= _TEXT_DEPTH_MAX:
        return ""
    if isinstance(value, list):
        lines = (text_of(item, depth + 1) for item in cast("list[Any]", value))
        return "\n".join(line for line in lines if line)
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value).items()
        named = ((line_of(name), text_of(part, depth + 1)) for name, part in parts)
        return "\n".join(f"{name}: {text}" for name, text in named if text)
    return line_of(value)


def json_of(value: object, depth: int = 0) -> JsonValue:
    """Return a value for an entity's metadata: bounded, and without hidden characters."""
    if isinstance(value, str):
        return line_of(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= _DEPTH_MAX:
        return None
    if isinstance(value, list):
        return [json_of(item, depth + 1) for item in cast("list[Any]", value)[:LIST_ITEMS_MAX]]
    if isinstance(value, dict):
        parts = list(cast("dict[str, Any]", value).items())[:LIST_ITEMS_MAX]
        return {line_of(name): json_of(part, depth + 1) for name, part in parts}
    return None


def moment_of(value: object) -> datetime | None:
    """Read a time: ISO 8601, HTTP's form, or what has passed since 1970; else None.

    One at an end of the calendar, which stands for "never", is moved to where one can reckon.
    """
    found = _read_moment(value)
    if found is None or _FIRST.year <= found.year <= _LAST.year:
        return found
    return _FIRST if found.year < _FIRST.year else _LAST


def _read_moment(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            if value.replace(".", "", 1).isdecimal() and len(value) < 20:
                return _read_moment(float(value))
            return parse_http_date(value[:100])
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return next((posix_time(value / n) for n in _UNITS if abs(value) <= n * _SECONDS_MAX), None)
    return None
