"""Searching a collection: by words here, where Airweave searches by meaning."""

from datetime import UTC, datetime
from operator import ge, gt, le, lt
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from weft.testing.airweave.state import Connection, Json, Refused
from weft.testing.airweave.world import Airweave

BROKEN_QUERY, EMPTY_QUERY = "boom", "nothing"
"""Queries with such a word fail, or find nothing."""

_META = "airweave_system_metadata"
FieldName = Literal[
    "entity_id",
    "name",
    "created_at",
    "updated_at",
    "breadcrumbs.entity_id",
    "breadcrumbs.name",
    "breadcrumbs.entity_type",
    "airweave_system_metadata.entity_type",
    "airweave_system_metadata.source_name",
    "airweave_system_metadata.original_entity_id",
    "airweave_system_metadata.chunk_index",
    "airweave_system_metadata.sync_id",
    "airweave_system_metadata.sync_job_id",
]
Operator = Literal[
    "equals",
    "not_equals",
    "contains",
    "greater_than",
    "less_than",
    "greater_than_or_equal",
    "less_than_or_equal",
    "in",
    "not_in",
]
_COMPARISONS = {
    "greater_than": gt,
    "less_than": lt,
    "greater_than_or_equal": ge,
    "less_than_or_equal": le,
}
_ORDERED = ("created_at", "updated_at", f"{_META}.chunk_index")


class Condition(BaseModel):
    field: FieldName
    operator: Operator
    value: Any

    @model_validator(mode="after")
    def validate_combination(self) -> "Condition":
        is_order = self.operator.startswith(("greater", "less"))
        if is_order and self.field not in _ORDERED:
            raise ValueError(f"Cannot use '{self.operator}' on text field '{self.field}'.")
        if self.field in ("created_at", "updated_at"):
            try:
                datetime.fromisoformat(str(self.value))
            except ValueError:
                text = f"Date field requires an ISO 8601 timestamp, got '{self.value}'."
                raise ValueError(text) from None
        return self


class ConditionGroup(BaseModel):
    conditions: list[Condition] = Field(min_length=1)


class SearchBody(BaseModel):
    query: str
    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0)
    retrieval_strategy: Literal["semantic", "keyword", "hybrid"] = "hybrid"
    filter: list[ConditionGroup] = Field(default_factory=list[ConditionGroup])

    @field_validator("query")
    @classmethod
    def validate_query(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("Query cannot be empty")
        return value


def search(world: Airweave, readable_id: str, body: SearchBody) -> Json:
    """Search instantly."""
    world.searches.append(body.model_dump(exclude_defaults=True))
    world.find_collection(readable_id, f"Collection '{readable_id}' not found")
    if BROKEN_QUERY in body.query:
        raise Refused(500, "Internal Server Error: RuntimeError: vespa boom")
    inside = world.list_connections(readable_id)
    slacks = [c for c in inside if world.sources[c.short_name]["federated_search"]]
    if any(not slack.authenticated for slack in slacks):
        raise _federated_error("slack: Connection with ID None not found")
    if slacks and "scope" in body.query:
        raise _federated_error(
            "SlackSource: Slack search failed: missing 'search:read' scope. Please ensure your "
            "Slack OAuth connection includes the 'search:read' scope to enable message search."
        )
    if EMPTY_QUERY in body.query:
        return {"results": []}
    words = body.query.casefold().split()
    stored = [
        (sum(word in _text_of(entity) for word in words), _stored_hit(connection, entity))
        for connection in inside
        if connection.sync
        for entity in connection.sync.entities
    ]
    best = sorted((item for item in stored if item[0]), key=lambda item: -item[0])
    hits = [hit for _, hit in best]
    for slack in slacks:
        hits = [hit for pair in _pairs(hits, _live_hits(slack, body.query)) for hit in pair]
    hits = [hit for hit in hits if _passes(hit, body.filter)]
    for rank, hit in enumerate(hits, start=1):
        hit["relevance_score"] = 1 / (60 + rank) if slacks else 1 / rank
    return {"results": hits[body.offset : body.offset + body.limit]}


def _federated_error(text: str) -> Refused:
    return Refused(
        500,
        f"Internal Server Error: FederatedSearchError: Federated search failed: {text}",
    )


def _pairs(stored: list[Json], live: list[Json]) -> list[list[Json]]:
    longest = max(len(stored), len(live))
    return [stored[n : n + 1] + live[n : n + 1] for n in range(longest)]


def _text_of(entity: Json) -> str:
    return f"{entity['name']} {entity['text']}".casefold()


def _stored_hit(connection: Connection, entity: Json) -> Json:
    return _hit(entity, connection.short_name, connection.sync.id if connection.sync else None)


def _live_hits(connection: Connection, query: str) -> list[Json]:
    messages = [
        {
            "id": f"i{number}",
            "name": f"Message {number} about {query}",
            "type": "SlackMessageEntity",
            "text": f"# Metadata\n\n**Source**: slack\n\n**Text**: Message {number} about {query}",
            "url": f"https://fake.slack.test/archives/C0FAKE/p{number}",
        }
        for number in range(3)
    ]
    return [_hit(message, connection.short_name, None) for message in messages]


def _hit(entity: Json, source: str, sync_id: str | None) -> Json:
    return {
        "entity_id": f"{entity['id']}__chunk_0",
        "name": entity["name"],
        "relevance_score": 0.0,
        "breadcrumbs": [{"entity_id": "c1", "name": "Root", "entity_type": "StubContainerEntity"}],
        "created_at": "2026-01-02T03:04:05",
        "updated_at": entity.get("updated_at"),
        "textual_representation": entity["text"],
        _META: {
            "source_name": source,
            "entity_type": entity["type"],
            "sync_id": sync_id,
            "sync_job_id": None,
            "chunk_index": 0,
            "original_entity_id": entity["id"],
        },
        "access": {"viewers": None, "is_public": None},
        "web_url": entity["url"],
        "url": None,
        "raw_source_fields": {"title": entity["name"]},
    }


def _passes(hit: Json, groups: list[ConditionGroup]) -> bool:
    """Tell whether a hit passes: one group is enough, with all of its conditions."""
    return not groups or any(
        all(_holds(hit, condition) for condition in group.conditions) for group in groups
    )


def _holds(hit: Json, condition: Condition) -> bool:
    outer, _, inner = condition.field.partition(".")
    found = hit[outer]
    if outer == "breadcrumbs":
        values = [item[inner] for item in found]
    else:
        values = [found[inner] if inner else found]
    wanted = condition.value
    match condition.operator:
        case "equals":
            return wanted in values
        case "not_equals":
            return wanted not in values
        case "contains":
            return any(str(wanted) in str(value) for value in values)
        case "in":
            return any(value in wanted for value in values)
        case "not_in":
            return not any(value in wanted for value in values)
        case operator:
            pairs = [(_ordered(value), _ordered(wanted)) for value in values if value is not None]
            compare = _COMPARISONS[operator]
            return any(compare(found, limit) for found, limit in pairs)


def _ordered(value: Any) -> float:
    """Return what Airweave compares: a number, or the whole seconds of a time."""
    if isinstance(value, int):
        return value
    moment = datetime.fromisoformat(str(value))
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
