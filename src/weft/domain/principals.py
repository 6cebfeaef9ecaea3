"""Who calls: every call is made on behalf of one organisation, in one role."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from weft.errors import InvalidInput

LOCAL_ORGANIZATION_ID: Final = str(uuid.UUID(int=1))
"""Whom everything belongs to over stdio, where there is only one organisation."""

LOCAL_ORGANIZATION_NAME: Final = "local"
_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Role(StrEnum):
    """What a principal may do; each may do what those before it may."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do all that ``other`` may."""
        return _RANKS[self] >= _RANKS[other]


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever was let in. ``name`` is unique within an organisation, and safe to log."""

    organization_id: str
    name: str
    role: Role

    @property
    def is_local(self) -> bool:
        """Whether it belongs to the organisation of the operator."""
        return self.organization_id == LOCAL_ORGANIZATION_ID


LOCAL_PRINCIPAL: Final = Principal(LOCAL_ORGANIZATION_ID, "local", Role.ADMIN)
"""Whoever started the process and talks to it directly."""


def always_local() -> Principal:
    """The principal of a transport that only the person who started the process can reach."""
    return LOCAL_PRINCIPAL


WhoCalls = Callable[[], Principal]
"""Tells who makes the present call, from its context."""


def organization_id(name: str) -> str:
    """The id of the organisation that an operator means by ``name``. Raises InvalidInput."""
    if name == LOCAL_ORGANIZATION_NAME:
        return LOCAL_ORGANIZATION_ID
    if not _ORGANIZATION.fullmatch(name):
        raise InvalidInput(
            "organization is not a valid name.",
            field="organization",
            hint="Use up to 64 letters, digits, dots, hyphens and underscores.",
        )
    return name


def organization_name(organization_id: str) -> str:
    """What an operator calls the organisation with that id."""
    is_local = organization_id == LOCAL_ORGANIZATION_ID
    return LOCAL_ORGANIZATION_NAME if is_local else organization_id
