"""What a person meets in a browser while authorising a connection."""

from pydantic import Field

from weft.domain.base import Frozen
from weft.domain.sources import FieldInfo


class CredentialForm(Frozen):
    """What a page that takes credentials shows; never a value that was given before."""

    connection_id: str
    connection_name: str
    source_name: str
    endpoint: str | None
    fields: tuple[FieldInfo, ...]


class ConsentStart(Frozen):
    """Where consent is given. ``browser`` is a secret that only this browser gets, so that nobody
    else can finish what it began.
    """

    url: str = Field(repr=False)
    browser: str = Field(repr=False)


class AuthOutcome(Frozen):
    """How it ended, for the person in front of the browser.

    ``redirect_to`` is complete with its query when the connection has a place to return to.
    """

    ok: bool
    message: str
    connection_id: str | None = None
    connection_name: str | None = None
    redirect_to: str | None = None
