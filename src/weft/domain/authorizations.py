"""The pages that a person meets in a browser while authorising a connection."""

from pydantic import Field

from weft.domain.base import Frozen
from weft.domain.sources import FieldInfo


class CredentialForm(Frozen):
    """The contents of a page that takes credentials; it never shows a stored value.

    ``passed_on``: what is typed is not kept here but goes on to ``endpoint``, an API that keeps it.
    """

    connection_id: str
    connection_name: str
    source_name: str
    endpoint: str | None
    fields: tuple[FieldInfo, ...]
    passed_on: bool = False


class ConsentStart(Frozen):
    """The provider's consent page. Only the browser that holds ``browser`` can finish it."""

    url: str = Field(repr=False)
    browser: str = Field(repr=False)


class AuthOutcome(Frozen):
    """The outcome of an authorisation, for the person in front of the browser.

    ``redirect_to``, query included, is set when the connection names a page to return to, and
    ``next_url`` when the person has to go on to a provider's consent.
    """

    ok: bool
    message: str
    connection_id: str | None = None
    connection_name: str | None = None
    redirect_to: str | None = None
    next_url: str | None = Field(default=None, repr=False)
