"""Named keys that let programs in over HTTP."""

from datetime import datetime

from pydantic import Field

from weft.domain.access.principals import Role
from weft.domain.base import Frozen

KEY_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class ApiKey(Frozen):
    """A key's record; the key itself is shown once, when it is made."""

    name: str = Field(pattern=KEY_NAME_PATTERN)
    organization_id: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None = None
