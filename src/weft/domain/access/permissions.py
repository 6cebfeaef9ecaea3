"""Permissions: the operator's ceilings, and below them the caller's role."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from weft.domain.access.principals import Principal, Role
from weft.errors import NotPermitted


class Impact(StrEnum):
    """The effect of an operation on stored data."""

    READS = "reads"
    CHANGES = "changes"
    DELETES = "deletes"


_ROLE_NEEDED = {
    Impact.READS: Role.READ,
    Impact.CHANGES: Role.WRITE,
    Impact.DELETES: Role.ADMIN,
}


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The operator's limits on every transport; no role and no call lifts them.

    ``toolsets`` is empty when all families are offered.
    """

    read_only: bool = False
    no_delete: bool = False
    toolsets: Collection[str] = ()

    def refusal(self, impact: Impact, toolset: str, principal: Principal) -> NotPermitted | None:
        """Return an error that names the setting or role in the way, or None if it is allowed."""
        if self.toolsets and toolset not in self.toolsets:
            return NotPermitted(
                f"The operator does not offer the toolset '{toolset}' here (WEFT_TOOLSETS).",
                hint=_OPERATOR,
            )
        if self.read_only and impact is not Impact.READS:
            return NotPermitted("This server is read-only (WEFT_READ_ONLY).", hint=_OPERATOR)
        if self.no_delete and impact is Impact.DELETES:
            return NotPermitted("This server deletes nothing (WEFT_NO_DELETE).", hint=_OPERATOR)
        needed = _ROLE_NEEDED[impact]
        if not principal.role.includes(needed):
            return NotPermitted(
                f"The role '{principal.role.value}' may not do this: it needs '{needed.value}'.",
                hint="Ask the operator for a key with that role.",
            )
        return None


NO_CEILINGS: Final = Ceilings()
"""Everything is offered, within the caller's role."""

_OPERATOR = "Only the operator can change that."
