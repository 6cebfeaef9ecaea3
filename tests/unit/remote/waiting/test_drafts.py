"""Credentials for Airweave come from a page of ours, or from the operator's named secrets."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.airweave.backend import (
    URL,
    Place,
    make_connection,
    wait_for_status,
    wait_until_synced,
)
from tests.support.airweave.credential_page import PAT, REPO, auth_of, fill_in, show
from weft.domain.base import Json
from weft.domain.connections import ConnectionChange, ConnectionStatus
from weft.domain.sources import SourceInfo
from weft.errors import (
    AuthenticationFailed,
    ConnectionFault,
    InvalidInput,
    NotFound,
    NotPermitted,
    Unsupported,
    WeftError,
)
from weft.remote.waiting.needs import list_hosts
from weft.testing.airweave.state import Provider

pytestmark = pytest.mark.anyio


async def test_source_with_credentials_only_waits_for_the_page_and_is_then_created(
    place: Place,
) -> None:
    async with place.open() as backend:
        draft = await make_connection(backend, "github", config=REPO, name="Our repo")
        assert (draft.status, draft.is_draft) == (ConnectionStatus.PENDING_AUTH, True)
        assert place.world.connections == {}
        form = await show(backend, draft)
        assert [field.name for field in form.fields] == ["personal_access_token"]
        assert (form.endpoint, form.connection_name, form.passed_on) == (URL, "Our repo", True)
        outcome = await fill_in(backend, draft, personal_access_token=PAT)
        assert outcome.ok
        [made] = place.world.connections.values()
        assert made.credentials == {"personal_access_token": PAT}
        found = await backend.connections.get(draft.id)
        assert (found.id, found.name, found.is_draft) == (made.id, "Our repo", False)
        job = (await backend.jobs.list(draft.id)).items[0]
        assert job.source_connection_id == made.id
        with pytest.raises(NotFound):
            await fill_in(backend, draft, personal_access_token=PAT)
    assert len(place.world.connections) == 1


async def test_refused_credentials_leave_the_page_open(place: Place) -> None:
    async with place.open() as backend:
        draft = await make_connection(backend, "github", config=REPO)
        with pytest.raises(ConnectionFault, match="refused the credentials") as caught:
            await fill_in(backend, draft, personal_access_token="ghp_wrong_one")
        assert caught.value.hint is None, "what an agent could do is no advice for a person"
        assert place.world.connections == {}
        assert (await fill_in(backend, draft, personal_access_token=PAT)).ok


async def test_own_oauth_client_is_typed_into_the_page_and_leads_to_the_consent(
    place: Place,
) -> None:
    async with place.open(watch=True) as backend:
        draft = await make_connection(backend, "gmail", name="Our mail")
        form = await show(backend, draft)
        assert [(field.name, field.secret) for field in form.fields] == [
            ("client_id", False),
            ("client_secret", True),
        ]
        outcome = await fill_in(backend, draft, client_id="our-id", client_secret="our-secret")
        assert outcome.next_url is not None
        await place.consent(outcome.next_url)
        [made] = place.world.connections.values()
        assert made.own_client
        await wait_until_synced(place.world, made.id)
        found = await backend.connections.get(draft.id)
        assert (found.id, found.status) == (made.id, ConnectionStatus.ACTIVE)


async def test_secret_of_a_client_that_the_caller_named_is_asked_for(place: Place) -> None:
    async with place.open() as backend:
        auth = auth_of(oauth_browser={"client_id": "our-id"})
        draft = await make_connection(backend, "notion", auth=auth)
        form = await show(backend, draft)
        assert form.fields[0].default == "our-id"
        given = auth_of(oauth_browser={"client_secret": "s"})
        with pytest.raises(InvalidInput) as caught:
            await make_connection(backend, "notion", auth=given)
        assert caught.value.field == "auth.oauth_browser.client_id"


async def test_token_is_typed_into_the_page_when_it_is_left_out(place: Place) -> None:
    async with place.open() as backend:
        draft = await make_connection(backend, "notion", auth=auth_of(oauth_token={}))
        assert (await fill_in(backend, draft, access_token="good-token")).ok
        [made] = place.world.connections.values()
        assert (made.method, made.authenticated) == ("oauth_token", True)


async def test_federated_source_takes_a_token(place: Place) -> None:
    async with place.open() as backend:
        auth = auth_of(oauth_token={"access_token": "good-token"})
        made = await make_connection(backend, "slack", auth=auth)
        assert made.federated_search


async def test_caller_may_give_the_credentials_of_a_draft(place: Place) -> None:
    async with place.open() as backend:
        draft = await make_connection(backend, "github", config=REPO)
        assert backend.authorization is not None
        auth = auth_of(direct={"credentials": {"personal_access_token": PAT}})
        made = await backend.authorization.authorize(draft.id, auth)
        assert not made.is_draft
        assert list(place.world.connections) == [made.id]


@pytest.mark.parametrize(
    ("short_name", "given", "field"),
    [
        ("github", {}, "config.repo_name"),
        ("zendesk", {}, "config.subdomain"),
        (
            "github",
            {"config": REPO, "auth": auth_of(direct={"credentials": {"other": "x"}})},
            "auth.direct.credentials.personal_access_token",
        ),
        ("github", {"config": REPO, "auth": auth_of(oauth_browser={})}, "auth"),
    ],
)
async def test_what_is_missing_is_named_before_the_api_is_asked(
    place: Place, short_name: str, given: dict[str, Any], field: str
) -> None:
    async with place.open() as backend:
        with pytest.raises((InvalidInput, Unsupported)) as caught:
            await make_connection(backend, short_name, **given)
        assert caught.value.field == field
    assert place.count_asked("POST /source-connections") == 0


async def test_needs_reauth_of_direct_credentials_is_mended_on_the_page(place: Place) -> None:
    async with place.open() as backend:
        auth = auth_of(direct={"credentials": {"stub_key": "old"}})
        made = await make_connection(backend, "stub", auth=auth, config={"seed": 14})
        await wait_for_status(backend, made.id, ConnectionStatus.NEEDS_REAUTH)
        await backend.connections.update(made.id, ConnectionChange(config={"seed": 1}))
        assert backend.authorization is not None
        begun = await backend.authorization.begin(made.id)
        outcome = await fill_in(backend, begun, stub_key="new")
        assert outcome.ok
        connection = place.world.connections[made.id]
        assert connection.credentials == {"stub_key": "new"}
        found = await backend.connections.get(made.id)
        assert found.status is not ConnectionStatus.NEEDS_REAUTH
    assert place.count_asked("reinitiate-oauth") == 0


async def test_needs_reauth_is_mended_by_credentials_in_the_call_too(place: Place) -> None:
    async with place.open() as backend:
        auth = auth_of(direct={"credentials": {"stub_key": "old"}})
        made = await make_connection(backend, "stub", auth=auth, config={"seed": 14})
        await wait_for_status(backend, made.id, ConnectionStatus.NEEDS_REAUTH)
        assert backend.authorization is not None
        new = auth_of(direct={"credentials": {"stub_key": "new"}})
        mended = await backend.authorization.authorize(made.id, new)
        assert mended.status is not ConnectionStatus.NEEDS_REAUTH


async def test_account_at_an_auth_provider_is_not_mended_on_a_page(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(
            backend, "notion", auth=auth_of(oauth_token={"access_token": "good"})
        )
        place.world.connections[made.id].method = "auth_provider"
        assert backend.authorization is not None
        with pytest.raises(Unsupported) as caught:
            await backend.authorization.begin(made.id)
        assert "auth provider" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("method", "advice"),
    [
        ("auth_provider", "at the auth provider"),
        ("oauth_browser", "authorize_connection without auth"),
        ("oauth_token", "authorize_connection without auth"),
        ("direct", "Give auth.direct"),
    ],
)
async def test_credentials_that_cannot_be_changed_are_refused_with_the_way_at_once(
    place: Place, method: str, advice: str
) -> None:
    async with place.open() as backend:
        token = auth_of(oauth_token={"access_token": "good"})
        made = await make_connection(backend, "notion", auth=token)
        place.world.connections[made.id].method = method
        assert backend.authorization is not None
        direct = auth_of(direct={"credentials": {"secret_ref": "unknown"}})
        for auth in [token] if method == "direct" else [token, direct]:
            with pytest.raises(Unsupported) as caught:
                await backend.authorization.authorize(made.id, auth)
            assert caught.value.field == "auth"
            assert advice in (caught.value.hint or "")
    assert place.count_asked(f"PATCH /source-connections/{made.id}") == 0


async def test_reference_is_resolved_here_and_only_for_allowed_receivers(place: Place) -> None:
    asked: list[tuple[str, Sequence[str]]] = []

    async def resolve(source: SourceInfo, receivers: Sequence[str], given: Json) -> Json:
        asked.append((source.short_name, receivers))
        if "https://evil.example" in receivers:
            raise NotPermitted("That secret is not for this source and endpoint.")
        return {"personal_access_token": PAT}

    fields = place.world.sources["github"]["config_fields"]["fields"]
    fields.append({**fields[0], "name": "base_url", "required": False})
    async with place.open(resolve=resolve) as backend:
        auth = auth_of(direct={"credentials": {"secret_ref": "github-main"}})
        await make_connection(backend, "github", auth=auth, config=REPO)
        [made] = place.world.connections.values()
        assert made.credentials == {"personal_access_token": PAT}
        assert asked == [("github", [URL])]
        evil = {**REPO, "base_url": "https://evil.example/api"}
        with pytest.raises(NotPermitted) as caught:
            await make_connection(backend, "github", auth=auth, config=evil)
        assert URL in (caught.value.hint or "")
    assert len(place.world.connections) == 1


@pytest.mark.parametrize(
    ("short_name", "config", "form", "sent"),
    [
        (
            "notion",
            {},
            {
                "oauth_token": {
                    "access_token": {"secret_ref": "a"},
                    "refresh_token": {"secret_ref": "r"},
                }
            },
            {"access_token": "good-a", "refresh_token": "good-r"},
        ),
        (
            "salesforce",
            {"instance_url": "acme.my.salesforce.com"},
            {"oauth_browser": {"client_id": "our-id", "client_secret": {"secret_ref": "s"}}},
            {"client_id": "our-id", "client_secret": "good-s"},
        ),
    ],
)
async def test_references_in_tokens_and_own_clients_are_resolved_too(
    place: Place, short_name: str, config: Json, form: Json, sent: Json
) -> None:
    asked: list[Sequence[str]] = []

    async def resolve(source: SourceInfo, receivers: Sequence[str], given: Json) -> Json:
        assert source.short_name == short_name
        asked.append(receivers)
        return {
            name: f"good-{value['secret_ref']}" if isinstance(value, dict) else value
            for name, value in given.items()
        }

    async with place.open(resolve=resolve) as backend:
        made = await make_connection(backend, short_name, auth=auth_of(**form), config=config)
        assert place.world.connections[made.id].credentials == sent
        assert asked == [[URL, *(f"https://{host}" for host in config.values())]]
        empty = auth_of(**{next(iter(form)): {}})
        draft = await make_connection(backend, short_name, auth=empty, config=config)
        if draft.is_draft:
            assert backend.authorization is not None
            again = await backend.authorization.authorize(draft.id, auth_of(**form))
            assert place.world.connections[again.id].credentials == sent


@pytest.mark.parametrize("error", [NotPermitted, NotFound])
async def test_refused_reference_in_a_token_names_the_token(
    place: Place, error: type[WeftError]
) -> None:
    async def resolve(source: SourceInfo, receivers: Sequence[str], given: Json) -> Json:
        raise error("No.", field="auth.direct.credentials")

    auth = auth_of(oauth_token={"access_token": {"secret_ref": "a"}})
    async with place.open(resolve=resolve) as backend:
        with pytest.raises(error) as caught:
            await make_connection(backend, "notion", auth=auth)
        assert caught.value.field == "auth.oauth_token"
    async with place.open() as backend:
        with pytest.raises(InvalidInput) as without:
            await make_connection(backend, "notion", auth=auth)
        assert without.value.field == "auth.oauth_token"
    assert place.world.connections == {}


def test_hosts_that_config_names_are_receivers() -> None:
    assert list_hosts({"base_url": "https://a.example/x?y", "domain": "b.example/z"}) == [
        "https://a.example",
        "https://b.example",
    ]
    assert list_hosts({"repo_name": "acme/docs.io", "subdomain": "acme", "branch": "v1.2"}) == []
    assert list_hosts({"note": "see ftp://c.example", "subdomain": "evil.example#"}) != []


async def test_without_pages_the_caller_is_told_what_to_give(place: Place) -> None:
    async with place.open(pages=None) as backend:
        with pytest.raises(Unsupported) as caught:
            await make_connection(backend, "github", config=REPO)
    assert "auth" in (caught.value.hint or "")


async def test_catalogue_tells_what_a_source_needs(place: Place) -> None:
    async with place.open() as backend:
        gmail = await backend.sources.get("gmail")
        assert (gmail.requires_byoc, gmail.oauth_type) == (True, "with_refresh")
        assert gmail.supported_auth_providers == ("composio", "custom", "pipedream")
        assert (await backend.sources.get("slack")).federated_search
        assert (await backend.sources.get("stub")).auth_required


async def test_accounts_at_auth_providers_that_can_serve_a_source_are_told(place: Place) -> None:
    now = place.world.clock.now()
    for kind in ("composio", "pipedream"):
        place.world.providers[f"{kind}-prod"] = Provider(kind, kind, f"{kind}-prod", kind, now, now)
    async with place.open() as backend:
        github = await backend.sources.get("github")
        assert github.provider_readable_ids == ("composio-prod",), "it does not take pipedream"


@pytest.mark.parametrize(
    ("there", "named", "error", "told"),
    [
        (("composio", "pipedream"), "pipedream-prod", InvalidInput, "composio-prod"),
        (("composio",), "composio-typo", NotFound, "composio-prod"),
        (("pipedream",), "pipedream-prod", InvalidInput, "connect one of composio, custom"),
    ],
)
async def test_account_that_cannot_serve_the_source_is_refused_before_the_create(
    place: Place, there: tuple[str, ...], named: str, error: type[WeftError], told: str
) -> None:
    now = place.world.clock.now()
    for kind in there:
        place.world.providers[f"{kind}-prod"] = Provider(kind, kind, f"{kind}-prod", kind, now, now)
    async with place.open() as backend:
        auth = auth_of(auth_provider={"provider_readable_id": named})
        with pytest.raises(error) as caught:
            await make_connection(backend, "github", config=REPO, auth=auth)
        assert caught.value.field == "auth.auth_provider.provider_readable_id"
        assert told in (caught.value.hint or "")
    assert place.count_asked("POST /source-connections") == 0


async def test_account_that_is_new_is_taken(place: Place) -> None:
    now = place.world.clock.now()
    account = {"auth_config_id": "cfg", "account_id": "acc"}
    auth = auth_of(auth_provider={"provider_readable_id": "new-one", "provider_config": account})
    async with place.open() as backend:
        await backend.sources.get("github")
        place.world.providers["new-one"] = Provider("p", "C", "new-one", "composio", now, now)
        await make_connection(backend, "github", config=REPO, auth=auth)
    assert place.count_asked("POST /source-connections") == 1


async def test_refused_oauth1_client_leads_to_a_page_for_the_users_own(place: Place) -> None:
    async with place.open() as backend:
        with pytest.raises(AuthenticationFailed) as caught:
            await make_connection(backend, "trello")
        assert "leave auth out" not in (caught.value.hint or ""), "it was left out"
        assert "without its consumer_secret" in (caught.value.hint or "")
        draft = await make_connection(
            backend, "trello", auth=auth_of(oauth_browser={"consumer_key": "key"})
        )
        fields = (await show(backend, draft)).fields
    assert [field.name for field in fields] == ["consumer_key", "consumer_secret"]
