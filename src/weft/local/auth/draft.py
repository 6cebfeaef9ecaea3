"""Turns what a caller wishes for into a connection's columns, or says what is wrong with it."""

from dataclasses import dataclass
from datetime import datetime

from weft.domain.base import Json
from weft.domain.connections import (
    NAME_MAX_CHARS,
    AuthMethod,
    validate_description,
    validate_name,
)
from weft.domain.schedules import Schedule, ScheduleSpec, merge_schedule
from weft.errors import InvalidInput
from weft.local.auth.oauth_clients import OAuthClient
from weft.sources.base import AnySource


@dataclass(frozen=True, slots=True)
class AuthDraft:
    """How a connection will authenticate.

    ``stored`` is what is sealed, None while it is still missing. ``client`` is its own OAuth client
    for an authorisation in a browser that is still to come.
    """

    method: AuthMethod
    stored: Json | None
    expires_at: datetime | None = None
    auth_provider: str | None = None
    client: OAuthClient | None = None
    redirect_url: str | None = None


def draft_name(name: str | None, kind: type[AnySource]) -> str:
    """The given name, or the documented default."""
    return f"{kind.name} Connection"[:NAME_MAX_CHARS] if name is None else validate_name(name)


def draft_description(description: str | None) -> str | None:
    """The given description, if it is not too long."""
    return validate_description(description) or None if description is not None else None


def draft_schedule(
    kind: type[AnySource], spec: ScheduleSpec, base: Schedule | None
) -> Schedule | None:
    """As `merge_schedule`, of what the source can do; with a cursor field to begin with."""
    merged = merge_schedule(spec, base)
    if merged is None:
        return None
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
    return schedule.cron, schedule.timezone, schedule.continuous
