"""The tools that make, show, change and check a connection."""

from typing import Any

import pytest

from tests.support.server.fakes import Connect, FakeBackend
from tests.support.server.records import make_connection, make_job
from tests.support.server.tool_calls import NEW, bad, good
from weft.domain.connections import AuthDetails, AuthMethod, ConnectionStatus, SyncSummary
from weft.domain.jobs import JobStatus
from weft.errors import ErrorCategory

pytestmark = pytest.mark.anyio


async def test_created_connection_passes_on_all_that_was_given(
    connect: Connect, backend: FakeBackend
) -> None:
    text, data = await good(
        connect,
        "create_connection",
        **NEW,
        name="My repository",
        config='{"repo_name": "a/b"}',
        auth={"direct": {"credentials": {"personal_access_token": "x"}}},
        schedule={"cron": "0 2 * * *", "timezone": "Europe/Berlin"},
        sync_immediately=False,
        description="null",
    )
    (new,) = backend.connections.created
    assert new.config == {"repo_name": "a/b"}
    assert new.auth is not None
    assert new.auth.direct is not None
    assert new.auth.direct.credentials == {"personal_access_token": "x"}
    assert new.schedule is not None
    assert new.schedule.timezone == "Europe/Berlin"
    assert new.sync_immediately is False
    assert new.description == "null"
    assert data["status"] == "active"
    assert "run_sync(connection_id='c2')" in text


async def test_connection_without_a_collection_goes_into_the_default_one(
    connect: Connect, backend: FakeBackend
) -> None:
    new = {key: value for key, value in NEW.items() if key != "readable_collection_id"}
    text, data = await good(connect, "create_connection", **new)
    assert backend.connections.created[0].readable_collection_id == "default"
    assert "default" in backend.collections.rows
    said = "No collection was named, so it is in 'default'."
    assert said in text
    assert said in data["notes"]


async def test_connection_without_credentials_says_how_to_authorise_it(connect: Connect) -> None:
    text, data = await good(connect, "create_connection", **NEW)
    assert data["status"] == "pending_auth"
    assert "authorize_connection(connection_id='c2'" in text


@pytest.mark.parametrize("status", [ConnectionStatus.PENDING_AUTH, ConnectionStatus.NEEDS_REAUTH])
async def test_waiting_connection_warns_that_a_new_link_ends_the_open_one(
    connect: Connect, backend: FakeBackend, status: ConnectionStatus
) -> None:
    backend.connections.rows["c1"] = make_connection("c1", status=status)
    text, _ = await good(connect, "get_connection", connection_id="c1")
    assert "authorize_connection(connection_id='c1') for a link" in text
    assert "a new one ends it" in text
    # Secrets that are typed here are what the link is there to avoid, and may be denied.
    assert "credentials" not in text


@pytest.mark.parametrize(
    ("method", "category", "said", "unsaid"),
    [
        # No link can mend what an auth provider has lost, and a token may come without a client.
        (
            AuthMethod.AUTH_PROVIDER,
            ErrorCategory.AUTH_PROVIDER_ACCOUNT_GONE,
            "Reconnect the account at the provider, then run_sync(connection_id='c1')",
            "link",
        ),
        (
            AuthMethod.OAUTH_TOKEN,
            ErrorCategory.OAUTH_CREDENTIALS_EXPIRED,
            "or pass a new token as auth={'oauth_token': {'access_token': ...}}",
            "direct",
        ),
    ],
)
async def test_refused_connection_says_what_its_method_needs(
    connect: Connect,
    backend: FakeBackend,
    method: AuthMethod,
    category: ErrorCategory,
    said: str,
    unsaid: str,
) -> None:
    backend.connections.rows["c1"] = make_connection(
        "c1",
        status=ConnectionStatus.NEEDS_REAUTH,
        auth=AuthDetails(method=method, authenticated=True),
        error_category=category,
    )
    text, _ = await good(connect, "get_connection", connection_id="c1")
    assert said in text
    assert unsaid not in text


async def test_connection_with_a_link_shows_the_link(
    connect: Connect, backend: FakeBackend
) -> None:
    details = AuthDetails(
        method=AuthMethod.OAUTH_BROWSER, authenticated=False, auth_url="https://a.example/x"
    )
    backend.connections.rows["c1"] = make_connection(
        "c1", status=ConnectionStatus.PENDING_AUTH, auth=details
    )
    text, _ = await good(connect, "get_connection", connection_id="c1")
    assert "https://a.example/x" in text


async def test_connection_that_never_synced_says_how_to_begin(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.connections.rows["c1"] = make_connection("c1", sync=SyncSummary())
    text, _ = await good(connect, "get_connection", connection_id="c1")
    assert "run_sync(connection_id='c1')" in text
    auth = {"direct": {"credentials": {"personal_access_token": "x"}}}
    text, _ = await good(connect, "authorize_connection", connection_id="c1", auth=auth)
    assert text.count("run_sync(connection_id='c1')") == 1


async def test_connection_is_shown_in_full_with_utc_times(connect: Connect) -> None:
    text, data = await good(connect, "get_connection", connection_id="Docs Repo")
    assert data["created_at"] == "2026-01-02T03:04:05Z"
    assert data["version"] == 3
    assert "next run 2026-01-02T03:04:05Z" in text
    assert '{"repo_name": "a/b"}' in text
    assert "12" in text


async def test_connection_whose_sync_failed_names_the_call_that_explains_it(
    connect: Connect, backend: FakeBackend
) -> None:
    last = make_job("j9", status=JobStatus.FAILED, error="The path does not exist.")
    backend.connections.rows["c1"] = make_connection(
        "c1",
        status=ConnectionStatus.ERROR,
        error_message="The path does not exist.",
        sync=SyncSummary(total_runs=1, failed_runs=1, last_job=last),
    )
    text, _ = await good(connect, "get_connection", connection_id="c1")
    assert "get_job(job_id='j9')" in text


async def test_update_changes_only_what_is_given(connect: Connect, backend: FakeBackend) -> None:
    await good(connect, "update_connection", connection_id="c1", config={"branch": None})
    (change,) = backend.connections.changes
    assert change.model_fields_set == {"config"}
    assert change.config == {"branch": None}


@pytest.mark.parametrize("given", [{}, {"expected_version": 3}, {"name": None}])
async def test_update_without_a_change_is_refused_and_changes_no_version(
    connect: Connect, backend: FakeBackend, given: dict[str, Any]
) -> None:
    text = await bad(connect, "update_connection", connection_id="c1", **given)
    assert "Nothing to change was given." in text
    assert "schedule={} removes" in text
    assert backend.connections.changes == []


async def test_connection_is_moved_to_another_collection(
    connect: Connect, backend: FakeBackend
) -> None:
    await good(connect, "update_connection", connection_id="c1", readable_collection_id="`other`")
    (change,) = backend.connections.changes
    assert change.model_fields_set == {"readable_collection_id"}
    assert change.readable_collection_id == "other"


async def test_empty_schedule_removes_it(connect: Connect, backend: FakeBackend) -> None:
    await good(connect, "update_connection", connection_id="c1", schedule={})
    (change,) = backend.connections.changes
    assert change.model_fields_set == {"schedule"}
    assert change.schedule is None


async def test_stale_version_is_refused(connect: Connect) -> None:
    text = await bad(
        connect, "update_connection", connection_id="c1", name="Other", expected_version=1
    )
    assert "expected_version" in text


async def test_failed_check_is_a_result(connect: Connect) -> None:
    text, data = await good(connect, "check_connection", connection_id="c1")
    assert data["ok"] is False
    assert "The token was refused." in text
    assert "authorize_connection" in text


@pytest.mark.parametrize(
    ("category", "hint", "call"),
    [
        (
            ErrorCategory.CONFIG_INVALID,
            "Give a path in /docs.",
            "update_connection(connection_id='c1', config={...})",
        ),
        (ErrorCategory.RATE_LIMITED, None, "run_sync(connection_id='c1')"),
        (ErrorCategory.API_KEY_INVALID, "It expired.", "authorize_connection(connection_id='c1')"),
    ],
)
async def test_failed_check_names_the_call_that_mends_it(
    connect: Connect,
    backend: FakeBackend,
    category: ErrorCategory,
    hint: str | None,
    call: str,
) -> None:
    backend.connections.outcome = {"error_category": category, "hint": hint}
    text, data = await good(connect, "check_connection", connection_id="c1")
    assert call in text
    assert call in data["hint"]
    assert (hint or "") in data["hint"]


async def test_hint_that_names_a_call_is_not_said_twice(connect: Connect) -> None:
    _, data = await good(connect, "check_connection", connection_id="c1")
    assert data["hint"] == "Call authorize_connection."


async def test_credentials_are_passed_to_authorize(connect: Connect, backend: FakeBackend) -> None:
    await good(
        connect, "authorize_connection", connection_id="c1", auth={"credentials": {"t": "x"}}
    )
    assert backend.authorization is not None
    assert backend.authorization.given[0].method is AuthMethod.DIRECT
