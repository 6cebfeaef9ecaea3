"""Held-up jobs show their reason, and other jobs do not."""

from datetime import UTC, datetime

import pytest

from weft.domain.jobs import Job, JobStatus, JobTrigger
from weft.local.job_holds import JobHolds


def job(job_id: str, status: JobStatus) -> Job:
    return Job(
        id=job_id,
        source_connection_id="c",
        status=status,
        trigger=JobTrigger.MANUAL,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_trouble_of_a_job_is_told_until_it_is_released() -> None:
    waits, running = JobHolds(), job("a", JobStatus.RUNNING)
    assert waits.hold("a", "The disk is full.")
    assert not waits.hold("a", "The disk is full.")
    assert str(waits.annotate(running).error).startswith("The disk is full. Waiting")
    assert waits.annotate(job("b", JobStatus.RUNNING)).error is None
    assert waits.annotate(job("a", JobStatus.CANCELLED)).error is None
    waits.release("a")
    assert waits.annotate(running) is running


@pytest.mark.parametrize(
    ("status", "held"), [(JobStatus.PENDING, True), (JobStatus.RUNNING, False)]
)
def test_trouble_of_the_queue_is_told_of_jobs_that_wait_in_it(
    status: JobStatus, held: bool
) -> None:
    waits = JobHolds()
    assert not waits.hold_queue(None)
    assert waits.hold_queue("Locked.")
    assert (waits.annotate(job("a", status)).error is not None) is held
    assert waits.hold_queue(None)
    assert waits.annotate(job("a", status)).error is None
