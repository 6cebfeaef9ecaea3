"""Every refusal of the recorded stories is an error that an agent can act on."""

import re
from typing import Any

import anyio
import httpx
import pytest
from pydantic import JsonValue, SecretStr

from tests.support.airweave.replay import open_scripted_backend
from tests.support.airweave.scenarios import NAMES, Step, find_step, load_scenario, open_backend_at
from weft.domain.collections import NewCollection
from weft.domain.connections import NewConnection
from weft.domain.reading.search import SearchQuery
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    Conflict,
    InvalidInput,
    NotPermitted,
    RateLimited,
    SourceUnavailable,
    Unsupported,
    WeftError,
)
from weft.remote.api.client import open_client
from weft.remote.api.refusals import ApiAnswer, build_error
from weft.remote.api.timeouts import Timeouts
from weft.remote.backend import RemoteBackend
from weft.testing.airweave import Airweave, airweave_app
from weft.testing.serving import serve_app

pytestmark = pytest.mark.anyio

FOREIGN = re.compile(
    r"Internal Server Error|sqlalchemy|asyncpg|function-after|SyncStatus|ValueError|KeyError"
    r"|RuntimeError|FederatedSearchError|vespa|HTTPConnection|invalid_auth|ComposioConfig"
)
UNKNOWN = re.compile(r"does not know why|cannot do this")

# What a story shows, to the error, its field, and a word of the text or of the next step.
MEANINGS: dict[str, tuple[type[WeftError], str | None, str]] = {
    "refused_credentials/002": (AuthenticationFailed, "auth", "'github' refused"),
    "refused_credentials/003": (
        InvalidInput,
        "auth.direct.credentials.personal_access_token",
        "Expected format: ghp_",
    ),
    "refused_credentials/004": (InvalidInput, "auth", "Credentials cannot be empty"),
    "refused_credentials/005": (
        InvalidInput,
        "auth.direct.credentials.personal_access_token",
        "at least 4",
    ),
    "refused_credentials/007": (InvalidInput, "config.repo_name", "Field required"),
    "refused_credentials/008": (InvalidInput, "config.repo_name", "should match pattern"),
    "refused_credentials/010": (SourceUnavailable, None, "Nothing was stored"),
    "refused_credentials/011": (RateLimited, None, "not the Airweave API"),
    "refused_credentials/012": (AuthenticationFailed, "auth", "'notion' refused"),
    "refused_credentials/014": (Unsupported, "auth", "oauth_browser"),
    "refused_credentials/021": (
        InvalidInput,
        "auth.auth_provider.provider_config.account_id",
        "Field required",
    ),
    "refused_credentials/022": (
        InvalidInput,
        "auth.auth_provider.provider_readable_id",
        "composio, custom",
    ),
    "refused_credentials/030": (Unsupported, "auth", "get_source"),
    "refused_credentials/042": (Unsupported, "auth", "authorize_connection"),
    "byoc/003": (InvalidInput, "auth.oauth_browser", "client_id and client_secret"),
    "byoc/005": (InvalidInput, "auth.oauth_browser", "both client_id and client_secret"),
    "oauth_complete/011": (NotPermitted, "connection_id", "authorize_connection"),
    "oauth_complete/056": (NotPermitted, "connection_id", "authorize_connection"),
    "oauth_complete/065": (AuthenticationFailed, "auth", "consumer_key"),
    "federated/003": (Unsupported, "schedule", "searched live"),
    "federated/014": (Unsupported, "schedule", "searched live"),
    "federated/021": (AccessDenied, None, "search:read"),
    "federated/023": (Conflict, "readable_collection_id", "list_connections"),
    "auth_providers/011": (NotPermitted, None, "no API key"),
    "around/020": (NotPermitted, None, "does not have this feature"),
    "jobs_detail/019": (InvalidInput, "limit", "unable to parse string as an integer"),
    "search/011": (InvalidInput, "retrieval_strategy", "'semantic', 'keyword' or 'hybrid'"),
    "search/033": (Unsupported, None, "language model"),
}


def error_of(step: Step, *, missing: str | None = None) -> WeftError:
    """Return our error for a recorded refusal."""
    return build_error(ApiAnswer(step.status, step.body, retry_after=7.0), missing=missing)


@pytest.mark.parametrize("place", MEANINGS)
def test_recorded_refusal_says_what_is_wrong_and_what_to_do(place: str) -> None:
    kind, field, word = MEANINGS[place]
    error = error_of(find_step(*place.split("/")))
    assert isinstance(error, kind)
    assert error.field == field
    assert word in str(error)


@pytest.mark.parametrize("name", NAMES)
def test_no_refusal_of_a_story_shows_foreign_text_or_lacks_a_reason(name: str) -> None:
    for step in load_scenario(name):
        if step.status < 400 or "/callback" in step.path or step.status == 405:
            continue
        shown = f"{step.name}: {error_of(step, missing='connection_id')}"
        assert not FOREIGN.search(shown), shown
        assert not UNKNOWN.search(shown), shown


@pytest.mark.parametrize(
    ("detail", "word"),
    [
        ("Usage limit exceeded for source_connections: 10/10", "10 of 10"),
        ("Action 'queries' is not allowed due to payment status: past_due", "past_due"),
    ],
)
def test_limit_of_the_plan_is_told(detail: str, word: str) -> None:
    error = build_error(ApiAnswer(400, {"detail": detail}))
    assert isinstance(error, NotPermitted)
    assert word in str(error)


@pytest.mark.parametrize("body", [{"detail": "Not Found"}, None])
def test_address_without_the_route_is_told_as_a_wrong_url(body: JsonValue) -> None:
    error = build_error(ApiAnswer(404, body), missing="connection_id")
    assert "WEFT_API_URL" in str(error)


async def connect(backend: RemoteBackend, **fields: Any) -> None:
    """Create a connection in a new collection."""
    await backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    values = {"readable_collection_id": "docs"} | fields
    await backend.connections.create(NewConnection.model_validate(values))


async def test_plan_that_is_used_up_is_told_when_a_connection_is_created() -> None:
    async with open_backend_at(Airweave(max_connections=0)) as backend:
        with pytest.raises(NotPermitted, match="0 of 0 source_connections"):
            await connect(
                backend, short_name="stub", auth={"direct": {"credentials": {"stub_key": "x"}}}
            )


@pytest.mark.parametrize(("token", "kind"), [("down", SourceUnavailable), ("slow429", RateLimited)])
async def test_slow_refusal_of_the_source_is_waited_for_and_told(
    token: str, kind: type[WeftError]
) -> None:
    world = Airweave(pause=lambda seconds: anyio.sleep(seconds / 1000))
    async with open_backend_at(world) as backend:
        with pytest.raises(kind) as caught:
            await connect(
                backend, short_name="notion", auth={"oauth_token": {"access_token": token}}
            )
    assert "not known" not in str(caught.value)
    assert "Nothing was stored" in str(caught.value)
    assert world.asked.count("POST /source-connections") == 1


async def test_search_that_a_pending_live_source_breaks_is_not_repeated() -> None:
    world = Airweave()
    async with open_backend_at(world) as backend:
        await connect(backend, short_name="slack")
        query = SearchQuery(readable_collection_id="docs", query="house")
        assert backend.search is not None
        with pytest.raises(Conflict, match="searched live"):
            await backend.search.search(query)
    assert len([asked for asked in world.asked if "/search/" in asked]) == 1


async def test_api_may_be_silent_until_it_has_checked_credentials() -> None:
    quick = Timeouts(silence=0.2, attempts=1, looks=1, look_pause=0.01)
    world = Airweave(pause=lambda _: anyio.sleep(1.0))
    key = SecretStr(world.key)
    async with serve_app(airweave_app(world)) as url, open_client(url, key, timeouts=quick) as http:
        with pytest.raises(SourceUnavailable, match="'notion' failed"):
            await connect(
                RemoteBackend(http),
                short_name="notion",
                auth={"oauth_token": {"access_token": "down"}},
            )


@pytest.mark.parametrize("body", [{"detail": "Not Found"}, None])
async def test_wrong_path_of_the_api_is_not_told_as_a_missing_connection(body: JsonValue) -> None:
    connection_id = "33de2036-0000-4000-8000-000000000001"
    async with open_scripted_backend(lambda _: httpx.Response(404, json=body)) as backend:
        for call in (backend.jobs.run, backend.jobs.list, backend.connections.get):
            with pytest.raises(Unsupported, match="WEFT_API_URL"):
                await call(connection_id)
