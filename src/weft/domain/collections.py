"""Collections: sets of connections that are searched together."""

import re
import secrets
from datetime import datetime
from enum import StrEnum
from operator import not_
from typing import Final

from pydantic import Field

from weft.domain.base import Frozen
from weft.domain.jobs import Job
from weft.domain.reading.ways import PACKAGED
from weft.domain.text.names import validate_name_length
from weft.errors import InvalidInput

NAME_MIN_CHARS: Final = 4
NAME_MAX_CHARS: Final = 64
READABLE_ID_MAX_CHARS: Final = 80
READABLE_ID_PATTERN: Final = "^[a-z0-9]+(-[a-z0-9]+)*$"
DEFAULT_NAME: Final = "Default"
DEFAULT_READABLE_ID: Final = "default"
"""The collection of connections for which none was named."""

_SUFFIX_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


class CollectionStatus(StrEnum):
    """Status, in upper case as in Airweave's API."""

    ACTIVE = "ACTIVE"
    NEEDS_SOURCE = "NEEDS SOURCE"
    ERROR = "ERROR"


class Collection(Frozen):
    """A named set of connections whose entities are searched together.

    ``embedded_by`` is its way to embed, see `ways`; those that are ``not_embedded`` are found by
    their words alone, for now. One that is deleted has the time until which it can be restored, if
    it can.
    """

    id: str
    organization_id: str
    name: str
    readable_id: str
    status: CollectionStatus
    connection_count: int = 0
    entity_count: int = 0
    not_embedded: int = Field(default=0, exclude_if=not_)
    embedded_by: str = Field(default=PACKAGED, exclude_if=lambda way: way == PACKAGED)
    created_at: datetime
    modified_at: datetime
    restorable_until: datetime | None = Field(default=None, exclude_if=not_)


class NewCollection(Frozen):
    """A collection to create; without ``readable_id`` one is derived from the name."""

    name: str
    readable_id: str | None = None


class NotStarted(Frozen):
    """A connection whose sync was not started, why, and what to do next."""

    connection_id: str
    connection_name: str
    reason: str
    next_step: str


DEFAULT_COLLECTION: Final = NewCollection(name=DEFAULT_NAME, readable_id=DEFAULT_READABLE_ID)


class CollectionRun(Frozen):
    """The syncs that were started of a collection.

    ``more`` says that it has further connections, which were not looked at.
    """

    readable_collection_id: str
    jobs: tuple[Job, ...] = ()
    not_started: tuple[NotStarted, ...] = ()
    more: bool = False


def validate_name(name: str) -> str:
    """Return the name without space around it. Raises InvalidInput for a wrong length."""
    return validate_name_length(name, NAME_MIN_CHARS, NAME_MAX_CHARS)


def is_readable_id(text: str) -> bool:
    """Return whether a collection may have that readable id."""
    fits = re.fullmatch(READABLE_ID_PATTERN, text) is not None
    return fits and len(text) <= READABLE_ID_MAX_CHARS


def validate_readable_id(text: str) -> str:
    """Return ``text``. Raises InvalidInput unless a collection may have it as its readable id."""
    if not is_readable_id(text):
        raise InvalidInput(
            "readable_id may only have lower-case letters and digits, joined by single hyphens, "
            f"and at most {READABLE_ID_MAX_CHARS} characters.",
            field="readable_id",
            hint="For example 'team-docs'. Leave it out to have one made from the name.",
        )
    return text


def derive_readable_id(name: str, *, random_chars: int = 0) -> str:
    """Make a readable id from a name, with a random suffix if one is wanted."""
    slug = "-".join(re.findall(r"[a-z0-9]+", name.lower())) or "collection"
    if not random_chars:
        return slug[:READABLE_ID_MAX_CHARS].rstrip("-")
    suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(random_chars))
    return f"{slug[: READABLE_ID_MAX_CHARS - random_chars - 1].rstrip('-')}-{suffix}"
