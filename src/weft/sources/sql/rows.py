"""Turn rows into entities."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, cast
from urllib.parse import quote

from pydantic import JsonValue

from weft.document.text import MAX_TITLE_CHARS, clean_text
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.text.characters import clean_line
from weft.sources.base import Skipped
from weft.sources.sql.config import SqlConfig
from weft.sources.sql.tables import Table

_TITLES: Final = (
    *("title", "name", "subject", "headline", "label", "display_name", "displayname", "full_name"),
    *("fullname", "short_name", "product_name", "company_name", "username", "user_name", "login"),
    *("email", "slug", "code", "summary"),
)
_UPDATED: Final = ("updated_at", "modified_at", "last_modified", "updated", "modified")
_KEY_CHARS_MAX: Final = 200
_METADATA_CHARS: Final = 200
_METADATA_COLUMNS: Final = 40
_NAMES_SHOWN: Final = 20

Row = Sequence[Any]


class RowReader:
    """Reads the rows of one table."""

    def __init__(self, table: Table, config: SqlConfig) -> None:
        self._table = table
        self._label = clean_line(table.label) or "table"
        self._limit = config.max_row_size
        self._places = {name: place for place, name in enumerate(table.names)}
        by_fold = {name.casefold(): name for name in reversed(table.names)}
        self._key = [self._places[name] for name in table.key]
        title = config.title_column or next((n for n in _TITLES if n in by_fold), "")
        self._title = self._places.get(title, self._places.get(by_fold.get(title, "")))
        chosen = [self._places[name] for name in config.text_columns if name in self._places]
        hidden = set(table.left_out)
        self._shown = [p for name, p in self._places.items() if name not in hidden]
        self._is_chosen = bool(chosen)
        self._text = chosen or self._shown
        updated = table.cursor or next((by_fold[n] for n in _UPDATED if n in by_fold), "")
        self._updated = self._places.get(updated)
        self._names = [clean_line(name) or "column" for name in table.names]

    @property
    def empty_key_id(self) -> str:
        """The id that stands for all rows without one."""
        return quote(self._table.label, safe='. "')

    def id_of(self, row: Row) -> str | None:
        """Return the id of a row's entity; None if a part of its key is empty."""
        parts: list[str] = []
        for place in self._key:
            shown = _key_part(row[place])
            if shown is None:
                return None
            parts.append(shown)
        key = ",".join(parts)
        if len(key) > _KEY_CHARS_MAX:
            key = f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
        return f"{self.empty_key_id}/{key}"

    def read(self, row_id: str, row: Row) -> Entity | Skipped:
        """Return the entity, or why there is none."""
        lines: list[str] = []
        bare: list[str] = []
        left_out = [*self._table.left_out]
        for place in self._text:
            if isinstance(row[place], bytes | bytearray | memoryview):
                left_out.append(self._names[place])
                continue
            shown = show_value(row[place])
            if shown:
                bare.append(shown)
                lines.append(f"{self._names[place]}: {shown}")
        text = "\n\n".join(bare) if self._is_chosen else "\n".join(lines)
        if len(text) > self._limit:
            return Skipped(row_id, f"longer than {self._limit} characters")
        title = "" if self._title is None else clean_line(show_value(row[self._title])[:1000])
        metadata: Json = {"table": self._label, "columns": self._metadata(row)}
        if left_out:
            metadata["left_out"] = [clean_line(name) for name in left_out[:_NAMES_SHOWN]]
        return Entity(
            id=row_id,
            type="row",
            title=title[:MAX_TITLE_CHARS] or self._key_title(row),
            text=clean_text(text),
            updated_at=None if self._updated is None else as_moment(row[self._updated]),
            metadata=metadata,
            breadcrumbs=(self._label,),
        )

    def _key_title(self, row: Row) -> str:
        key = ", ".join(show_value(row[place]) for place in self._key)
        return clean_line(f"{self._label} {key}")[:MAX_TITLE_CHARS]

    def _metadata(self, row: Row) -> Json:
        """Return short values by column; long ones are in the text."""
        found: Json = {}
        for place in self._shown[:_METADATA_COLUMNS]:
            value = _as_json(row[place])
            if value is not None:
                found[self._names[place]] = value
        return found


def show_value(value: object) -> str:
    """Return a value as text; empty for none, and for bytes."""
    if value is None or isinstance(value, bytes | bytearray | memoryview):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple | dict | set | frozenset):
        return json.dumps(_plain(cast("object", value)), ensure_ascii=False, default=str)
    return str(value)


def as_moment(value: object) -> datetime | None:
    """Return the time that a value states; one without a zone is in UTC. None if it is none."""
    if isinstance(value, str) and 10 <= len(value) <= 40 and value[4:5] == "-":
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        try:
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        except OverflowError:
            return None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return None


def _key_part(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return f"0x{bytes(cast('bytes', value)).hex()}"
    return quote(show_value(value), safe=" :@+", errors="surrogatepass")


def _as_json(value: object) -> JsonValue:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 1 << 53:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    shown = clean_line(show_value(value)[: 2 * _METADATA_CHARS])
    return shown[:_METADATA_CHARS] or None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in cast("list[object]", value)]
    return None if isinstance(value, bytes | memoryview) else value
