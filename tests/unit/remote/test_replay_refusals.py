"""Every recorded refusal is the right error of ours, with nothing of the API's own texts in it."""

import re

import pytest

from tests.support.airweave.recordings import ALL, number_of, recording
from tests.support.airweave.replay import KEY, Exchange, open_scripted_backend, open_scripted_client
from weft.errors import (
    AuthenticationFailed,
    Conflict,
    InvalidInput,
    NotFound,
    NotPermitted,
    RateLimited,
    SourceUnavailable,
    Unsupported,
    WeftError,
)
from weft.remote.api.client import ApiClient

pytestmark = pytest.mark.anyio

# Each refusal by the number of its recording: the error that it is, and the field that it names.
REFUSALS: dict[str, tuple[type[WeftError], str | None]] = {
    "auth/001": (NotPermitted, None),
    "auth/002": (NotPermitted, None),
    "auth/003": (NotPermitted, None),
    "auth/004": (NotPermitted, None),
    "auth/009": (NotPermitted, None),
    "auth/010": (NotPermitted, None),
    "auth/013": (NotPermitted, None),
    "auth/015": (NotPermitted, None),
    "auth/016": (NotPermitted, None),
    "auth/017": (InvalidInput, "short_name"),
    "auth/021": (RateLimited, None),
    "auth/022": (RateLimited, None),
    "noauth/005": (NotFound, "short_name"),
    "noauth/009": (Conflict, "readable_id"),
    "noauth/010": (InvalidInput, "readable_id"),
    "noauth/011": (InvalidInput, "name"),
    "noauth/013": (NotFound, "readable_collection_id"),
    "noauth/016": (InvalidInput, "limit"),
    "noauth/019": (Conflict, None),
    "noauth/022": (Conflict, None),
    "noauth/026": (Conflict, None),
    "noauth/029": (Conflict, None),
    "noauth/032": (Conflict, None),
    "noauth/033": (Conflict, None),
    "noauth/036": (NotFound, "job_id"),
    "noauth/037": (Conflict, None),
    "noauth/038": (NotFound, "connection_id"),
    "noauth/039": (NotFound, "connection_id"),
    "noauth/040": (NotFound, "connection_id"),
    "noauth/041": (NotFound, "connection_id"),
    "noauth/042": (NotFound, "connection_id"),
    "noauth/043": (InvalidInput, "connection_id"),
    "noauth/044": (Unsupported, None),
    "noauth/045": (Unsupported, None),
    "noauth/046": (InvalidInput, "limit"),
    "noauth/047": (InvalidInput, "limit"),
    "noauth/052": (InvalidInput, "limit"),
    "noauth/053": (InvalidInput, "skip"),
    "noauth/054": (InvalidInput, "short_name"),
    "noauth/055": (InvalidInput, "arguments"),
    "noauth/056": (NotFound, "short_name"),
    "noauth/057": (NotFound, "readable_collection_id"),
    "noauth/058": (InvalidInput, "name"),
    "noauth/059": (InvalidInput, "name"),
    "noauth/060": (InvalidInput, "description"),
    "noauth/062": (InvalidInput, "auth"),
    "noauth/063": (Unsupported, "auth"),
    "noauth/064": (Unsupported, "auth"),
    "noauth/065": (InvalidInput, "auth"),
    "noauth/066": (InvalidInput, "auth"),
    "noauth/068": (Unsupported, "auth"),
    "noauth/069": (InvalidInput, "auth"),
    "noauth/070": (InvalidInput, "config.entity_count"),
    "noauth/072": (InvalidInput, "auth.direct.credentials.personal_access_token"),
    "noauth/073": (AuthenticationFailed, "auth"),
    "noauth/074": (NotFound, "auth.auth_provider.provider_readable_id"),
    "noauth/075": (Unsupported, "auth"),
    "noauth/076": (InvalidInput, "schedule"),
    "noauth/077": (InvalidInput, "schedule"),
    "noauth/081": (InvalidInput, "schedule"),
    "noauth/082": (InvalidInput, "schedule"),
    "noauth/083": (InvalidInput, "schedule"),
    "noauth/084": (SourceUnavailable, None),
    "noauth/088": (NotFound, "connection_id"),
    "noauth/089": (NotFound, "connection_id"),
    "noauth/091": (InvalidInput, "auth.oauth_browser"),
    "noauth/093": (InvalidInput, "sync_immediately"),
    "noauth/094": (InvalidInput, "arguments"),
    "noauth/095": (InvalidInput, "arguments"),
    "noauth/097": (SourceUnavailable, None),
    "noauth/101": (InvalidInput, "config.entity_count"),
    "noauth/104": (InvalidInput, "schedule"),
    "noauth/105": (InvalidInput, "schedule.cron"),
    "noauth/111": (InvalidInput, "arguments"),
    "noauth/119": (Conflict, None),
    "noauth/121": (Conflict, "connection_id"),
    "noauth/122": (Conflict, "connection_id"),
    "noauth/123": (NotFound, "connection_id"),
    "noauth/126": (NotFound, "connection_id"),
    "noauth/132": (NotFound, "connection_id"),
}
# Parts of the API's own texts, and of values that were sent: none may come through.
FOREIGN = re.compile(
    r"Internal Server Error|sqlalchemy|asyncpg|function-after|Errno|SyncStatus|ValueError"
    r"|00000000-0000|badly formed|'nope'|finance-data|Temporal"
)


def missing_field(exchange: Exchange) -> str | None:
    """The argument that a 404 at this path is about."""
    parts = exchange.bare.strip("/").split("/")
    if len(parts) > 1 and "cancel" not in parts:
        nouns = {"sources": "short_name", "collections": "readable_collection_id"}
        return nouns.get(parts[0], "connection_id" if parts[0] == "source-connections" else None)
    return "job_id" if "cancel" in parts else None


def test_every_refusal_has_its_place_in_the_table() -> None:
    refused = {number_of(exchange) for exchange in ALL.values() if exchange.status >= 400}
    assert refused == set(REFUSALS)


@pytest.mark.parametrize("name", [n for n in ALL if ALL[n].status >= 400])
async def test_recorded_refusal_is_our_error(name: str) -> None:
    exchange = ALL[name]
    kind, field = REFUSALS[number_of(exchange)]
    async with open_scripted_client(lambda _: exchange.response()) as client:
        with pytest.raises(kind) as caught:
            await send_again(client, exchange)
    error = caught.value
    assert error.field == field
    shown = f"{error.message} {error.hint} {error.field}"
    assert not FOREIGN.search(shown)
    assert KEY.get_secret_value() not in shown


async def send_again(client: ApiClient, exchange: Exchange) -> None:
    missing = missing_field(exchange)
    if exchange.method == "GET":
        await client.get(exchange.path, lambda body: body, missing=missing)
    elif exchange.method == "DELETE":
        await client.delete(exchange.path, missing=missing or "")
    else:
        await client.send(exchange.method, exchange.path, lambda body: body, missing=missing)


async def test_rate_limit_says_when() -> None:
    async with open_scripted_backend(lambda _: recording("auth/021").response()) as backend:
        with pytest.raises(RateLimited) as caught:
            await backend.sources.get("stub")
    assert caught.value.retry_after == 60
    assert "in 60 s" in str(caught.value)


@pytest.mark.parametrize("wanted", ["auth/001", "auth/002"])
async def test_refused_key_names_the_setting(wanted: str) -> None:
    async with open_scripted_backend(lambda _: recording(wanted).response()) as backend:
        with pytest.raises(NotPermitted, match="WEFT_API_KEY"):
            await backend.connections.list()


async def test_unsupported_method_names_those_that_are_offered() -> None:
    async with open_scripted_client(lambda _: recording("noauth/063").response()) as client:
        with pytest.raises(Unsupported, match="it offers: direct"):
            await client.send("POST", "/source-connections", lambda body: body)
