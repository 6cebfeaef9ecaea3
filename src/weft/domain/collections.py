"""Collections: what is searched together."""

from datetime import datetime
from enum import StrEnum

from weft.domain.base import Frozen


class CollectionStatus(StrEnum):
    """Upper case, as in Airweave's API."""

    ACTIVE = "ACTIVE"
    NEEDS_SOURCE = "NEEDS SOURCE"
    ERROR = "ERROR"


class Collection(Frozen):
    """A named set of connections whose entities are searched together."""

    id: str
    organization_id: str
    name: str
    readable_id: str
    status: CollectionStatus
    connection_count: int = 0
    entity_count: int = 0
    created_at: datetime
    modified_at: datetime


class NewCollection(Frozen):
    """``readable_id`` None derives one from the name with a random suffix."""

    name: str
    readable_id: str | None = None
