"""Roles and ceilings: each refuses the right calls, and ceilings come first."""

import pytest

from weft.domain.access.permissions import Ceilings, Impact
from weft.domain.access.principals import (
    LOCAL_ORGANIZATION_ID,
    LOCAL_PRINCIPAL,
    Principal,
    Role,
    organization_id,
)
from weft.errors import InvalidInput

ALLOWED = {
    Role.READ: {Impact.READS},
    Role.WRITE: {Impact.READS, Impact.CHANGES},
    Role.ADMIN: set(Impact),
}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_it_is_for(role: Role) -> None:
    principal = Principal("any", "any", role)
    allowed = {i for i in Impact if Ceilings().refusal(i, "jobs", principal) is None}
    assert allowed == ALLOWED[role]


@pytest.mark.parametrize(
    ("ceilings", "impact", "named"),
    [
        (Ceilings(read_only=True), Impact.CHANGES, "WEFT_READ_ONLY"),
        (Ceilings(read_only=True), Impact.DELETES, "WEFT_READ_ONLY"),
        (Ceilings(no_delete=True), Impact.DELETES, "WEFT_NO_DELETE"),
        (Ceilings(toolsets={"search"}), Impact.READS, "WEFT_TOOLSETS"),
    ],
)
def test_no_role_lifts_a_ceiling(ceilings: Ceilings, impact: Impact, named: str) -> None:
    refused = ceilings.refusal(impact, "jobs", LOCAL_PRINCIPAL)
    assert refused is not None
    assert named in str(refused)


def test_what_is_below_a_ceiling_is_allowed() -> None:
    assert Ceilings(read_only=True).refusal(Impact.READS, "jobs", LOCAL_PRINCIPAL) is None
    assert Ceilings(no_delete=True).refusal(Impact.CHANGES, "jobs", LOCAL_PRINCIPAL) is None
    assert Ceilings(toolsets={"jobs"}).refusal(Impact.DELETES, "jobs", LOCAL_PRINCIPAL) is None


def test_an_organisation_is_named_or_local() -> None:
    assert organization_id("local") == LOCAL_ORGANIZATION_ID
    assert organization_id("team-1") == "team-1"
    for name in ("", "two words", "x" * 65, "a/b", "-x"):
        with pytest.raises(InvalidInput, match="organization"):
            organization_id(name)
