"""The recorded stories about credentials, told through Weft's backend; see `test_stories`."""

import httpx
import pytest

from tests.support.airweave.backend import (
    STUB_AUTH,
    URL,
    Place,
    make_connection,
    make_direct_auth,
    wait_until_synced,
)
from weft.domain.base import Json
from weft.domain.connections import (
    Auth,
    AuthMethod,
    Connection,
    ConnectionChange,
    ConnectionStatus,
)
from weft.errors import (
    AuthenticationFailed,
    InvalidInput,
)
from weft.remote.backend import RemoteBackend
from weft.server.render.text import connection_text
from weft.testing.airweave import airweave_app
from weft.testing.airweave.state import Provider
from weft.testing.airweave.world import REAUTH_SEED

pytestmark = pytest.mark.anyio


async def begin_again(backend: RemoteBackend, connection_id: str) -> Connection:
    assert backend.authorization is not None
    return await backend.authorization.begin(connection_id)


class TestOAuthComplete:
    async def test_verify_works_only_after_the_callback(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "notion")
            await backend.connections.get(made.id)
            assert place.count_asked("verify-oauth") == 0
            await place.consent(made.auth.auth_url)
            await backend.connections.get(made.id)
            await wait_until_synced(place.world, made.id)
        assert place.count_asked("verify-oauth") == 1

    async def test_link_that_a_prefetch_burnt_is_replaced(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "notion")
            session = place.world.connections[made.id].session
            assert session is not None
            session.opened = True
            burnt = await backend.connections.get(made.id)
            assert (burnt.status, burnt.auth.auth_url) == (ConnectionStatus.PENDING_AUTH, None)
            again = await begin_again(backend, made.id)
            await place.consent(again.auth.auth_url)
            await backend.connections.get(made.id)
            await wait_until_synced(place.world, made.id)

    async def test_cleanup_cancels_the_first_sync_and_verify_starts_nothing(
        self, place: Place
    ) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "notion")
            await place.consent(made.auth.auth_url)
            place.world.clock.advance(200)
            await backend.connections.get(made.id)
            await wait_until_synced(place.world, made.id)

    async def test_sync_immediately_false_is_ignored(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "notion", sync_immediately=False)
            await place.consent(made.auth.auth_url)
            found = await backend.connections.get(made.id)
            assert found.sync.last_job is not None, "it is shown, as Airweave made it"
            await wait_until_synced(place.world, made.id)

    async def test_expired_link_and_session_lead_to_a_new_link(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "notion")
            place.world.clock.advance(3600)
            again = await begin_again(backend, made.id)
            assert again.auth.auth_url not in (None, made.auth.auth_url)
            await place.consent(again.auth.auth_url)
            await backend.connections.get(made.id)
            await wait_until_synced(place.world, made.id)

    async def test_first_sync_that_waits_is_cancelled_and_run(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "notion")
            await place.consent(made.auth.auth_url)
            await place.notes.drop("claim", made.id)
            (job,) = (await backend.jobs.list(made.id)).items
            await backend.jobs.cancel(job.id)
            await backend.jobs.run(made.id)
            await wait_until_synced(place.world, made.id)

    async def test_connection_of_a_person_is_not_verified_with_the_key(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "notion")
            session = place.world.connections[made.id].session
            assert session is not None
            session.caller = "user"
            await place.consent(made.auth.auth_url)
            found = await backend.connections.get(made.id)
            assert found.status is not ConnectionStatus.PENDING_AUTH
            await wait_until_synced(place.world, made.id)

    async def test_sync_immediately_true_is_refused_by_name(self, place: Place) -> None:
        async with place.open() as backend:
            with pytest.raises(InvalidInput) as caught:
                await make_connection(backend, "notion", sync_immediately=True)
        assert caught.value.field == "sync_immediately"

    async def test_old_link_after_a_new_one_leads_to_nothing_wrong(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "notion")
            again = await begin_again(backend, made.id)
            with pytest.raises(httpx.HTTPStatusError):
                await place.consent(made.auth.auth_url)
            waiting = await backend.connections.get(made.id)
            assert waiting.status is ConnectionStatus.PENDING_AUTH
            await place.consent(again.auth.auth_url)
            await backend.connections.get(made.id)
            await wait_until_synced(place.world, made.id)

    async def test_person_who_refuses_leaves_it_pending(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "notion")
            transport = httpx.ASGITransport(airweave_app(place.world))
            async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
                denied = {"error": "access_denied", "state": "any"}
                answer = await http.get("/source-connections/callback", params=denied)
                assert answer.status_code == 400
            found = await backend.connections.get(made.id)
            assert found.status is ConnectionStatus.PENDING_AUTH
            assert (await begin_again(backend, made.id)).auth.auth_url is not None

    async def test_redirect_url_decides_where_the_person_ends(self, place: Place) -> None:
        async with place.open() as backend:
            wanted = "https://app.example/back"
            made = await make_connection(backend, "notion", redirect_url=wanted)
            assert (await place.consent(made.auth.auth_url)).startswith(wanted)


class TestByoc:
    async def test_missing_client_is_asked_for_not_refused(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "gmail")
        assert made.is_draft
        assert (made.auth.auth_url or "").startswith("http://127.0.0.1")
        assert not place.world.connections

    async def test_half_a_client_is_asked_for_the_other_half(self, place: Place) -> None:
        auth = Auth.model_validate({"oauth_browser": {"client_id": "own-id"}})
        async with place.open() as backend:
            made = await make_connection(backend, "gmail", auth=auth)
        assert made.is_draft
        assert not place.world.connections

    async def test_salesforce_is_not_created_without_its_instance(self, place: Place) -> None:
        client = {"client_id": "own-id", "client_secret": "own-secret"}
        auth = Auth.model_validate({"oauth_browser": client})
        instance = {"instance_url": "fake-company.my.salesforce.com"}
        async with place.open() as backend:
            with pytest.raises(InvalidInput) as caught:
                await make_connection(backend, "salesforce", auth=auth)
            assert caught.value.field == "config.instance_url"
            assert not place.world.connections
            made = await make_connection(backend, "salesforce", auth=auth, config=instance)
        assert made.status is ConnectionStatus.PENDING_AUTH
        assert made.config["instance_url"] == instance["instance_url"]

    @pytest.mark.parametrize(
        ("short_name", "given", "own"),
        [
            ("gmail", {"consumer_key": "k", "consumer_secret": "s"}, "client_id"),
            ("trello", {"client_id": "k", "client_secret": "s"}, "consumer_key"),
        ],
    )
    async def test_client_of_the_other_kind_is_refused_not_accepted_in_vain(
        self, place: Place, short_name: str, given: dict[str, str], own: str
    ) -> None:
        auth = Auth.model_validate({"oauth_browser": given})
        async with place.open() as backend:
            with pytest.raises(InvalidInput) as caught:
                await make_connection(backend, short_name, auth=auth)
        assert caught.value.field == f"auth.oauth_browser.{next(iter(given))}"
        assert f"Give {own}" in (caught.value.hint or "")
        assert not place.world.connections

    async def test_method_is_own_client_once_authorised(self, place: Place) -> None:
        client = {"client_id": "own-id", "client_secret": "own-secret"}
        auth = Auth.model_validate({"oauth_browser": client})
        async with place.open() as backend:
            made = await make_connection(backend, "gmail", auth=auth)
            await place.consent(made.auth.auth_url)
            found = await backend.connections.get(made.id)
            await wait_until_synced(place.world, made.id)
        assert found.auth.method is AuthMethod.OAUTH_BROWSER
        assert found.schedule is not None
        assert found.schedule.cron == "*/5 * * * *"


class TestRefusedCredentials:
    async def test_bad_token_is_not_called_an_oauth_token(self, place: Place) -> None:
        auth = make_direct_auth(personal_access_token="ghp_bad")
        async with place.open() as backend:
            with pytest.raises(AuthenticationFailed) as caught:
                await make_connection(backend, "github", auth=auth, config={"repo_name": "me/repo"})
        assert "OAuth" not in str(caught.value)
        assert not place.world.connections

    async def test_new_credentials_need_a_run_until_the_status_is_right(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(
                backend, "stub", auth=STUB_AUTH, config={"seed": REAUTH_SEED}
            )
            await wait_until_synced(place.world, made.id, "failed")
            failed = await backend.connections.get(made.id)
            assert failed.status is ConnectionStatus.NEEDS_REAUTH
            assert failed.auth.authenticated, "as the API goes on saying"
            assert "authorize_connection" in failed.attention[0].next_step
            assert "no longer accepted" in connection_text(failed)
            place.world.connections[made.id].config["seed"] = 1
            assert backend.authorization is not None
            await backend.authorization.authorize(made.id, STUB_AUTH)
            await wait_until_synced(place.world, made.id)
            found = await backend.connections.get(made.id)
        assert found.status is ConnectionStatus.ACTIVE

    async def test_change_of_credentials_is_refused_for_its_form_only(self, place: Place) -> None:
        auth = make_direct_auth(personal_access_token="ghp_good")
        async with place.open() as backend:
            made = await make_connection(
                backend, "github", auth=auth, config={"repo_name": "me/repo"}
            )
            wrong = ConnectionChange(auth=make_direct_auth(personal_access_token="of no form"))
            with pytest.raises(InvalidInput) as caught:
                await backend.connections.update(made.id, wrong)
            assert caught.value.field == "auth.direct.credentials.personal_access_token"
            bad = ConnectionChange(auth=make_direct_auth(personal_access_token="ghp_bad"))
            await backend.connections.update(made.id, bad)

    @pytest.mark.parametrize("given", [{}, {"provider_config": {"account_id": "acc"}}])
    async def test_account_at_a_provider_that_airweave_could_not_use_is_refused(
        self, place: Place, given: Json
    ) -> None:
        now = place.world.clock.now()
        place.world.providers["composio-1"] = Provider("p", "C", "composio-1", "composio", now, now)
        auth = Auth.model_validate(
            {"auth_provider": {"provider_readable_id": "composio-1", **given}}
        )
        async with place.open() as backend:
            with pytest.raises(InvalidInput) as caught:
                await make_connection(backend, "notion", auth=auth)
        assert caught.value.field == "auth.auth_provider.provider_config.auth_config_id"
        assert not place.world.connections
