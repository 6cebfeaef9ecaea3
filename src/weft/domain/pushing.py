"""Content that is pushed to a connection, in place of being read from a source."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import Field, JsonValue

from weft.domain.base import Frozen, Json
from weft.domain.entities import ID_MAX_CHARS, Entity
from weft.domain.text.characters import HIDDEN, HIDDEN_OR_BREAK, clean_line
from weft.errors import InvalidInput

INGEST: Final = "ingest"
"""The short name of the source whose connections hold what is pushed to them."""
ENTITIES_MAX: Final = 5_000
TITLE_MAX_CHARS: Final = 2_000
TYPE_MAX_CHARS: Final = 60
URL_MAX_CHARS: Final = 2_000
BREADCRUMBS_MAX: Final = 50
DEFAULT_TYPE: Final = "document"
HOW_TO_APPLY: Final = (
    "If they should go, have everything else pushed again, with `weft push --replace "
    "--apply-deletions`, or with replace and ?apply_deletions=true over HTTP. If not, a push that "
    "names them again ends this."
)


def how_to_push(connection_id: str | None = None) -> str:
    """Say how content gets into a connection."""
    name, place = connection_id or "CONNECTION", connection_id or "{id}"
    return (
        f"Its content is pushed: the user runs `weft push {name} FILE`, or a program sends it to "
        f"POST /source-connections/{place}/entities over HTTP."
    )


EntityId = Annotated[str, Field(min_length=1, max_length=ID_MAX_CHARS)]
_Line = Annotated[str, Field(max_length=TITLE_MAX_CHARS)]


class PushedEntity(Frozen):
    """One entity as it is pushed. A time without a zone is UTC."""

    id: EntityId = Field(description="Unique within the connection, and stable.")
    title: str = Field(min_length=1, max_length=TITLE_MAX_CHARS)
    text: str
    type: str = Field(default=DEFAULT_TYPE, min_length=1, max_length=TYPE_MAX_CHARS)
    url: str | None = Field(default=None, max_length=URL_MAX_CHARS)
    updated_at: datetime | None = None
    metadata: Json = Field(default_factory=dict)
    breadcrumbs: tuple[_Line, ...] = Field(default=(), max_length=BREADCRUMBS_MAX)

    def to_entity(self) -> Entity:
        """Build what is stored, without characters that nobody sees."""
        at = self.updated_at
        return Entity(
            id=self.id,
            type=clean_line(self.type) or DEFAULT_TYPE,
            title=clean_line(self.title) or self.id,
            text=HIDDEN.sub("", self.text.replace("\r\n", "\n").replace("\r", "\n")),
            url=clean_line(self.url) if self.url else None,
            updated_at=at.replace(tzinfo=UTC) if at and at.tzinfo is None else at,
            metadata={clean_line(key): _clean(value) for key, value in self.metadata.items()},
            breadcrumbs=tuple(clean_line(each) for each in self.breadcrumbs),
        )


class Push(Frozen):
    """A batch of a push. The last batch, without ``more``, ends it.

    ``replace``: all batches together are all that there is, and what they do not name is deleted.
    ``job_id`` is the job of a push that a former batch began with ``more``.
    """

    entities: tuple[PushedEntity, ...] = Field(default=(), max_length=ENTITIES_MAX)
    delete: tuple[EntityId, ...] = Field(
        default=(), max_length=ENTITIES_MAX, description="Ids of entities that are gone."
    )
    replace: bool = Field(
        default=False,
        description="What the whole push does not name is deleted; said in its first batch.",
    )
    more: bool = Field(
        default=False, description="Further batches follow, with the `job_id` of the answer."
    )
    job_id: str | None = Field(default=None, max_length=100)

    def validate_ids(self) -> None:
        """Raise InvalidInput, naming the place, for an id that nobody could name again, or for a
        batch that says nothing.
        """
        if not (self.entities or self.delete or self.replace or self.job_id):
            raise InvalidInput("There is nothing in this push.", field="entities")
        ids = [entity.id for entity in self.entities]
        _refuse_hidden(ids, "entities.{}.id")
        _refuse_hidden(self.delete, "delete.{}")
        places: dict[str, int] = {}
        for number, each in enumerate(ids):
            first = places.setdefault(each, number)
            if first != number:
                field = f"entities.{number}.id"
                raise InvalidInput(f"{field} is that of entities.{first}, too.", field=field)
        both = next((n for n, gone in enumerate(self.delete) if gone in set(ids)), None)
        if both is not None:
            field = f"delete.{both}"
            raise InvalidInput(f"{field} is the id of one of entities, too.", field=field)


def _clean(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return clean_line(value)
    if isinstance(value, dict):
        return {clean_line(key): _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list) else value


def _refuse_hidden(ids: Sequence[str], place: str) -> None:
    for number, each in enumerate(ids):
        if HIDDEN_OR_BREAK.search(each):
            field = place.format(number)
            raise InvalidInput(f"{field} has a control or invisible character.", field=field)
