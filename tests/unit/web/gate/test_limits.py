"""Slots and rates."""

from dataclasses import dataclass

import pytest

from weft.web.gate.limits import SMALL_BODY_BYTES, LargeBodies, Rates, RateStatus, Slots, Strangers


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_slot_is_free_again_however_its_block_ends() -> None:
    slots = Slots(1)
    with slots.hold() as first, slots.hold() as second:
        assert (first, second) == (True, False)
    with pytest.raises(KeyError), slots.hold():
        raise KeyError
    assert slots.taken == 0
    with slots.hold() as again:
        assert again


def test_a_minutes_requests_are_granted_and_then_told_to_wait() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    assert [rates.take("a") for _ in range(60)] == [0.0] * 60
    assert rates.take("a") == pytest.approx(1.0)
    clock.now += 0.75
    assert rates.take("a") == pytest.approx(0.25)
    clock.now += 0.25
    assert rates.take("a") == 0.0


def test_callers_do_not_use_up_one_anothers_requests() -> None:
    rates = Rates(1, Clock())
    assert rates.take("a") == 0.0
    assert rates.take("a") > 0
    assert rates.take("b") == 0.0


def test_callers_who_are_long_gone_are_forgotten_and_others_are_not() -> None:
    clock = Clock()
    rates = Rates(1, clock)
    for number in range(10_000):
        rates.take(number)
    clock.now += 60
    rates.take("late")
    assert rates.take("late") > 0
    clock.now += 30
    for number in range(10_000):
        rates.take(number)
    assert rates.take("late") > 0


def test_a_caller_is_told_what_is_left_and_when_all_is_back() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    assert rates.status("a") == RateStatus(limit=60, remaining=60, full_in_seconds=0.0)
    for _ in range(60):
        rates.take("a")
    assert rates.status("a") == RateStatus(limit=60, remaining=0, full_in_seconds=60.0)
    clock.now += 15
    assert rates.status("a") == RateStatus(limit=60, remaining=15, full_in_seconds=45.0)
    assert rates.status("b").remaining == 60


@dataclass(eq=False)
class Socket:
    is_idle: bool
    is_cut: bool = False

    def cut(self) -> None:
        self.is_cut = True


def test_stranger_who_comes_costs_the_one_idle_for_longest_its_place() -> None:
    strangers = Strangers(3)
    busy, older, newer = Socket(is_idle=False), Socket(is_idle=True), Socket(is_idle=True)
    for one in (busy, older, newer, Socket(is_idle=True)):
        strangers.enter(one)
    assert (busy.is_cut, older.is_cut, newer.is_cut) == (False, True, False)


def test_stranger_being_answered_gives_way_only_to_who_finds_no_other() -> None:
    strangers = Strangers(2)
    older, newer = Socket(is_idle=False), Socket(is_idle=False)
    for one in (older, newer, Socket(is_idle=True)):
        strangers.enter(one)
    assert (older.is_cut, newer.is_cut) == (True, False)


def test_caller_who_is_known_gives_its_place_back_and_is_never_cut() -> None:
    strangers = Strangers(1)
    known = Socket(is_idle=True)
    strangers.enter(known)
    strangers.leave(known)
    strangers.leave(known)
    for _ in range(3):
        strangers.enter(Socket(is_idle=True))
    assert not known.is_cut


def test_large_bodies_share_a_bound_and_small_ones_need_none() -> None:
    bodies = LargeBodies(1_000_000)
    with bodies.hold("one") as first, bodies.hold("two") as second, bodies.hold("three") as third:
        assert first(SMALL_BODY_BYTES + 300_000)
        assert first(SMALL_BODY_BYTES + 400_000)
        assert second(SMALL_BODY_BYTES + 400_000)
        assert not third(SMALL_BODY_BYTES + 300_000)
        assert third(SMALL_BODY_BYTES)
        assert third(SMALL_BODY_BYTES + 200_000)
        assert bodies.taken == 1_000_000
    assert bodies.taken == 0


def test_one_caller_leaves_half_of_the_room_for_large_bodies_to_others() -> None:
    bodies = LargeBodies(1_000_000)
    with bodies.hold("greedy") as first:
        assert first(SMALL_BODY_BYTES + 300_000)
        with bodies.hold("greedy") as second, bodies.hold("other") as third:
            assert not second(SMALL_BODY_BYTES + 300_000)
            assert third(SMALL_BODY_BYTES + 300_000)
    with bodies.hold("greedy") as again:
        assert again(SMALL_BODY_BYTES + 500_000)
