"""The record of changes: who did what to what, and when. It holds no values."""

from datetime import datetime
from typing import Final

from weft.domain.base import Frozen

DONE: Final = "done"


class AuditEntry(Frozen):
    """One change, or one attempt that was refused.

    ``operation`` is the tool, route or verb that was called, ``action`` the change itself.
    ``arguments_digest`` is a fingerprint of the call's arguments without secrets.
    """

    at: datetime
    organization_id: str
    principal: str
    transport: str
    operation: str
    action: str
    target_kind: str
    target_id: str
    connection_id: str | None = None
    arguments_digest: str | None = None
    outcome: str = DONE
