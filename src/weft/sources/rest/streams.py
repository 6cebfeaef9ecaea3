"""Makes entities of the records of one stream, as its row of the table says."""

import hashlib
import json
import math
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final, cast

from weft.document.child import run_parser
from weft.document.html import html_to_text
from weft.document.read import read
from weft.document.text import clean_text, path_id
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import AccessDenied, WeftError
from weft.sources.rest.api import Missing
from weft.sources.rest.gather import gather
from weft.sources.rest.paging import Asked, Page, unexpected_answer
from weft.sources.rest.table import (
    Changed,
    Feed,
    Gone,
    Record,
    Request,
    Search,
    Since,
    Stream,
    Value,
)
from weft.sources.rest.values import (
    ODD,
    Getter,
    fill,
    getter_of,
    json_of,
    line_of,
    moment_of,
    text_of,
)

PARENT: Final = "_parent"
"""The field under which a record holds the record of its parent stream."""
KEY_CHARS_MAX: Final = 4_000
TITLE_CHARS_MAX: Final = 300
_FORMS: Final[dict[str, Callable[[datetime], object]]] = {
    "iso": lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso_ms": lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z",
    "epoch": lambda at: int(at.timestamp()),
    "epoch_ms": lambda at: int(at.timestamp() * 1000),
    "epoch_day": lambda at: int(at.timestamp()) // 86_400 * 86_400,
    "date": lambda at: at.strftime("%Y-%m-%d"),
    "minute": lambda at: at.strftime("%Y-%m-%d %H:%M"),
    "minutes_ago": lambda at: math.ceil((datetime.now(UTC) - at).total_seconds() / 60),
}


class BoundStream:
    """A row of the table, bound to the configuration of a connection."""

    def __init__(self, row: Stream, config: Mapping[str, Any], told: Collection[str]) -> None:
        self.row = row
        self.name = row.name
        self.up: BoundStream | None = None
        self.children: list[BoundStream] = []
        self._told = told
        self._prefix = row.deletes or row.name
        self._names = {"config": config}
        self._keys = [self._bind(value) for value in _all_of(row.key)]
        self._texts = [self._bind(value) for value in _all_of(row.text)]
        self._title, self._url = self._optional(row.title), self._optional(row.url)
        self._updated, self._file_name = self._optional(row.updated), self._optional(row.file_name)
        self._version = self._optional(row.version)
        self._deleted, self._wanted = self._optional(row.deleted), self._optional(row.wanted)
        self._only_if, self._among = self._optional(row.only_if), self._optional(row.among)
        self._cut, self._unproven = self._optional(row.cut), self._optional(row.unproven)
        self._breadcrumbs = [self._bind(value) for value in row.breadcrumbs]
        facts = {"author": row.author, "created": row.created, "viewers": row.viewers}
        facts = {name: value for name, value in facts.items() if value is not None} | row.metadata
        self._facts = [(name, self._bind(value)) for name, value in facts.items()]

    @property
    def tells_deletions(self) -> bool:
        """Return whether an incremental sync learns which records are gone."""
        row = self.row
        is_told = row.feed is not None or row.deleted is not None or row.name in self._told
        return (is_told and not row.forgets) or row.unstored or row.deletes is not None

    def place_of(self, since: datetime | None) -> Stream | Search:
        """Return the request that lists the records, or those that changed since a time."""
        row = self.row
        return row.since.search if since and row.since and row.since.search else row

    def ask(self, parent: Record | None, since: datetime | None = None) -> Asked:
        """Return what lists the records, below ``parent`` and changed since a time."""
        row, place = self.row, self.place_of(since)
        names = {**self._names, PARENT: parent}
        asked = Asked(
            f"'{self.name}'",
            fill(place.path, names, in_path=True),
            method_of(place),
            fill(place.params, names),
            body_of(place, names),
        )
        if row.since and since:
            for name, value in fill(row.since.extra, names).items():
                asked.put(name, value)
            if row.since.param:
                asked.put(row.since.param, self._show_since(row.since, since, names))
        return asked

    def _show_since(self, how: Since, since: datetime, names: Mapping[str, Any]) -> object:
        shown = _FORMS[how.form]((since - how.overlap).astimezone(UTC))
        return fill(how.template, {**names, "since": shown})

    def ask_item(self, key: str) -> str:
        """Return the path of one record; ``item`` must be set."""
        parts = dict(enumerate_parts(key))
        return fill(self.row.item, {**self._names, "key": key, **parts}, in_path=True)

    def key_of(self, record: Record) -> str:
        """Return the record's key. Raises SourceUnavailable if it has none."""
        parts = [_key_part_of(get(record)) for get in self._keys]
        if not all(parts):
            raise unexpected_answer(
                f"'{self.name}'", f"{_show_value(self.row.key)} is no key of each"
            )
        if len(parts) == 1:
            return parts[0]
        return "/".join(part.replace("/", "%2F") for part in parts)

    def may_lack(self, error: WeftError) -> bool:
        """Return whether a listing that ends with this error is left out, and the others go on.

        Below one parent of many, a request may be refused as no such request (400) too.
        """
        of_account = isinstance(error, Missing | AccessDenied)
        return self.row.may_lack and (of_account or self.row.parent is not None)

    def key_prefix(self, parent: Record | None) -> str:
        """Return how the keys of all records below a parent begin; empty if they do not tell."""
        parts: list[str] = []
        for value, get in zip(_all_of(self.row.key), self._keys, strict=True):
            if parent is None or not (isinstance(value, str) and value.startswith(f"{PARENT}.")):
                break
            parts.append(line_of(get({PARENT: parent}), KEY_CHARS_MAX).replace("/", "%2F"))
        return "".join(f"{part}/" for part in parts)

    def id_of(self, key: str) -> str:
        """Return the entity's id for a key."""
        return path_id(f"{self._prefix}:{key}".encode(errors="surrogatepass"))

    def updated_of(self, record: Record) -> datetime | None:
        """Return when the record changed last, if it tells."""
        return moment_of(self._updated(record)) if self._updated else None

    def version_of(self, record: Record) -> str | None:
        """Return the version of what is read by further requests."""
        return line_of(self._version(record)) or None if self._version else None

    def is_settled(self, record: Record) -> bool:
        """Return whether a change of what is read by further requests would show in the record."""
        return self._version is None or self.version_of(record) is not None

    def is_deleted(self, record: Record) -> bool:
        """Return whether the record says that it is deleted."""
        return self._deleted is not None and bool(self._deleted(record))

    def gather(self, pages: AsyncGenerator[Page]) -> AsyncGenerator[Page]:
        """Return pages of the stream's records, which may each be made of several."""
        how = self.row.gather
        return pages if how is None else gather(pages, how, f"'{self.name}'")

    async def prepare(self, source: object, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records of a page with all that they are judged by."""
        how = self.row.prepare
        return records if how is None or not records else await how(source, records)

    def is_cut(self, answer: Any) -> bool:
        """Return whether an answer says that it leaves out records of the listing."""
        return self._cut is not None and bool(self._cut(answer))

    def owns(self, record: Record) -> bool:
        """Return whether the record is one of this stream, and not of another kind."""
        return self._among is None or bool(self._among(record))

    def is_wanted(self, record: Record) -> bool:
        """Return whether the record is there, and the configuration wants it."""
        is_wanted = self._wanted is None or bool(self._wanted(record))
        return is_wanted and not self.is_deleted(record)

    def has_children(self, parent: Record) -> bool:
        """Return whether this stream is to be listed below that record."""
        return self._only_if is None or bool(self._only_if(parent))

    async def build(
        self, entity_id: str, key: str, record: Record, known: str | None = None
    ) -> Entity:
        """Make the entity of a record, of which ``known`` is the version that is stored.

        Raises Unreadable for a document that cannot be read.
        """
        entity = Entity(
            id=entity_id,
            type=self.name,
            title=self.title_of(record, key),
            text="",
            url=line_of(self._url(record), 2_000) or None if self._url else None,
            updated_at=self.updated_of(record),
            metadata=self._facts_of(record),
            version=self.version_of(record),
        )
        if self._breadcrumbs:
            found = [get(record) for get in self._breadcrumbs]
            names = [name for value in found for name in _list_of(value)]
            crumbs = (line_of(name, TITLE_CHARS_MAX) for name in names)
            entity.breadcrumbs = tuple(crumb for crumb in crumbs if crumb)
        await self._add_text(entity, record)
        if self._unproven is not None and entity.version and self._unproven(record):
            seen = f"{entity.version}?{_digest_of_entity(entity)}"
            entity.version = entity.version if known == seen else seen
        return entity

    def title_of(self, record: Record, key: str) -> str:
        """Return the title, or the key where there is none."""
        shown = line_of(self._title(record), TITLE_CHARS_MAX) if self._title else ""
        return shown or title_for(self.name, key)

    async def _add_text(self, entity: Entity, record: Record) -> None:
        if not self._texts:
            own = {name: part for name, part in record.items() if name != PARENT}
            entity.text = text_of(own)
            return
        found = [get(record) for get in self._texts]
        parts = [text_of(value) for value in found if not isinstance(value, bytes)]
        text = parts[0] if len(parts) == 1 else "\n\n".join(part for part in parts if part)
        if text and self.row.markup == "html":
            page = await run_parser(len(text), html_to_text, text)
            text = clean_text(page.text)
        entity.text = text
        for content in found:
            if isinstance(content, bytes):
                await self._add_document(entity, record, content)

    async def _add_document(self, entity: Entity, record: Record, content: bytes) -> None:
        name = line_of(self._file_name(record)) if self._file_name else ""
        document = await read(name or entity.title, content)
        entity.text = f"{entity.text}\n\n{document.text}" if entity.text else document.text
        entity.metadata = {**document.facts, **entity.metadata}

    def _facts_of(self, record: Record) -> Json:
        facts: Json = {}
        for name, get in self._facts:
            value = json_of(get(record))
            if value not in (None, "", []):
                facts[name] = value
        return facts

    def _optional(self, value: Value | None) -> Getter | None:
        return None if value is None else self._bind(value)

    def _bind(self, value: Value) -> Getter:
        """Put the configuration into a template, whose other names are those of the record."""
        if isinstance(value, str) and "{config." in value:
            value = _fill_config(value, self._names)
        return getter_of(value) if isinstance(value, str) else _guard(value, f"'{self.name}'")


def _guard(get: Getter, what: str) -> Getter:
    def guarded(record: Any) -> object:
        try:
            return get(record)
        except ODD:
            raise unexpected_answer(what) from None

    return guarded


def bind(streams: tuple[Stream, ...], config: Mapping[str, Any]) -> list[BoundStream]:
    """Bind all streams; return those without a parent, the others being their children."""
    told = {row.deletes for row in streams if row.deletes}
    bound = {row.name: BoundStream(row, config, told) for row in streams}
    roots: list[BoundStream] = []
    for stream in bound.values():
        stream.up = bound[stream.row.parent] if stream.row.parent else None
        (stream.up.children if stream.up else roots).append(stream)
    return roots


def method_of(row: Request | Search | Stream) -> str:
    """Return the method of a request."""
    return "POST" if row.query is not None else row.method


def body_of(row: Request | Search | Stream, names: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is posted, with all templates filled in; None where nothing is."""
    if method_of(row) != "POST":
        return None
    filled: dict[str, Any] = deepcopy(fill(row.body or {}, names))
    # The braces of a query are no templates.
    return filled if row.query is None else {"query": row.query, "variables": filled}


def below(parent: Record, record: Record) -> Record:
    """Return the record with its parent's, where templates find it."""
    return {**record, PARENT: parent}


def changes_in(feed: Feed, records: Sequence[Record], what: str) -> list[Changed | Gone]:
    """Return what the records of a feed tell."""
    try:
        return [change for record in records for change in feed.changes(record)]
    except ODD:
        raise unexpected_answer(what) from None


def digest_of(record: Record) -> str:
    """Return a short digest of what the service sent."""
    own = {name: part for name, part in record.items() if name != PARENT}
    body = json.dumps(own, sort_keys=True).encode()
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def _digest_of_entity(entity: Entity) -> str:
    return digest_of({"text": entity.text, "title": entity.title, "facts": entity.metadata})


def enumerate_parts(key: str) -> list[tuple[str, str]]:
    """Return the parts of a key of several values, by the names that templates know."""
    return [(f"key{n}", part.replace("%2F", "/")) for n, part in enumerate(key.split("/"))]


def title_for(name: str, key: str) -> str:
    """Return the title of a record that has none."""
    return line_of(f"{name} {key}")


def _key_part_of(value: object) -> str:
    """Return a part of a key exactly as it came: cleaned or cut, two could become one."""
    text = value if isinstance(value, str) else line_of(value)
    return text if len(text) <= KEY_CHARS_MAX else ""


def _show_value(value: Value | tuple[Value, ...]) -> str:
    """Return a value as errors name it."""
    return " and ".join(f"'{each}'" if isinstance(each, str) else "it" for each in _all_of(value))


def _all_of(values: Value | tuple[Value, ...]) -> tuple[Value, ...]:
    return cast("tuple[Value, ...]", values) if isinstance(values, tuple) else (values,)


def _list_of(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]


def _fill_config(template: str, names: Mapping[str, Any]) -> str:
    pieces = template.split("{config.")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}")
        filled.append(str(fill(f"{{config.{name}}}", names) or "").translate(_NO_BRACES) + rest)
    return "".join(filled)


_NO_BRACES: Final = str.maketrans(dict.fromkeys("{}", ""))
