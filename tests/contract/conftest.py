"""Tries part of what can go wrong with a listing; `make torture` tries all of it."""

import os

import pytest

from weft.testing.source_contract import SourceContract

FAULT_SHARE = int(os.environ.get("TORTURE_FAULT_SHARE", "4"))


@pytest.fixture(autouse=True)
def fault_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault meets each way of listing, at some places of it."""
    monkeypatch.setattr(SourceContract, "fault_share", FAULT_SHARE)
