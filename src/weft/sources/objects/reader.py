"""Downloads objects, and turns them into entities."""

import base64
import hashlib
from pathlib import PurePosixPath
from typing import Final

import httpx

from weft.document.model import Unreadable
from weft.document.read import is_document, read
from weft.document.suffixes import BINARY_SUFFIXES
from weft.document.text import language_of
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import SourceUnavailable
from weft.sources.base import Event, Skipped, Unchanged
from weft.sources.objects.choose import id_of, show_key
from weft.sources.objects.config import ObjectsConfig
from weft.sources.objects.store import Listed, Store, quote_key, read_tag

# Part of every version: raise it when the reader improves, so that all objects are read again.
READER: Final = "1"
_VERSION_CHARS_MAX: Final = 200
_STORED_ENCODING: Final = "x-goog-stored-content-encoding"
# Of what is stored or sent packed, the size and digest are those of the packed content.
_ENCODINGS: Final = (_STORED_ENCODING, "content-encoding")


class ObjectReader:
    """Reads the objects of one bucket."""

    def __init__(self, config: ObjectsConfig, store: Store) -> None:
        self._config = config
        self._store = store

    def explain_unread(self, listed: Listed, known: str | None = None) -> Event | None:
        """Return the event of an object that needs no download, else None."""
        version = version_of(listed)
        # First, as what was read once may have been moved to an archive since.
        if version is not None and known == version:
            return Unchanged(id_of(listed.key))
        limit = self._limit_of(listed)
        if listed.size > limit:
            return Skipped(id_of(listed.key), f"larger than {limit} bytes")
        if PurePosixPath(show_key(listed.key)).suffix.lower() in BINARY_SUFFIXES:
            return Skipped(id_of(listed.key), "not a text file")
        if listed.is_archived:
            return Skipped(id_of(listed.key), "archived: it can be read once it is restored")
        return None

    async def read(self, listed: Listed) -> Event:
        """Download an object and read it. Raises errors of the store."""
        response = await self._store.download(listed, self._limit_of(listed))
        if not _is_vouched(listed, response, self._store.tag_header):
            # Stored with that version, it would stay: the next sync compares nothing else.
            raise SourceUnavailable("It changed while it was read, or something else came.")
        if len(response.content) > self._limit_of(listed):
            return Skipped(id_of(listed.key), "larger than it says")
        path = show_key(listed.key)
        try:
            document = await read(path, response.content)
        except Unreadable as error:
            return Skipped(id_of(listed.key), str(error))
        metadata: Json = {**document.facts, "path": path, "size": listed.size}
        if language := language_of(path):
            metadata["language"] = language
        place = self._config.place
        scheme = place.address.partition("://")[0]
        return Entity(
            id=id_of(listed.key),
            type="file",
            title=document.title,
            text=document.text,
            url=f"{scheme}://{place.bucket}/{quote_key(listed.key)}",
            updated_at=listed.modified,
            metadata=metadata,
            breadcrumbs=(place.bucket, *(part for part in path.split("/")[:-1] if part)),
            version=version_of(listed),
        )

    def _limit_of(self, listed: Listed) -> int:
        config = self._config
        is_long = is_document(show_key(listed.key))
        return config.max_document_size if is_long else config.max_file_size


def version_of(listed: Listed) -> str | None:
    """Return the version of an object's content; None if the store does not tell it."""
    if not listed.tag or len(listed.tag) > _VERSION_CHARS_MAX:
        return None
    return f"{READER}-{listed.tag}"


def _is_vouched(listed: Listed, response: httpx.Response, tag_header: str) -> bool:
    """Return whether the answer is the content that was listed."""
    content, headers = response.content, response.headers
    is_plain = all(headers.get(name, "identity") == "identity" for name in _ENCODINGS)
    if is_plain and len(content) != listed.size:
        return False
    if is_plain and listed.digest:
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        return base64.b64encode(digest).decode() == listed.digest
    if listed.tag:
        return read_tag(headers.get(tag_header, "")) == listed.tag
    return is_plain
