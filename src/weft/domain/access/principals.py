"""Principals: every call is made on behalf of one organisation, in one role."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from weft.errors import InvalidInput

LOCAL_ORGANIZATION_ID: Final = str(uuid.UUID(int=1))
"""The only organisation over stdio: everything belongs to it."""

LOCAL_ORGANIZATION_NAME: Final = "local"
_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Role(StrEnum):
    """The role of a principal; each role includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Return whether this role may do all that ``other`` may."""
        return _RANKS[self] >= _RANKS[other]


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. ``name`` is unique within an organisation, and safe to log."""

    organization_id: str
    name: str
    role: Role

    @property
    def is_local(self) -> bool:
        """Return whether it belongs to the operator's organisation."""
        return self.organization_id == LOCAL_ORGANIZATION_ID


LOCAL_PRINCIPAL: Final = Principal(LOCAL_ORGANIZATION_ID, "local", Role.ADMIN)
"""The person who started the process and talks to it directly."""


def always_local() -> Principal:
    """Return the local principal, for a transport that nobody else can reach."""
    return LOCAL_PRINCIPAL


WhoCalls = Callable[[], Principal]
"""Returns the principal of the current call, from its context."""


def organization_id(name: str) -> str:
    """Return the id of the organisation that an operator calls ``name``. Raises InvalidInput."""
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
    """Return the operator's name for an organisation."""
    is_local = organization_id == LOCAL_ORGANIZATION_ID
    return LOCAL_ORGANIZATION_NAME if is_local else organization_id
