"""Connections: one authentication method at a time, and secrets that are never shown."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from weft.domain.connections import (
    Auth,
    AuthDetails,
    AuthMethod,
    AuthProviderAuth,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    DirectAuth,
    NewConnection,
    OAuthBrowserAuth,
    OAuthTokenAuth,
    merge_config,
)
from weft.domain.schedules import ScheduleSpec

CANARY = "s3cr3t-canary"

METHODS: dict[AuthMethod, Any] = {
    AuthMethod.DIRECT: DirectAuth(credentials={"token": CANARY}),
    AuthMethod.OAUTH_BROWSER: OAuthBrowserAuth(client_secret=CANARY, consumer_secret=CANARY),
    AuthMethod.OAUTH_TOKEN: OAuthTokenAuth(access_token=CANARY, refresh_token=CANARY),
    AuthMethod.AUTH_PROVIDER: AuthProviderAuth(provider_readable_id="composio"),
}


@pytest.mark.parametrize("method", list(AuthMethod))
def test_method_is_the_one_that_was_given(method: AuthMethod) -> None:
    assert Auth(**{method.value: METHODS[method]}).method is method


@pytest.mark.parametrize("method", list(AuthMethod))
def test_two_methods_are_no_method(method: AuthMethod) -> None:
    other = AuthMethod.DIRECT if method is not AuthMethod.DIRECT else AuthMethod.OAUTH_TOKEN
    both = Auth(**{method.value: METHODS[method], other.value: METHODS[other]})
    with pytest.raises(ValueError, match="exactly one"):
        _ = both.method


def test_no_method_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        _ = Auth().method


@pytest.mark.parametrize("method", list(AuthMethod))
def test_secrets_are_not_in_the_text_of_an_auth(method: AuthMethod) -> None:
    auth = Auth(**{method.value: METHODS[method]})
    assert CANARY not in f"{auth!r} {auth}"
    assert CANARY not in repr(ConnectionChange(auth=auth))


def test_auth_details_have_no_place_for_a_secret() -> None:
    with pytest.raises(ValidationError):
        AuthDetails.model_validate(
            {"method": "direct", "authenticated": True, "credentials": {"token": "x"}}
        )
    # The claim token is excluded from dumps: only the caller that began an authorisation gets it.
    shown = {name for name, of in AuthDetails.model_fields.items() if not of.exclude}
    names = " ".join(shown - {"has_credentials"})
    assert not any(word in names for word in ("secret", "token", "password", "credentials"))


def test_change_knows_what_was_given_from_what_was_left_out() -> None:
    assert ConnectionChange(name="Renamed").model_fields_set == {"name"}
    cleared = ConnectionChange.model_validate({"schedule": None})
    assert (cleared.schedule, cleared.model_fields_set) == (None, {"schedule"})
    assert ScheduleSpec(continuous=False).model_fields_set == {"continuous"}


def test_config_is_merged_by_key_and_null_removes_one() -> None:
    merged = merge_config({"a": 1, "b": 2, "d": None}, {"b": None, "c": 3})
    assert merged == {"a": 1, "c": 3, "d": None}


def test_copy_has_every_field_that_can_be_given_but_no_credentials() -> None:
    original = Connection(
        id="c1",
        organization_id="o1",
        name="Notes",
        description="About",
        short_name="files",
        readable_collection_id="docs",
        status=ConnectionStatus.ACTIVE,
        auth=AuthDetails(method=AuthMethod.DIRECT, authenticated=True),
        config={"path": "/n"},
        sync_id="s1",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        modified_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    copy = NewConnection.copy_of(original, schedule=None, auth=None)
    assert copy == NewConnection(
        name="Notes",
        description="About",
        short_name="files",
        readable_collection_id="docs",
        config={"path": "/n"},
    )
