"""Turns a caller's request into a connection's columns, or says what is wrong with it."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from weft.domain.base import Json
from weft.domain.connections import (
    NAME_MAX_CHARS,
    AuthMethod,
    ConnectionChange,
    NewConnection,
    validate_description,
    validate_name,
)
from weft.domain.pushing import INGEST, how_to_push
from weft.domain.schedules import (
    Schedule,
    ScheduleSpec,
    merge_schedule,
    refuse_pause_out_of_range,
)
from weft.errors import InvalidInput
from weft.local.auth.oauth_clients import OAuthClient
from weft.local.store.base import ConnectionRow
from weft.sources.base import AnySource

COLUMNS: Final = frozenset(field.name for field in fields(ConnectionRow))
_DEPENDENT: Final = {"config", "readable_collection_id", "redirect_url", "schedule"}


@dataclass(frozen=True, slots=True)
class AuthDraft:
    """A connection's authentication before it is stored.

    ``stored`` will be sealed; it is None while credentials are missing. ``client`` is the
    connection's own OAuth client, for an authorisation in a browser that has yet to happen.
    """

    method: AuthMethod
    stored: Json | None
    expires_at: datetime | None = None
    auth_provider: str | None = None
    client: OAuthClient | None = None
    redirect_url: str | None = None


def draft_columns(
    request: NewConnection | ConnectionChange, kind: type[AnySource]
) -> dict[str, Any]:
    """Validate and return the columns that ``request`` sets and that depend on nothing else."""
    given = request.model_fields_set
    if isinstance(request, NewConnection):
        given = NewConnection.model_fields.keys()
    columns = {name: getattr(request, name) for name in (COLUMNS - _DEPENDENT) & given}
    if "name" in columns:
        columns["name"] = _draft_name(columns["name"], kind)
    if columns.get("description") is not None:
        columns["description"] = validate_description(columns["description"]) or None
    return columns


def draft_schedule(
    kind: type[AnySource], spec: ScheduleSpec, base: Schedule | None, now: datetime
) -> Schedule | None:
    """Merge ``spec`` into ``base``, check that the source can do it, and fill in a cursor field."""
    merged = merge_schedule(spec, base)
    if merged is None:
        return None
    if kind.short_name == INGEST:
        raise InvalidInput(
            "A connection that is pushed to has no schedule: there is nothing to pull.",
            field="schedule",
            hint=how_to_push(),
        )
    if spec.paused_until is not None:
        refuse_pause_out_of_range(merged, now)
    if merged.continuous and not kind.supports_continuous:
        raise InvalidInput(
            f"The source '{kind.short_name}' does not support continuous sync.",
            field="schedule.continuous",
            hint="Use schedule.cron instead.",
        )
    if merged.cursor_field and merged.cursor_field not in kind.cursor_fields:
        known = ", ".join(kind.cursor_fields) or "none"
        raise InvalidInput(
            "schedule.cursor_field is not a cursor field of this source.",
            field="schedule.cursor_field",
            hint=f"Known: {known}.",
        )
    first = kind.cursor_fields[0] if merged.continuous and kind.cursor_fields else None
    drafted = merged.model_copy(update={"cursor_field": merged.cursor_field or first})
    unchanged = base is not None and _timing(drafted) == _timing(base)
    return drafted.model_copy(update={"next_run": base.next_run}) if base and unchanged else drafted


def _timing(schedule: Schedule) -> tuple[object, ...]:
    times = schedule.cron, schedule.timezone, schedule.continuous
    return *times, schedule.paused, schedule.paused_until


def _draft_name(name: str | None, kind: type[AnySource]) -> str:
    return f"{kind.name} Connection"[:NAME_MAX_CHARS] if name is None else validate_name(name)
