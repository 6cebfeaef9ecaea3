"""Leases run out by time that was seen to pass, and by no jump of it."""

from weft.local.store.sqlite.tables.leases import LeaseWatch


def test_time_that_a_stopped_process_did_not_see_pass_lets_no_lease_run_out() -> None:
    watch = LeaseWatch()
    looks = [watch.find_expired({"job:1": 10.0}, now) for now in (0, 1000, 1002.5, 1005, 1007.5)]
    # A look counts for no more than the time between two renewals.
    assert looks == [[], [], [], [], []]
    assert watch.find_expired({"job:1": 10.0}, 1010) == ["job:1"]
    assert watch.find_expired({"job:1 renewed": 10.0}, 1012.5) == []


def test_each_lease_is_judged_by_its_own_length() -> None:
    watch = LeaseWatch()
    leases = {"short": 1.0, "long": 10.0}
    found = [watch.find_expired(leases, now * 0.25) for now in range(6)]
    assert found[-1] == ["short"]
    assert all(not each for each in found[:-1])
