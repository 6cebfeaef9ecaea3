"""Errors as the API answers them."""

import json
from typing import Any

import pytest

from weft.errors import (
    AccessDenied,
    Ambiguous,
    AuthenticationFailed,
    Conflict,
    InvalidInput,
    NotFound,
    NotPermitted,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    StorageFailed,
    Unsupported,
    WeftError,
)
from weft.web.rest.error_responses import error_response

JOB_ID = "550e8400-e29b-41d4-a716-446655440000"


def answer_to(error: WeftError, **body: Any) -> tuple[int, Any, dict[str, str]]:
    response = error_response(error, {"limit"}, body)
    return response.status_code, json.loads(bytes(response.body)), dict(response.headers)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("Gone.", field="connection_id"), 404),
        (Ambiguous("Several."), 409),
        (Conflict("Runs."), 409),
        (NotPermitted("No."), 403),
        (Unsupported("Cannot."), 400),
        (RateLimited("Busy."), 429),
        (SourceUnavailable("Down."), 502),
        (StorageFailed("Full."), 503),
    ],
)
def test_every_error_has_its_status_and_one_text(error: WeftError, status: int) -> None:
    answer, body, _ = answer_to(error)
    assert answer == status
    assert isinstance(body["detail"], str)


def test_what_is_not_found_is_named_as_airweave_does() -> None:
    error = NotFound("No connection has that id or name.", field="connection_id")
    assert answer_to(error)[1] == {
        "detail": "Source connection not found",
        "field": "source_connection_id",
    }


def test_a_conflict_names_the_job_in_the_way() -> None:
    error = Conflict("A sync is running.", hint="Call cancel_job first.", job_id=JOB_ID)
    assert answer_to(error)[1] == {"detail": "A sync is running.", "job_id": JOB_ID}


def test_hints_for_agents_are_left_out_and_others_kept() -> None:
    hint = "Did you mean 'token'? Call get_source for all. Known: token."
    _, body, _ = answer_to(Unsupported("No.", hint=hint))
    assert body["detail"] == "No. Did you mean 'token'? Known: token."


@pytest.mark.parametrize(
    ("error", "loc", "kind"),
    [
        (InvalidInput("Bad.", field="limit"), ["query", "limit"], "value_error"),
        (InvalidInput("Bad.", field="schedule.cron"), ["body", "schedule", "cron"], "value_error"),
        (InvalidInput("Bad."), ["body"], "value_error"),
        (
            SourceMisconfigured("No.", field="config.repo"),
            ["body", "config", "repo"],
            "config_invalid",
        ),
        (AccessDenied("No.", field="config.path"), ["body", "config", "path"], "access_denied"),
        (AuthenticationFailed("No."), ["body", "authentication"], "api_key_invalid"),
    ],
)
def test_what_is_wrong_is_located_in_the_request(
    error: WeftError, loc: list[str], kind: str
) -> None:
    status, body, _ = answer_to(error, authentication={"credentials": {}})
    assert status == 422
    assert [(problem["loc"], problem["type"]) for problem in body["detail"]] == [(loc, kind)]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RateLimited("Busy.", retry_after=2.4), "3"),
        (RateLimited("Busy."), "5"),
        (StorageFailed("Full."), "5"),
    ],
)
def test_who_should_try_later_is_told_when(error: WeftError, seconds: str) -> None:
    assert answer_to(error)[2]["retry-after"] == seconds
