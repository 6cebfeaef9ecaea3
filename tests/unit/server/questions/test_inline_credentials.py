"""Credentials that come through the model: allowed, advised against, or refused."""

from typing import Any

import pytest
from mcp.client import Client

from tests.support.server.fakes import FakeBackend, FakeSources, text_of
from tests.support.server.records import SOURCE
from weft.domain.connections import AuthMethod
from weft.domain.sources import FieldInfo, SourceInfo
from weft.server.build import build_server
from weft.server.call import InlineCredentials

pytestmark = pytest.mark.anyio

CANARY = "c4n4ry-5ecret"
REFERENCE = {"secret_ref": "github-main"}
INLINE = [
    {"direct": {"credentials": {"personal_access_token": CANARY}}},
    {"direct": {"credentials": {"username": "me", "personal_access_token": CANARY}}},
    {"direct": {"credentials": {"username": "me", "unknown": CANARY}}},
    {"oauth_token": {"access_token": CANARY}},
    {"oauth_token": {"access_token": REFERENCE, "refresh_token": CANARY}},
    {"oauth_browser": {"client_id": "id", "client_secret": CANARY}},
    {"oauth_browser": {"consumer_key": "id", "consumer_secret": CANARY}},
]
FREE = [
    {"direct": {"credentials": {"username": "me", "personal_access_token": REFERENCE}}},
    {"direct": {"credentials": REFERENCE}},
    {"oauth_browser": {"client_id": "id"}},
    {"oauth_browser": {"client_id": "id", "client_secret": REFERENCE}},
    {"oauth_token": {"access_token": REFERENCE, "refresh_token": REFERENCE}},
    {"auth_provider": {"provider_readable_id": "p"}},
]
CALLS = {
    "create_connection": {"short_name": "github", "readable_collection_id": "docs"},
    "update_connection": {"connection_id": "c1"},
    "authorize_connection": {"connection_id": "c1"},
}


class NamedSources(FakeSources):
    """A source with a user name, which is no secret, beside its token."""

    async def get(self, short_name: str) -> SourceInfo:
        user = FieldInfo(
            name="username", title="User", type="string", description="", required=False
        )
        source = await super().get(short_name)
        return source.model_copy(update={"auth_fields": (*SOURCE.auth_fields, user)})


async def call_tool(
    backend: FakeBackend, policy: InlineCredentials, tool: str, auth: dict[str, Any]
) -> tuple[bool, str]:
    backend.sources = NamedSources()
    server = build_server(lambda _: backend.as_backend(), version="1", inline_credentials=policy)
    async with Client(server) as client:
        result = await client.call_tool(tool, CALLS[tool] | {"auth": auth})
    assert CANARY not in result.model_dump_json()
    return result.is_error is True, text_of(result)


@pytest.mark.parametrize("tool", CALLS)
@pytest.mark.parametrize("auth", INLINE)
async def test_denied_secrets_change_nothing_and_name_the_other_ways(
    backend: FakeBackend, tool: str, auth: dict[str, Any]
) -> None:
    is_error, text = await call_tool(backend, "deny", tool, auth)
    assert is_error
    for way in ("authorize_connection", "without auth", "secret_ref", "nothing was changed"):
        assert way in text
    assert backend.connections.created == []
    assert backend.connections.changes == []
    assert backend.authorization is not None
    assert backend.authorization.given == []


@pytest.mark.parametrize("tool", CALLS)
@pytest.mark.parametrize("auth", INLINE)
async def test_accepted_secrets_come_with_advice(
    backend: FakeBackend, tool: str, auth: dict[str, Any]
) -> None:
    is_error, text = await call_tool(backend, "warn", tool, auth)
    assert not is_error
    assert "passed through this conversation" in text
    assert "secret_ref" in text


@pytest.mark.parametrize("policy", ["warn", "deny"])
@pytest.mark.parametrize("tool", CALLS)
@pytest.mark.parametrize("auth", FREE)
async def test_what_holds_no_secret_is_neither_refused_nor_advised_against(
    backend: FakeBackend, policy: InlineCredentials, tool: str, auth: dict[str, Any]
) -> None:
    is_error, text = await call_tool(backend, policy, tool, auth)
    assert not is_error
    assert "passed through this conversation" not in text


async def test_allowed_secrets_are_taken_without_a_word(backend: FakeBackend) -> None:
    is_error, text = await call_tool(backend, "allow", "create_connection", INLINE[0])
    assert not is_error
    assert "passed through this conversation" not in text
    (new,) = backend.connections.created
    assert new.auth is not None
    assert new.auth.method is AuthMethod.DIRECT
