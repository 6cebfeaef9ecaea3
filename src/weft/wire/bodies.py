"""Builds the bodies of requests to Airweave's API."""

from typing import Final

from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import Auth, NewConnection
from weft.domain.schedules import Schedule, ScheduleSpec, merge_schedule
from weft.errors import InvalidInput

CONTINUOUS_CRON: Final = "*/5 * * * *"
"""The cron that Airweave gives continuous sources; its flag alone would mean no schedule."""

# Without the key, or with null, Airweave schedules a daily sync.
NO_SCHEDULE: Final[Json] = {"cron": None}


def new_collection(new: NewCollection, readable_id: str) -> Json:
    """Build the body of POST /collections."""
    return {"name": new.name, "readable_id": readable_id}


def new_connection(new: NewConnection) -> Json:
    """Build the body of POST /source-connections.

    Raises InvalidInput for an invalid schedule.
    """
    body: Json = {
        "short_name": new.short_name,
        "readable_collection_id": new.readable_collection_id,
    }
    optional: Json = {
        "schedule": None if new.schedule is None else schedule(new.schedule, None),
        "name": new.name,
        "description": new.description,
        "sync_immediately": new.sync_immediately,
        "redirect_url": new.redirect_url,
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    if new.config:
        body["config"] = new.config
    if new.auth is not None:
        body["authentication"] = authentication(new.auth)
    return body


def authentication(auth: Auth) -> Json:
    """Build Airweave's untagged form of ``auth``. Raises InvalidInput unless it is one method."""
    try:
        method = auth.method
    except ValueError:
        raise InvalidInput(
            "auth needs exactly one of: direct, oauth_browser, oauth_token, auth_provider.",
            field="auth",
        ) from None
    given: Json = getattr(auth, method.value).model_dump(mode="json", exclude_none=True)
    return given


def schedule(spec: ScheduleSpec, base: Schedule | None) -> Json:
    """Merge ``spec`` into ``base``, as the API replaces a schedule.

    Raises InvalidInput for an invalid schedule: Airweave's PATCH stores any text as cron, and then
    every later sync fails. What only Weft's own API knows is left out where it says nothing.
    """
    merged = merge_schedule(spec, base)
    if merged is None:
        return dict(NO_SCHEDULE)
    body: Json = {"cron": merged.cron or CONTINUOUS_CRON, "continuous": merged.continuous}
    if merged.cursor_field:
        body["cursor_field"] = merged.cursor_field
    if merged.timezone != "UTC":
        body["timezone"] = merged.timezone
    present = base or Schedule()
    if (merged.paused, merged.paused_until) == (present.paused, present.paused_until):
        return body
    if merged.paused_until:
        return body | {"paused_until": merged.paused_until.isoformat()}
    return body | {"paused": merged.paused}
