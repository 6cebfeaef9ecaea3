"""Jobs: states, counts, and a diagnosis for each way to fail."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from weft.domain.jobs import LIVE_STATUSES, Job, JobStatus, JobTrigger, diagnose
from weft.errors import ErrorCategory

CONNECTION_ID = "550e8400-e29b-41d4-a716-446655440000"


def make_job(status: JobStatus = JobStatus.FAILED, **fields: Any) -> Job:
    values: dict[str, Any] = {
        "id": "j1",
        "source_connection_id": CONNECTION_ID,
        "status": status,
        "trigger": JobTrigger.MANUAL,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Job.model_validate(values | fields)


@pytest.mark.parametrize("status", list(JobStatus))
def test_status_is_read_in_any_case_and_written_in_capitals(status: JobStatus) -> None:
    assert JobStatus(status.value.lower()) is status
    assert JobStatus(status.value.title()) is status
    assert str(status) == status.name


@pytest.mark.parametrize("value", ["", "done", "running ", None, 1])
def test_unknown_status_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a valid JobStatus"):
        JobStatus(value)


def test_status_is_either_live_or_terminal() -> None:
    assert {JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELLING} == LIVE_STATUSES
    assert {status for status in JobStatus if not status.is_terminal} == LIVE_STATUSES


def test_processed_counts_everything_but_deletions() -> None:
    counted = make_job(
        entities_inserted=1,
        entities_updated=10,
        entities_deleted=100,
        entities_unchanged=1_000,
        entities_skipped=10_000,
        entities_failed=100_000,
    )
    assert counted.entities_processed == 111_011


@pytest.mark.parametrize("category", list(ErrorCategory))
def test_every_category_has_a_diagnosis_with_a_next_step(category: ErrorCategory) -> None:
    found = diagnose(make_job(error_category=category))
    assert found is not None
    assert found.category is category
    assert "{connection}" not in found.next_step, "the placeholder of the connection is filled in"
    assert CONNECTION_ID in found.next_step or "operator" in found.next_step


def test_diagnoses_tell_categories_apart() -> None:
    found = [diagnose(make_job(error_category=category)) for category in ErrorCategory]
    assert len({item.likely_cause for item in found if item}) == len(ErrorCategory)


def test_failure_without_category_blames_nobody() -> None:
    found = diagnose(make_job())
    assert found is not None
    assert found.category is None
    assert "Weft" not in found.likely_cause


@pytest.mark.parametrize("status", [status for status in JobStatus if status != JobStatus.FAILED])
def test_only_a_failed_job_has_a_diagnosis(status: JobStatus) -> None:
    assert diagnose(make_job(status, error_category=ErrorCategory.INTERNAL)) is None


def test_job_can_neither_be_changed_nor_have_unknown_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make_job().status = JobStatus.COMPLETED  # pyright: ignore[reportAttributeAccessIssue] (the point)
    with pytest.raises(ValidationError, match="Extra inputs"):
        make_job(colour="red")
