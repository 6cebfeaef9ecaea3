"""Small sealed notes about connections of a remote API, kept until a person has finished."""

from datetime import datetime

from pydantic import Field

from weft.domain.base import Frozen, Json


class Note(Frozen):
    """A note; ``content`` may hold secrets. ``link`` is the digest of an unused link to a page."""

    kind: str
    id: str
    content: Json = Field(repr=False)
    expires_at: datetime
    link: bytes | None = None
