"""Authorisations: links are good once, and one process refreshes a token at a time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from weft.domain.access.keys import ApiKey
from weft.domain.access.principals import Role
from weft.domain.connections import AuthMethod
from weft.errors import Conflict
from weft.local.store.authorizations import AuthProviderRow, AuthSession, OAuthClientRow
from weft.local.store.base import Store
from weft.testing.store_contract.support import (
    ORGANIZATION,
    PassTime,
    get_connection,
    make_connection,
    make_row,
)

DURATION = timedelta(seconds=30)


async def begin(store: Store, connection_id: str) -> AuthSession:
    session = AuthSession(
        connection_id=connection_id,
        organization_id=ORGANIZATION,
        method=AuthMethod.OAUTH_BROWSER,
        link=b"link",
        claim=b"claim",
        sealed=None,
        redirect_url=None,
        syncs=True,
        expires_at=await store.now() + DURATION,
    )
    assert await store.auth_sessions.begin(session)
    return session


class AuthorizationContract:
    """Sessions in a browser, leases on tokens, clients, providers and keys."""

    @pytest.mark.anyio
    async def test_link_and_state_are_good_once(self, store: Store) -> None:
        made = await make_connection(store)
        session = await begin(store, made.id)
        sessions = store.auth_sessions
        assert await sessions.by_link(b"link") == session
        values = {"state": b"state", "browser": b"browser", "sealed": "sealed"}
        assert await sessions.start(b"link", **values)  # pyright: ignore[reportArgumentType]
        assert not await sessions.start(b"link", **values)  # pyright: ignore[reportArgumentType]
        assert await sessions.by_link(b"link") is None
        found = await sessions.by_state(b"state")
        assert found == replace(
            session, link=None, state=b"state", browser=b"browser", sealed="sealed"
        )
        assert await sessions.use_state(b"state")
        assert not await sessions.use_state(b"state")
        assert await sessions.by_state(b"state") is None
        assert not await sessions.complete(made.id, b"another claim")
        assert await sessions.complete(made.id, b"claim")
        last = await sessions.of_connection(ORGANIZATION, made.id)
        assert last is not None
        assert last.completed_at == await store.now()
        assert await sessions.of_connection("somebody", made.id) is None

    @pytest.mark.anyio
    async def test_other_way_of_authorising_ends_a_session(self, store: Store) -> None:
        made = await make_connection(store)
        session = await begin(store, made.id)
        row = make_row(id=made.id, sync_id=made.sync_id, credentials="new")
        await store.connections.update(
            row, expected_version=made.version, new_config=False, set_state=True, set_auth=True
        )
        assert await store.auth_sessions.by_link(b"link") is None
        await store.trash.delete_connection(ORGANIZATION, made.id)
        assert not await store.auth_sessions.begin(session)

    @pytest.mark.anyio
    async def test_token_is_refreshed_by_one_at_a_time(
        self, store: Store, pass_time: PassTime
    ) -> None:
        made = await make_connection(store, credentials="old")
        tokens = store.tokens

        async def try_lease(holder: str, seen: str = "old") -> bool:
            state = await tokens.lease(made.id, seen, holder=holder, duration=DURATION)
            assert state is not None
            return state.held

        assert not await try_lease("early", "another")
        assert await try_lease("first")
        assert not await try_lease("second")
        await tokens.release(made.id, "first")
        assert await try_lease("second")
        pass_time(DURATION)
        assert await try_lease("third"), "the lease has run out"
        assert not await tokens.store(made.id, "second", "late", None)
        expires_at = await store.now() + DURATION
        assert await tokens.store(made.id, "third", "new", expires_at)
        assert await store.connections.credentials(ORGANIZATION, made.id) == "new"
        assert (await get_connection(store, made.id)).auth.expires_at == expires_at
        assert await tokens.lease("gone", None, holder="x", duration=DURATION) is None

    @pytest.mark.anyio
    async def test_credentials_that_were_replaced_are_not_overwritten(self, store: Store) -> None:
        made = await make_connection(store, credentials="old")
        await store.tokens.lease(made.id, "old", holder="slow", duration=DURATION)
        row = make_row(id=made.id, sync_id=made.sync_id, credentials="given")
        await store.connections.update(
            row, expected_version=made.version, new_config=False, set_state=True, set_auth=True
        )
        assert not await store.tokens.store(made.id, "slow", "late", None)
        assert await store.connections.credentials(ORGANIZATION, made.id) == "given"

    @pytest.mark.anyio
    async def test_clients_and_providers_are_kept(self, store: Store) -> None:
        client = OAuthClientRow("github", "id", "https://a.example", None, await store.now())
        await store.oauth_clients.put(client)
        await store.oauth_clients.put(replace(client, client_id="other"))
        assert list(await store.oauth_clients.list()) == [replace(client, client_id="other")]
        assert await store.oauth_clients.delete("github")
        assert not await store.oauth_clients.delete("github")
        assert await store.oauth_clients.get("github") is None
        provider = AuthProviderRow(
            ORGANIZATION, "mine", "composio", {"k": "v"}, "sealed", await store.now(), ("h",)
        )
        await store.auth_providers.insert(provider)
        with pytest.raises(Conflict):
            await store.auth_providers.insert(provider)
        made = await make_connection(store, auth_provider="mine")
        assert made.provider_short_name == "composio"
        assert list(await store.auth_providers.list()) == [provider]
        assert await store.auth_providers.get("somebody", "mine") is None
        assert await store.auth_providers.delete(ORGANIZATION, "mine")
        assert not await store.auth_providers.delete(ORGANIZATION, "mine")

    @pytest.mark.anyio
    async def test_key_is_found_by_its_digest_until_it_is_revoked(self, store: Store) -> None:
        key = ApiKey(
            name="ci", organization_id=ORGANIZATION, role=Role.READ, created_at=await store.now()
        )
        await store.keys.insert(key, b"digest")
        with pytest.raises(Conflict):
            await store.keys.insert(key, b"other digest")
        assert await store.keys.find(b"digest") == key
        assert await store.keys.revoke("ci") is not None
        assert await store.keys.revoke("ci") is None
        assert await store.keys.find(b"digest") is None
        await store.keys.insert(key, b"other digest")
        assert [each.revoked_at is None for each in await store.keys.list()] == [False, True]
