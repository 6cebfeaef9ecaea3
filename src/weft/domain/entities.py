"""Entities: the things that a source yields and a collection stores."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import Field

from weft.domain.base import Frozen, Json

ID_MAX_CHARS: Final = 8_192
"""The longest id that a source may give an entity."""


@dataclass(slots=True)
class Entity:
    """One thing read from a source.

    This is a dataclass because validating 100,000 models would cost more than storing them.
    ``id`` is unique within the connection and stable from sync to sync. ``version`` is an opaque
    token of the source (an ETag, a blob id), handed back to it on the next sync.
    """

    id: str
    type: str
    title: str
    text: str
    url: str | None = None
    updated_at: datetime | None = None
    metadata: Json = field(default_factory=Json)
    breadcrumbs: tuple[str, ...] = ()
    version: str | None = None


class StoredEntity(Frozen):
    """A stored entity; ``text`` is a window of ``total_chars`` starting at ``offset``."""

    id: str
    source_entity_id: str
    connection_id: str
    connection_name: str
    readable_collection_id: str
    type: str
    title: str
    text: str
    offset: int
    total_chars: int
    url: str | None = None
    updated_at: datetime | None = None
    metadata: Json = Field(default_factory=dict)
    breadcrumbs: tuple[str, ...] = ()
