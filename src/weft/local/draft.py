"""Turns what a caller wishes for into a connection's columns, or says what is wrong with it."""

from dataclasses import dataclass
from datetime import datetime

from weft.domain.base import Json
from weft.domain.connections import (
    NAME_MAX_CHARS,
    AuthMethod,
    checked_description,
    checked_name,
)
from weft.domain.schedules import Schedule, ScheduleSpec, validate_cron, validate_timezone
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
    return f"{kind.name} Connection"[:NAME_MAX_CHARS] if name is None else checked_name(name)


def draft_description(description: str | None) -> str | None:
    """The given description, if it is not too long."""
    return checked_description(description) or None if description is not None else None


def draft_schedule(
    kind: type[AnySource], spec: ScheduleSpec, base: Schedule | None
) -> Schedule | None:
    """``base`` with what ``spec`` gives, validated; an empty spec or result means no schedule."""
    given = spec.model_dump(include=spec.model_fields_set)
    if not any(value is not None for value in given.values()):
        return None
    merged = (base or Schedule()).model_dump(
        include={"cron", "timezone", "continuous", "cursor_field"}
    )
    if given.get("cron"):
        # Whoever asks for a cron wants it to fire, which it does not beside continuous syncing.
        merged["continuous"] = False
    merged |= given
    cron = validate_cron(merged["cron"]) if merged["cron"] else None
    continuous = bool(merged["continuous"])
    if continuous and not kind.supports_continuous:
        raise InvalidInput(
            f"The source '{kind.short_name}' does not support continuous sync.",
            field="schedule.continuous",
            hint="Use schedule.cron instead.",
        )
    if merged["cursor_field"] and merged["cursor_field"] not in kind.cursor_fields:
        known = ", ".join(kind.cursor_fields) or "none"
        raise InvalidInput(
            "schedule.cursor_field is not a cursor field of this source.",
            field="schedule.cursor_field",
            hint=f"Known: {known}.",
        )
    if cron is None and not continuous:
        raise InvalidInput(
            "schedule needs cron or continuous.",
            field="schedule",
            hint="For example {'cron': '0 2 * * *'} for daily at 02:00 UTC.",
        )
    drafted = Schedule(
        cron=cron,
        timezone=validate_timezone(merged["timezone"] or "UTC"),
        continuous=continuous,
        cursor_field=merged["cursor_field"]
        or (kind.cursor_fields[0] if continuous and kind.cursor_fields else None),
    )
    unchanged = base is not None and _timing(drafted) == _timing(base)
    return drafted.model_copy(update={"next_run": base.next_run}) if base and unchanged else drafted


def _timing(schedule: Schedule) -> tuple[object, ...]:
    return schedule.cron, schedule.timezone, schedule.continuous
