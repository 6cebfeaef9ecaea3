"""Builds the bodies of requests to Airweave's API."""

from typing import Final

from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import Auth, NewConnection
from weft.domain.schedules import Schedule, ScheduleSpec, merge_schedule
from weft.errors import InvalidInput, Unsupported

CONTINUOUS_CRON: Final = "*/5 * * * *"
"""The cron that Airweave gives continuous sources; its flag alone would mean no schedule."""

# Without the key, or with null, Airweave schedules a daily sync.
NO_SCHEDULE: Final[Json] = {"cron": None}


def new_collection(new: NewCollection, readable_id: str) -> Json:
    """Build the body of POST /collections."""
    return {"name": new.name, "readable_id": readable_id}


def new_connection(new: NewConnection) -> Json:
    """Build the body of POST /source-connections.

    Raises InvalidInput for an invalid schedule, and Unsupported for one that the API cannot hold.
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
    every later sync fails. Raises Unsupported for a time zone, which Airweave ignores.
    """
    merged = merge_schedule(spec, base)
    if merged is None:
        return dict(NO_SCHEDULE)
    _refuse_timezone(merged.timezone)
    body: Json = {"cron": merged.cron or CONTINUOUS_CRON, "continuous": merged.continuous}
    if merged.cursor_field:
        body["cursor_field"] = merged.cursor_field
    return body


def _refuse_timezone(name: str) -> None:
    if name != "UTC":
        raise Unsupported(
            "The Airweave API reads cron in UTC only.",
            field="schedule.timezone",
            hint="Leave schedule.timezone out and give schedule.cron in UTC.",
        )
