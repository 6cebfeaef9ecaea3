"""Answers in Airweave's JSON, built from domain objects."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from weft.domain.collections import Collection, CollectionStatus
from weft.domain.connections import (
    AuthDetails,
    AuthMethod,
    Connection,
    ConnectionStatus,
    EntitySummary,
    EntityTypeSummary,
    SyncSummary,
)
from weft.domain.jobs import Job, JobStatus, JobTrigger
from weft.domain.reading.search import SearchCopy, SearchHit, Strength
from weft.domain.schedules import Schedule
from weft.domain.sources import FieldInfo, SourceInfo
from weft.errors import ErrorCategory
from weft.sources.registry import SourceRegistry
from weft.wire.answer import organization_uuid
from weft.wire.collections import CollectionAnswer, read_collection
from weft.wire.connections import ConnectionAnswer, ConnectionItem
from weft.wire.jobs import JobAnswer
from weft.wire.search import SearchAnswer, hit_answer, read_results
from weft.wire.sources import SourceAnswer, read_source

AIRWEAVE = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "airweave" / "openapi_shared.json").read_text()
)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = "550e8400-e29b-41d4-a716-446655440000"
OTHER_ID = "770e8400-e29b-41d4-a716-446655440002"
# What Airweave's published schema does not have, and why it is sent.
UNPUBLISHED = {
    ConnectionStatus.NEEDS_REAUTH: "the reference, the wire and the official client have it",
}


def make_job(**fields: Any) -> Job:
    values: dict[str, Any] = {
        "id": OTHER_ID,
        "source_connection_id": ID,
        "status": JobStatus.COMPLETED,
        "trigger": JobTrigger.MANUAL,
        "created_at": NOW,
    }
    return Job.model_validate(values | fields)


def make_connection(**fields: Any) -> Connection:
    values: dict[str, Any] = {
        "id": ID,
        "organization_id": ID,
        "name": "Docs Repo",
        "short_name": "github",
        "readable_collection_id": "docs",
        "status": ConnectionStatus.ACTIVE,
        "auth": AuthDetails(method=AuthMethod.DIRECT, authenticated=True, authenticated_at=NOW),
        "sync_id": OTHER_ID,
        "created_at": NOW,
        "modified_at": NOW,
    }
    return Connection.model_validate(values | fields)


def to_valid_json(answer: BaseModel, airweave: str) -> dict[str, Any]:
    """Return the answer as JSON, after validating it against Airweave's own schema."""
    plain = cast("dict[str, Any]", json.loads(answer.model_dump_json()))
    whole: dict[str, Any] = {
        "$ref": f"#/components/schemas/{airweave}",
        "components": AIRWEAVE["components"],
    }
    validator: Any = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(plain)
    return plain


@pytest.mark.parametrize("status", JobStatus)
def test_job_statuses_are_in_lower_case(status: JobStatus) -> None:
    answer = to_valid_json(JobAnswer.of(make_job(status=status)), "SourceConnectionJob")
    assert answer["status"] == status.value.lower()


def test_a_jobs_facts_have_the_names_of_reference_and_guide() -> None:
    failed = make_job(
        status=JobStatus.FAILED,
        started_at=NOW,
        entities_inserted=4,
        error="The token was refused.",
        error_category=ErrorCategory.API_KEY_INVALID,
        error_details="at page 3",
    )
    answer = to_valid_json(JobAnswer.of(failed), "SourceConnectionJob")
    assert answer["created_at"] == answer["started_at"] == "2026-01-02T03:04:05Z"
    assert answer["entities_inserted"] == answer["entities_created"] == 4
    assert answer["error"] == answer["error_message"] == "The token was refused."
    assert answer["error_category"] == "api_key_invalid"
    assert answer["error_details"] == {"message": "at page 3"}
    assert answer["completed_at"] is None


@pytest.mark.parametrize("status", sorted(set(ConnectionStatus) - UNPUBLISHED.keys()))
def test_a_connection_fits_in_every_status(status: ConnectionStatus) -> None:
    answer = to_valid_json(ConnectionAnswer.of(make_connection(status=status)), "SourceConnection")
    assert answer["status"] == status.value
    item = to_valid_json(
        ConnectionItem.of(make_connection(status=status)), "SourceConnectionListItem"
    )
    assert item["status"] == status.value


@pytest.mark.parametrize("status", UNPUBLISHED)
def test_a_status_that_is_not_published_is_sent_all_the_same(status: ConnectionStatus) -> None:
    assert ConnectionAnswer.of(make_connection(status=status)).status == status.value


def test_a_connection_in_full_keeps_every_fact() -> None:
    full = make_connection(
        description="What we wrote",
        config={"repo_name": "a/b"},
        schedule=Schedule(cron="0 2 * * *", next_run=NOW, cursor_field="pushed_at"),
        sync=SyncSummary(
            total_runs=3, successful_runs=2, failed_runs=1, last_job=make_job(completed_at=NOW)
        ),
        entities=EntitySummary(
            total_entities=12, by_type={"file": EntityTypeSummary(count=12, last_updated=NOW)}
        ),
        version=7,
    )
    answer = to_valid_json(ConnectionAnswer.of(full), "SourceConnection")
    assert answer["entity_count"] == answer["entities"]["total_entities"] == 12
    assert answer["entities"]["by_type"]["file"]["count"] == 12
    assert answer["last_sync_at"] == "2026-01-02T03:04:05Z"
    assert answer["schedule"]["next_run"] == "2026-01-02T03:04:05Z"
    assert answer["sync"]["last_job"]["id"] == OTHER_ID
    assert (answer["sync"]["total_runs"], answer["version"]) == (3, 7)
    assert to_valid_json(ConnectionItem.of(full), "SourceConnectionListItem")["entity_count"] == 12


def test_a_connection_that_never_synced_has_no_last_sync() -> None:
    assert ConnectionAnswer.of(make_connection()).last_sync_at is None


def test_what_begins_an_authorisation_is_sent_to_whoever_began_it() -> None:
    auth = AuthDetails(
        method=AuthMethod.OAUTH_BROWSER,
        authenticated=False,
        auth_url="https://weft.example/authorize/abc",
        auth_url_expires=NOW,
        claim_token="claimed",
    )
    answer = to_valid_json(ConnectionAnswer.of(make_connection(auth=auth)), "SourceConnection")
    assert answer["auth"]["claim_token"] == "claimed"
    assert answer["auth"]["auth_url"] == "https://weft.example/authorize/abc"


def test_an_organisation_with_a_name_always_has_the_same_uuid() -> None:
    assert str(organization_uuid(ID)) == ID
    assert organization_uuid("team-a") == organization_uuid("team-a")
    assert organization_uuid("team-a") != organization_uuid("team-b")


def test_a_collection_says_that_it_has_no_vectors() -> None:
    found = Collection(
        id=ID,
        organization_id="team-a",
        name="Docs",
        readable_id="docs",
        status=CollectionStatus.NEEDS_SOURCE,
        connection_count=1,
        created_at=NOW,
        modified_at=NOW,
    )
    answer = to_valid_json(CollectionAnswer.of(found), "Collection")
    assert (answer["status"], answer["vector_size"]) == ("NEEDS SOURCE", 0)
    assert read_collection(answer).embedded_by == "packaged"
    moved = CollectionAnswer.of(found.model_copy(update={"embedded_by": "endpoint"}))
    assert read_collection(to_valid_json(moved, "Collection")).embedded_by == "endpoint"


def test_a_source_tells_which_fields_are_secret() -> None:
    info = SourceInfo(
        short_name="git_hub",
        name="Git Hub",
        description="Repositories.",
        auth_methods=(AuthMethod.DIRECT,),
        auth_required=True,
        auth_fields=(
            FieldInfo(
                name="token",
                title="Token",
                type="string",
                description="",
                required=True,
                secret=True,
            ),
        ),
        config_fields=(
            FieldInfo(
                name="kind",
                title="Kind",
                type="string",
                description="Which",
                required=False,
                choices=("a", "b"),
                default="a",
            ),
        ),
    )
    answer = to_valid_json(SourceAnswer.of(info), "Source")
    (secret,), (choice,) = answer["auth_fields"]["fields"], answer["config_fields"]["fields"]
    assert (secret["is_secret"], secret["required"]) == (True, True)
    assert (choice["enum_values"], choice["default"]) == (["a", "b"], "a")
    assert answer["class_name"] == "GitHubSource"


@pytest.mark.parametrize("name", SourceRegistry().names())
def test_each_source_has_the_shape_of_airweaves_and_comes_back_whole(name: str) -> None:
    info = SourceRegistry().get(name).info()
    answer = to_valid_json(SourceAnswer.of(info), "Source")
    fields = answer["auth_fields"]["fields"] + answer["config_fields"]["fields"]
    assert all((each["type"] == "array") == bool(each["items_type"]) for each in fields)
    read = read_source(answer)
    assert read.needs() == info.needs()
    assert [each.name for each in read.config_fields] == [each.name for each in info.config_fields]
    assert [(each.name, each.required, each.secret) for each in read.auth_fields] == [
        (each.name, each.required, each.secret) for each in info.auth_fields
    ]
    assert (read.auth_methods, read.entity_types) == (info.auth_methods, info.entity_types)


def test_hit_is_read_back_as_it_was_sent() -> None:
    hit = SearchHit(
        entity_id="7",
        connection_id=ID,
        connection_name="Docs Repo",
        type="file",
        title="Readme",
        snippet="a pelican " * 90,
        offset=5200,
        path="docs/a.md",
        url="https://host/docs/a.md",
        updated_at=datetime(2026, 5, 1, 12, tzinfo=UTC),
        score=1.5,
        strength=Strength.WEAK,
        copies=(SearchCopy(entity_id="8", title="Copy"),),
    )
    answer = SearchAnswer(
        results=[hit_answer(hit, make_connection())],
        matched="any",
        by_meaning=True,
        note="1 of 2 so far.",
    )
    read = read_results(answer.model_dump(mode="json"))
    assert [each.hit for each in read.hits] == [hit]
    assert (read.matched, read.by_meaning, read.note) == ("any", True, "1 of 2 so far.")


@pytest.mark.parametrize("owner", [make_connection(), None])
def test_a_hit_says_where_it_comes_from(owner: Connection | None) -> None:
    hit = SearchHit(
        entity_id="7",
        connection_id=ID,
        connection_name="Docs Repo",
        type="file",
        title="Readme",
        snippet="a pelican",
        score=1.5,
    )
    answer = to_valid_json(hit_answer(hit, owner), "SearchResult")
    assert answer["textual_representation"] == "a pelican"
    assert answer["airweave_system_metadata"]["source_connection_id"] == ID
    assert answer["airweave_system_metadata"]["source_name"] == ("github" if owner else "")
