"""Bodies of requests, and what they mean to the domain."""

from datetime import UTC, datetime
from typing import Any

import pytest

from weft.domain.connections import AuthMethod, NewConnection
from weft.wire.requests import (
    CreateConnectionBody,
    MalformedRequest,
    UpdateConnectionBody,
    read_request,
)

SECRET = "hunter2-hunter2"
LEAST = {"short_name": "slack", "readable_collection_id": "docs"}


def parse_new_connection(**given: Any) -> NewConnection:
    return read_request(CreateConnectionBody, LEAST | given, "body").to_new()


@pytest.mark.parametrize(
    ("method", "inner"),
    [
        (AuthMethod.DIRECT, {"credentials": {"token": SECRET}}),
        (AuthMethod.OAUTH_TOKEN, {"access_token": SECRET, "expires_at": "2026-12-31T23:59:59Z"}),
        (AuthMethod.OAUTH_BROWSER, {"redirect_uri": "https://app.example/back"}),
        (AuthMethod.OAUTH_BROWSER, {"client_id": "a", "client_secret": SECRET}),
        (AuthMethod.OAUTH_BROWSER, {"consumer_key": "a", "consumer_secret": SECRET}),
        (
            AuthMethod.AUTH_PROVIDER,
            {"provider_readable_id": "composio-x", "provider_config": {"entity_id": "user-123"}},
        ),
    ],
)
def test_each_method_is_read_with_and_without_its_name(
    method: AuthMethod, inner: dict[str, Any]
) -> None:
    forms = [
        {"authentication": inner},
        {"auth": {method.value: inner}},
        {"authentication": {method.value: inner}},
        {"auth": inner},
    ]
    read_as = [parse_new_connection(**form).auth for form in forms]
    assert read_as[0] is not None
    assert read_as[0].method is method
    assert all(auth == read_as[0] for auth in read_as)


def test_a_tokens_expiry_is_kept() -> None:
    auth = parse_new_connection(
        auth={"oauth_token": {"access_token": "x", "expires_at": "2026-12-31T23:59:59Z"}}
    ).auth
    assert auth is not None
    assert auth.oauth_token is not None
    assert auth.oauth_token.expires_at == datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_a_named_method_may_be_empty_and_a_nameless_one_is_none() -> None:
    auth = parse_new_connection(auth={"oauth_browser": {}}).auth
    assert auth is not None
    assert auth.method is AuthMethod.OAUTH_BROWSER
    assert parse_new_connection(authentication={}).auth is None


@pytest.mark.parametrize(
    "given",
    [
        {"redirect_url": "https://a.example/"},
        {"redirect_uri": "https://a.example/"},
        {"authentication": {"redirect_uri": "https://a.example/"}},
        {"auth": {"oauth_browser": {"redirect_uri": "https://a.example/"}}},
        {
            "redirect_url": "https://a.example/",
            "authentication": {"redirect_uri": "https://b.example/"},
        },
    ],
)
def test_where_to_return_to_is_read_wherever_it_is_documented(given: dict[str, Any]) -> None:
    assert parse_new_connection(**given).redirect_url == "https://a.example/"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (None, None),
        ({}, {}),
        ({"cron": None}, {}),
        ({"cron": ""}, {}),
        ({"cron": None, "continuous": False}, {}),
        ({"cron": "0 2 * * *"}, {"cron": "0 2 * * *"}),
        ({"continuous": True}, {"continuous": True}),
        ({"cron": "*/5 * * * *", "continuous": True}, {"continuous": True}),
        (
            {"cron": "0 2 * * *", "continuous": True},
            {"cron": "0 2 * * *", "continuous": True},
        ),
        ({"cron": "*/5 * * * *"}, {"cron": "*/5 * * * *"}),
        ({"cursor_field": "at"}, {"cursor_field": "at"}),
    ],
)
def test_a_schedule_without_times_is_none_and_null_is_the_default(
    schedule: dict[str, Any] | None, expected: dict[str, Any] | None
) -> None:
    spec = parse_new_connection(schedule=schedule).schedule
    given = None if spec is None else spec.model_dump(include=spec.model_fields_set)
    assert given == expected


def test_only_what_is_given_changes() -> None:
    change = read_request(
        UpdateConnectionBody, {"description": None, "later": 1}, "body"
    ).to_change()
    assert change.model_fields_set == {"description", "expected_version"}


@pytest.mark.parametrize(
    "given",
    [
        {"authentication": {"token": SECRET}},
        {"authentication": {"expires_at": SECRET, "credentials": {}}},
        {"authentication": {"access_token": SECRET, SECRET: 1}},
        {"authentication": {"access_token": "x", "expires_at": SECRET}},
        {"auth": {"direct": {"credentials": {}}, "oauth_token": {"access_token": SECRET}}},
        {"auth": {"direct": SECRET}},
        {"auth": {"direct": {"credentials": {}, SECRET: SECRET}}},
        {"auth": {"credentials": {}}, "authentication": {"credentials": {"a": SECRET}}},
        {"sync_immediately": SECRET},
        {"schedule": {"continuous": SECRET}},
        {"config": [SECRET]},
        {"redirect_url": SECRET * 200},
    ],
)
def test_what_is_wrong_is_told_without_a_value(given: dict[str, Any]) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse_new_connection(**given)
    (first, *_) = caught.value.problems
    assert first.loc[0] == "body"
    assert first.loc[1] in given
    assert SECRET not in repr(caught.value.problems)
    assert SECRET not in str(caught.value)


def test_missing_fields_are_named_together() -> None:
    with pytest.raises(MalformedRequest) as caught:
        read_request(CreateConnectionBody, {}, "body")
    assert [problem.loc for problem in caught.value.problems] == [
        ("body", "short_name"),
        ("body", "readable_collection_id"),
    ]
    assert {problem.type for problem in caught.value.problems} == {"missing"}


@pytest.mark.parametrize("given", [{}, {"unknown": 1}, {"expected_version": 1}])
def test_a_change_of_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(MalformedRequest):
        read_request(UpdateConnectionBody, given, "body").to_change()


def test_other_credentials_than_direct_are_not_changed() -> None:
    forms: list[dict[str, Any]] = [
        {"authentication": {"access_token": "x"}},
        {"auth": {"oauth_browser": {}}},
    ]
    for given in forms:
        with pytest.raises(MalformedRequest) as caught:
            read_request(UpdateConnectionBody, given, "body").to_change()
        assert caught.value.problems[0].loc == ("body", *given)
