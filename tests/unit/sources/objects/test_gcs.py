"""Google: tokens of a service account, and what is no listing."""

import gzip
import json
from collections.abc import AsyncGenerator
from functools import cache
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from tests.support.sources import buckets
from tests.support.sources.buckets import ACCOUNT_EMAIL, BUCKET, TOKEN, Bucket, key_file
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import AuthenticationFailed, SourceUnavailable, WeftError
from weft.net.client import http_factory
from weft.sources.base import Failed, SourceContext
from weft.sources.objects.gcs import parse_page
from weft.sources.objects.source import ObjectsSource
from weft.testing.http_faults import NO_WAIT
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve
from weft.testing.source_contract import SourceCase, events_of

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def read_keys_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RSAKey, "import_key", cache(RSAKey.import_key))


@pytest.fixture
def bucket() -> Bucket:
    return Bucket({"a.txt": b"a", "b.txt": b"b"}, lambda asked: TOKEN in str(asked.headers))


@pytest.fixture
async def site(bucket: Bucket) -> AsyncGenerator[Site]:
    async with serve(buckets.gcs(bucket)) as site:
        yield site


def source_at(site: Site, key: str | None = None) -> Any:
    config: Json = {"url": f"gs://{BUCKET}", "endpoint": site.url}
    credentials: Json = {"service_account_key": key or key_file(ACCOUNT_EMAIL, f"{site.url}/token")}
    context = SourceContext(http=http_factory({"127.0.0.1"}, clock=NO_WAIT))
    return SourceCase(ObjectsSource, config, context, credentials=credentials).make()


async def test_one_token_serves_a_whole_sync(site: Site) -> None:
    events = await events_of(source_at(site))
    assert [event.id for event in events if isinstance(event, Entity)] == ["a.txt", "b.txt"]
    assert site.targets.count("/token") == 1


async def test_private_key_is_sent_to_nobody(site: Site) -> None:
    await events_of(source_at(site))
    sent = "".join(f"{asked.headers}{asked.body}" for asked in site.requests)
    assert "PRIVATE" not in sent
    assert json.loads(key_file("a", "b"))["private_key"][40:80] not in sent


@pytest.mark.parametrize(
    "change",
    [
        {"private_key": "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n"},
        {"private_key": ""},
        {"token_uri": "http://token.example/canary"},
        {"token_uri": "file:///canary"},
        {"client_email": "canary@another.example"},
    ],
)
async def test_key_that_cannot_be_used_is_told_and_not_shown(
    site: Site, change: dict[str, str]
) -> None:
    fields = json.loads(key_file(ACCOUNT_EMAIL, f"{site.url}/token")) | change
    with pytest.raises(AuthenticationFailed, match="service account") as raised:
        await source_at(site, json.dumps(fields)).check()
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        as_json({"access_token": 1}),
        as_json({"access_token": "a\r\nx-other: b"}),
        as_json([]),
        HttpReply(200, b"<html>"),
        HttpReply(500),
    ],
)
async def test_answer_without_a_token_is_no_fault_of_the_key(answer: HttpReply) -> None:
    async with serve(lambda _: answer) as site:
        with pytest.raises(SourceUnavailable):
            await source_at(site).check()


async def test_content_that_google_stores_packed_is_read(bucket: Bucket) -> None:
    packed = gzip.compress(b"a text")

    def handle(asked: HttpRequest) -> HttpReply:
        reply = buckets.gcs(bucket)(asked)
        if "/o/a.txt" in asked.target:
            more = {"content-encoding": "gzip", "x-goog-stored-content-encoding": "gzip"}
            reply = HttpReply(200, packed, {**reply.headers, **more})
        return reply

    async with serve(handle) as site:
        events = await events_of(source_at(site))
    assert [e.text for e in events if isinstance(e, Entity)] == ["a text", "b"]


@pytest.mark.parametrize("body", [b"<p>Sign in", b"", b"z"])
async def test_something_else_than_the_content_is_not_stored(bucket: Bucket, body: bytes) -> None:
    def handle(asked: HttpRequest) -> HttpReply:
        reply = buckets.gcs(bucket)(asked)
        return HttpReply(200, body, reply.headers) if "/o/a.txt" in asked.target else reply

    async with serve(handle) as site:
        events = await events_of(source_at(site))
    assert [e.id for e in events if isinstance(e, Failed)] == ["a.txt"]
    assert [e.id for e in events if isinstance(e, Entity)] == ["b.txt"]


@pytest.mark.parametrize(
    "page",
    [
        {},
        [],
        {"kind": "storage#buckets"},
        {"kind": "storage#objects", "items": {}},
        {"kind": "storage#objects", "nextPageToken": 1},
        {"kind": "storage#objects", "items": [{"size": "1"}]},
        {"kind": "storage#objects", "items": [{"name": "a"}]},
        {"kind": "storage#objects", "items": [{"name": "a", "size": "-1"}]},
        {"kind": "storage#objects", "items": ["a"]},
    ],
)
def test_what_is_no_listing_is_not_believed(page: Any) -> None:
    with pytest.raises(WeftError, match="list of objects"):
        parse_page(json.dumps(page).encode())
