"""Collections in Airweave's JSON, as they are sent and as they are read."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, JsonValue

from weft.domain.collections import Collection, CollectionStatus
from weft.domain.reading.ways import PACKAGED
from weft.wire.answer import Answer, Count, OrganizationUuid
from weft.wire.upstream import Id, Moment, Upstream, one_of, read, read_list


class CollectionAnswer(Answer):
    """A collection. Ways to embed take the place of Airweave's one model for all."""

    id: UUID
    organization_id: OrganizationUuid
    name: str
    readable_id: str
    status: Literal["ACTIVE", "NEEDS SOURCE", "ERROR"]
    sync_config: None = None
    created_at: datetime
    modified_at: datetime
    created_by_email: None = None
    modified_by_email: None = None
    vector_size: int = 0
    embedding_model_name: str = "none"
    connection_count: Count = Field(description="Weft's own.")
    entity_count: Count = Field(description="Weft's own.")
    embedded_by: str = Field(description="Weft's own: its way to embed.")


class UpstreamCollection(Upstream):
    """A collection as an API describes it. Airweave does not count its entities."""

    id: Id
    organization_id: str = ""
    name: str
    readable_id: str
    status: Annotated[CollectionStatus, one_of(CollectionStatus, CollectionStatus.ACTIVE)] = (
        CollectionStatus.ACTIVE
    )
    created_at: Moment
    modified_at: Moment
    source_connection_summaries: tuple[JsonValue, ...] = ()
    connection_count: int | None = None
    entity_count: int = 0
    embedded_by: str = PACKAGED

    def to_collection(self) -> Collection:
        count = self.connection_count
        return self.to_domain(
            Collection,
            connection_count=len(self.source_connection_summaries) if count is None else count,
        )


def read_collection(body: JsonValue) -> Collection:
    """Read a collection."""
    return read(UpstreamCollection, body).to_collection()


def read_collections(body: JsonValue) -> list[Collection]:
    """Read a page of collections."""
    return read_list(read_collection, body)
