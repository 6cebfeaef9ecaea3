"""The structured data of results; a text beside it says the same.

Output models are typed dictionaries, kept small because clients send them to the model with every
list of tools. They name the fields that agents rely on; results hold all fields of the domain's
models, so a new field appears without a change here.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Required, TypeVar, cast

from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel
from typing_extensions import TypedDict

from weft.domain.base import Page
from weft.domain.connections import Connection, EntitySummary
from weft.domain.jobs import Job, JobWarning, WarningKind
from weft.domain.schedules import localize
from weft.domain.sources import SourceInfo
from weft.server.render.size import Structured, is_within
from weft.server.render.untrusted import clean, one_line

T = TypeVar("T")

_CONFIG_MAX_BYTES = 8 * 1024
_DETAILS_MAX_CHARS = 2000
_TYPES_MAX = 50
DESCRIPTION_MAX_CHARS = 160
"""How much of a source's description a list shows: Airweave's are whole paragraphs."""
REASONS_MAX = 3
"""How many of the reasons for one warning are shown."""
REASON_MAX_CHARS = 120
_PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})


class ConnectionOut(TypedDict, total=False):
    id: Required[str]
    name: Required[str]
    short_name: Required[str]
    readable_collection_id: Required[str]
    status: Required[str]
    version: Required[int]
    description: str
    auth: dict[str, Any]
    config: dict[str, Any]
    schedule: dict[str, Any]
    sync: dict[str, Any]
    entities: dict[str, Any]
    error_category: str
    error_message: str
    attention: list[dict[str, Any]]


class JobOut(TypedDict, total=False):
    id: Required[str]
    source_connection_id: Required[str]
    status: Required[str]
    entities_inserted: int
    entities_updated: int
    entities_deleted: int
    entities_failed: int
    deletions_held: int
    warnings: list[dict[str, Any]]
    error: str
    error_category: str
    diagnosis: dict[str, Any]


class RunOut(TypedDict, total=False):
    id: str
    status: str
    deletions_held: int
    error: str
    diagnosis: dict[str, Any]
    confirmation_token: str
    jobs: list[dict[str, Any]]
    not_started: list[dict[str, Any]]


class JobReportOut(JobOut, total=False):
    untrusted_log: list[dict[str, Any]]


class ItemsOut(TypedDict, total=False):
    items: Required[list[dict[str, Any]]]
    next_cursor: str


class JobsOut(ItemsOut, total=False):
    note: str


class SourceOut(TypedDict, total=False):
    short_name: Required[str]
    name: Required[str]
    auth_methods: list[str]
    auth_required: bool
    auth_fields: list[dict[str, Any]]
    config_fields: list[dict[str, Any]]


class CollectionOut(TypedDict, total=False):
    readable_id: Required[str]
    name: Required[str]
    status: str


class CheckOut(TypedDict, total=False):
    ok: Required[bool]
    detail: Required[str]
    field: str
    error_category: str
    hint: str


class DeletionOut(TypedDict, total=False):
    deleted: Required[bool]
    entities: Required[int]
    confirmation_token: str
    expires_in_seconds: int


class HitsOut(TypedDict, total=False):
    hits: Required[list[dict[str, Any]]]
    matched: str
    next_cursor: str


class EntitiesOut(ItemsOut, total=False):
    total: int
    counts: dict[str, int]


class EntityOut(TypedDict, total=False):
    entity_id: Required[str]
    untrusted: Required[dict[str, Any]]
    total_chars: int
    next_offset: int


def reply(
    text: str, structured: Structured, *, notes: Sequence[str] = (), next_step: str = ""
) -> CallToolResult:
    """Build a successful result, with notes and the next step in the text and in the data."""
    lines = [text, *(f"Note: {note}" for note in notes)]
    if notes:
        structured = structured | {"notes": list(notes)}
    if next_step:
        lines.append(f"Next: {next_step}")
        structured = structured | {"next_step": next_step}
    return CallToolResult(
        content=[TextContent(type="text", text="\n".join(lines))], structured_content=structured
    )


def add_notes(result: CallToolResult, notes: Sequence[str]) -> CallToolResult:
    """Return the result with further notes in its text and in its data."""
    if not notes:
        return result
    data: Structured = result.structured_content or {}
    told = [*data.get("notes", ()), *notes]
    text = TextContent(type="text", text="\n".join(f"Note: {note}" for note in notes))
    return result.model_copy(
        update={
            "content": [*result.content, text],
            "structured_content": data if result.is_error else data | {"notes": told},
        }
    )


def to_plain(value: BaseModel) -> Structured:
    """Convert a domain object to JSON types: no nulls, timestamps in UTC with Z."""
    return cast("Structured", _plain(value))


def timestamp(moment: datetime) -> str:
    """Format a time as ISO 8601 in UTC with Z. A time without a zone is taken as UTC."""
    if moment.tzinfo is UTC:
        return _format_utc(moment)
    return _format_utc(
        moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    )


# The same times are shown again and again. Cache only UTC times: in other zones the two times that
# share one clock reading when summer time ends compare equal.
@lru_cache(maxsize=4096)
def _format_utc(moment: datetime) -> str:
    timespec = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def connection_out(connection: Connection) -> Structured:
    """Return all fields of a connection, but for a large configuration and rare entity types."""
    entities = connection.entities
    if len(entities.by_type) > _TYPES_MAX:
        counted = sorted(entities.by_type.items(), key=lambda item: -item[1].count)
        common = entities.model_copy(update={"by_type": dict(counted[:_TYPES_MAX])})
        connection = connection.model_copy(update={"entities": common})
    data = to_plain(connection)
    data["entities"] |= _omitted_types(entities)
    schedule = connection.schedule
    if schedule and schedule.next_run and schedule.timezone != "UTC":
        local = localize(schedule.next_run, schedule.timezone)
        data["schedule"]["next_run_local"] = local.isoformat(timespec="seconds")
    if not is_within(data["config"], _CONFIG_MAX_BYTES):
        data["config"] = {}
        data["config_omitted"] = True
    if connection.error_message:
        data["error_message"] = one_line(connection.error_message, _DETAILS_MAX_CHARS)
    if connection.sync.last_job:
        _add_derived(data["sync"]["last_job"], connection.sync.last_job)
    return data | _attention_out(connection)


def _attention_out(connection: Connection) -> Structured:
    needed = [to_plain(each) for each in connection.attention]
    return {"attention": needed} if needed else {}


def _omitted_types(entities: EntitySummary) -> Structured:
    omitted = len(entities.by_type) - _TYPES_MAX
    return {"types_omitted": omitted} if omitted > 0 else {}


def connection_brief(connection: Connection) -> Structured:
    """Return the fields of a connection that a list shows."""
    last = connection.sync.last_job
    brief: Structured = {
        "id": connection.id,
        "name": connection.name,
        "short_name": connection.short_name,
        "readable_collection_id": connection.readable_collection_id,
        "status": connection.status.value,
        "total_entities": connection.entities.total_entities,
    }
    if last:
        shown: Structured = {"id": last.id, "status": last.status.value}
        brief["last_job"] = shown
        if at := last.completed_at or last.began_at:
            shown["at"] = timestamp(at)
        if last.warnings:
            shown["warnings"] = _warnings_out(last)
        if last.error:
            shown["error"] = one_line(last.error)
    schedule = connection.schedule
    if schedule and schedule.next_run:
        brief["next_run"] = timestamp(schedule.next_run)
    if schedule and schedule.paused:
        brief["paused"] = True
    return brief | _attention_out(connection)


def job_out(job: Job) -> Structured:
    """Return all fields of a job."""
    data = to_plain(job)
    _add_derived(data, job)
    return data


def source_brief(source: SourceInfo) -> Structured:
    """Return the fields of a source that a list shows."""
    return {
        "short_name": source.short_name,
        "name": source.name,
        "description": one_line(source.description, DESCRIPTION_MAX_CHARS),
        "auth_methods": [method.value for method in source.auth_methods],
        "auth_required": source.auth_required,
        "needs": source.needs(),
    }


def page_out(items: Sequence[Structured], page: Page[Any]) -> Structured:
    """Build one page of a list."""
    data: Structured = {"items": list(items)}
    if page.next_cursor:
        data["next_cursor"] = page.next_cursor
    if page.note:
        data["note"] = page.note
    return data


def _add_derived(data: Structured, job: Job) -> None:
    """Add derived fields to a job's data, and cut foreign texts to a bounded length."""
    if not job.deletions_held:
        del data["deletions_held"]
    data["entities_processed"] = job.entities_processed
    if job.warnings:
        data["warnings"] = _warnings_out(job)
    for name in ("error", "error_details"):
        if name in data:
            data[name] = clean(str(data[name]))[:_DETAILS_MAX_CHARS]


def _warnings_out(job: Job) -> list[Structured]:
    return [to_plain(warning) | _reasons_out(warning) for warning in job.warnings]


def _reasons_out(warning: JobWarning) -> Structured:
    told = [
        {"reason": one_line(found.reason, REASON_MAX_CHARS), "count": found.count}
        for found in warning.findings[:REASONS_MAX]
        if warning.kind in (WarningKind.SKIPPED, WarningKind.FAILED)
    ]
    return {"untrusted_reasons": told} if told else {}


def _plain(value: object) -> object:
    # Check plain types first: most values have one, and calls spend most of their time here.
    kind = type(value)
    if kind in _PLAIN_TYPES:
        return value
    if kind is dict:
        items = cast("Mapping[str, object]", value).items()
        return {str(k): v if type(v) in _PLAIN_TYPES else _plain(v) for k, v in items}
    if isinstance(value, BaseModel):
        held = vars(value)
        return {
            name: v if type(v) in _PLAIN_TYPES else _plain(v)
            for name, is_flag in _fields(kind)
            if (v := held[name]) is not None and (v or not is_flag)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, dict | Mapping):
        return {str(k): _plain(v) for k, v in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    return value


@cache
def _fields(model: type[BaseModel]) -> tuple[tuple[str, bool], ...]:
    """Return the names of the fields to show, and which are shown only when they say something."""
    return tuple(
        (name, field.exclude_if is not None)
        for name, field in model.model_fields.items()
        if not field.exclude
    )
