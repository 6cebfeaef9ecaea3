"""The choice of faults that stands for all of them."""

from weft.testing.listing_faults import Fault, choose_faults

FAULTS = 25
PLACES = 9
PLAN = [Fault(f"fault {n}", place) for n in range(FAULTS) for place in range(PLACES)]
RARE = [Fault("once", 0), Fault("twice", 0), Fault("twice", 1)]


def test_share_of_one_is_the_whole() -> None:
    assert choose_faults(PLAN, 1, 0) == PLAN


def test_each_fault_and_each_place_is_met_from_each_start() -> None:
    for start in range(3):
        chosen = choose_faults([*RARE, *PLAN], 4, start)
        assert {fault.name for fault in chosen} == {fault.name for fault in [*RARE, *PLAN]}
        assert {fault.place for fault in chosen} == set(range(PLACES))
        assert len(chosen) < len(PLAN) / 3


def test_as_many_starts_as_the_share_meet_all() -> None:
    chosen = [fault for start in range(4) for fault in choose_faults(PLAN, 4, start)]
    assert len(chosen) == len(PLAN)
    assert set(chosen) == set(PLAN)
