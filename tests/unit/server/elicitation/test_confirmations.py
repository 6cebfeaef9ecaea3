"""A token confirms one deletion, once, for five minutes."""

import string
from dataclasses import replace

import pytest

from weft.domain.access.principals import Principal, Role
from weft.errors import Conflict
from weft.server.elicitation.confirmations import LIFETIME_SECONDS, Confirmations, Effect

EFFECT = Effect("connection", ("org", "c1", "3"), 1000)


def test_token_is_good_once() -> None:
    confirmations = Confirmations()
    token = confirmations.issue(EFFECT)
    confirmations.redeem(token, EFFECT)
    with pytest.raises(Conflict, match="used already"):
        confirmations.redeem(token, EFFECT)


def test_token_that_is_written_otherwise_is_the_same_token() -> None:
    confirmations = Confirmations()
    token = confirmations.issue(EFFECT)
    confirmations.redeem(token, EFFECT)
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    # The last letter carries four bits that stand for nothing.
    last = alphabet[alphabet.index(token[-3]) ^ 1]
    with pytest.raises(Conflict, match="used already"):
        confirmations.redeem(f"{token[:-3]}{last}==", EFFECT)


def test_token_expires() -> None:
    now = [100.0]
    confirmations = Confirmations(lambda: now[0])
    token = confirmations.issue(EFFECT)
    now[0] += LIFETIME_SECONDS + 1
    with pytest.raises(Conflict, match="expired"):
        confirmations.redeem(token, EFFECT)


@pytest.mark.parametrize(
    "other",
    [
        replace(EFFECT, kind="collection"),
        replace(EFFECT, facts=("org2", "c1", "3")),
        replace(EFFECT, facts=("org", "c1", "4")),
        replace(EFFECT, facts=("org", "c13", "")),
    ],
)
def test_token_confirms_nothing_else(other: Effect) -> None:
    confirmations = Confirmations()
    with pytest.raises(Conflict):
        confirmations.redeem(confirmations.issue(EFFECT), other)


def test_token_of_another_process_is_refused() -> None:
    with pytest.raises(Conflict):
        Confirmations().redeem(Confirmations().issue(EFFECT), EFFECT)


def test_little_growth_is_covered_and_much_is_not() -> None:
    confirmations = Confirmations()
    with pytest.raises(Conflict, match="fewer entities"):
        confirmations.redeem(confirmations.issue(EFFECT), replace(EFFECT, entities=1300))
    confirmations.redeem(confirmations.issue(EFFECT), replace(EFFECT, entities=1150))


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 53, "=" * 8, "A" * 56])
def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(Conflict):
        Confirmations().redeem(token, EFFECT)


@pytest.mark.parametrize("thief", [("org", "key:two"), ("other", "key:one"), ("orgkey:", "one")])
def test_token_of_another_principal_deletes_nothing(thief: tuple[str, str]) -> None:
    confirmations = Confirmations()
    owner = Principal("org", "key:one", Role.ADMIN)
    token = confirmations.bound_to(owner).issue(EFFECT)
    with pytest.raises(Conflict, match="does not belong"):
        confirmations.bound_to(Principal(*thief, Role.ADMIN)).redeem(token, EFFECT)
    confirmations.bound_to(owner).redeem(token, EFFECT)
    with pytest.raises(Conflict, match="used already"):
        confirmations.bound_to(owner).redeem(token, EFFECT)
