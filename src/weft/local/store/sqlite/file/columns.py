"""The columns of a connection, for the SQL that lists them.

They follow from the fields of `ConnectionRow`, so SQL writes and reads a new field along with the
others.
"""

from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from typing import Final

from weft.domain.connections import Connection
from weft.local.store.records import ConnectionRow

# The collection and the schedule are kept in other columns.
STORED: Final = tuple(
    field.name
    for field in fields(ConnectionRow)
    if field.name not in ("readable_collection_id", "schedule")
)
FIXED: Final = ("id", "organization_id", "sync_id", "short_name")
AUTH: Final = (
    "auth_method",
    "authenticated_at",
    "auth_expires_at",
    "credentials",
    "auth_provider",
)
STATE: Final = ("state", "error_category", "error_message")
"""Columns that an update leaves alone unless it is told to set them."""

# Columns that are shown unchanged and under their own name.
SHOWN: Final = tuple(
    name for name in STORED if name in Connection.model_fields and name != "config"
)
_UNREAD: Final = ("credentials", "host")


@cache
def placeholders() -> dict[str, str]:
    """Return the text that replaces each `{placeholder}` of the SQL."""
    plain = (name for name in STORED if name not in (*FIXED, *AUTH, *STATE))
    return {
        "{connection.names}": ", ".join(STORED),
        "{connection.values}": ", ".join(f":{name}" for name in STORED),
        "{connection.read}": ", ".join(f"c.{n}" for n in STORED if n not in _UNREAD),
        "{connection.changes}": ",\n  ".join(
            [
                *(f"{name} = :{name}" for name in plain),
                *_set_if("set_auth", AUTH),
                *_set_if("set_state", STATE),
            ]
        ),
    }


def _set_if(condition: str, names: Iterable[str]) -> Iterable[str]:
    return (f"{name} = CASE WHEN :{condition} THEN :{name} ELSE {name} END" for name in names)
