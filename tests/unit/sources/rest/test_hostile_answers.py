"""Answers that lie or are odd cost no record: each is read for what it is, or told as a gap."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from weft.domain.entities import Entity
from weft.errors import SourceMisconfigured, SourceUnavailable
from weft.net.client import http_factory
from weft.sources.base import Checkpoint, Complete, Event, Incomplete, SourceContext
from weft.sources.rest.rest_api import RestApiConfig, RestApiCredentials, RestApiSource
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json, redirect, serve
from weft.testing.source_contract import events_of, last_cursor

pytestmark = pytest.mark.anyio

NOTES = {"name": "note", "path": "/notes", "records": "items"}

Handler = Callable[[HttpRequest], HttpReply]


async def read(
    handler: Handler,
    *,
    cursor: dict[str, Any] | None = None,
    stored: tuple[str, ...] = (),
    **row: Any,
) -> list[Event]:
    """The events of one stream that the handler answers for."""

    async def unseen_ids(limit: int) -> list[str]:
        return list(stored[:limit])

    async with serve(handler) as site:
        stream = {"name": "note", "path": "/notes", "records": "items", "text": "body"} | row
        source = make({"base_url": site.url, "streams": [stream]}, unseen_ids=unseen_ids)
        return await events_of(source, cursor)


def make(
    definition: dict[str, Any],
    credentials: RestApiCredentials | None = None,
    **context: Any,
) -> RestApiSource:
    hosts = frozenset({"127.0.0.1"})
    context |= {"http": http_factory(hosts), "allow_hosts": hosts}
    config = RestApiConfig(definition=json.dumps(definition))
    return RestApiSource(config, credentials or RestApiCredentials(), SourceContext(**context))


def answer(*records: Any, **more: Any) -> Handler:
    return lambda request: as_json({"items": list(records)} | more)


def entities_in(events: list[Event]) -> list[Entity]:
    return [event for event in events if isinstance(event, Entity)]


@pytest.mark.parametrize(
    ("paging", "tokens"),
    [
        ({"kind": "token", "param": "at", "at": "next"}, {"": "a", "a": "b", "b": "a"}),
        ({"kind": "next_url", "at": "next"}, {"": "?at=a", "a": "?at=b", "b": "?at=a"}),
    ],
)
async def test_listing_that_turns_in_a_circle_is_refused(
    paging: Any, tokens: dict[str, str]
) -> None:
    def handle(request: HttpRequest) -> HttpReply:
        at = request.query.get("at", "")
        return as_json({"items": [{"id": f"id {at}"}], "next": tokens[at]})

    with pytest.raises(SourceUnavailable, match="came twice"):
        await read(handle, paging=paging)


async def test_last_page_that_is_repeated_for_ever_is_refused() -> None:
    def handle(request: HttpRequest) -> HttpReply:
        return as_json({"items": [{"id": min(int(request.query["page"]), 3)}]})

    with pytest.raises(SourceUnavailable, match="came twice"):
        await read(handle, paging={"kind": "pages"})


async def test_refusal_of_the_page_after_the_last_says_what_to_do() -> None:
    def handle(request: HttpRequest) -> HttpReply:
        page = int(request.query["page"])
        return as_json({"items": [{"id": page}]}) if page < 3 else as_json({}, 404)

    with pytest.raises(SourceMisconfigured) as raised:
        await read(handle, paging={"kind": "pages"})
    assert raised.value.hint is not None
    assert "'total'" in raised.value.hint


async def test_next_page_of_a_stream_without_paging_is_a_gap() -> None:
    def handle(request: HttpRequest) -> HttpReply:
        return as_json({"items": [{"id": 1}]}, link='</notes?page=2>; rel="next"')

    events = await read(handle)
    assert any(isinstance(event, Incomplete) for event in events)
    assert not any(isinstance(event, Complete) for event in events)


@pytest.mark.parametrize("total", [-1, 0, True, "12", None])
async def test_count_that_cannot_be_right_ends_no_listing(total: object) -> None:
    with pytest.raises(SourceUnavailable, match="'total'"):
        await read(answer({"id": 1}, total=total), paging={"kind": "pages", "total": "total"})


@pytest.mark.parametrize("found", [{"errors": ["no"]}, {"edges": None}, {"edges": "no"}])
async def test_answer_without_the_list_around_the_records_is_no_empty_page(found: object) -> None:
    with pytest.raises(SourceUnavailable, match=r"no list lies at 'edges\[\]\.node'"):
        await read(lambda request: as_json(found), records="edges[].node")


async def test_ids_that_look_alike_stay_apart() -> None:
    ids = ["a", " a", "a ", "a\u200b", "a\n", "\ud800a", "a/b", "a%2Fb", "..", 0, -1]
    events = await read(answer(*({"id": each, "body": repr(each)} for each in ids)))
    found = {entity.id: entity.text for entity in entities_in(events)}
    assert list(found.values()) == [repr(each) for each in ids]


async def test_id_without_end_is_refused_by_the_name_of_its_field() -> None:
    with pytest.raises(SourceUnavailable, match="'id' is no key"):
        await read(answer({"id": "x" * 5_000}))


async def test_different_records_with_one_key_are_a_gap() -> None:
    same = {"id": 1, "body": "one"}
    events = await read(answer(same, same))
    assert not any(isinstance(event, Incomplete) for event in events)
    events = await read(answer(same, {"id": 1, "body": "two"}))
    assert any(isinstance(event, Incomplete) for event in events)


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-10:00", 10**400, -(10**400), 1e300]
)
async def test_time_beyond_all_clocks_stops_no_later_sync(at: object) -> None:
    handle = answer({"id": 1, "at": at, "body": "one"})
    row: dict[str, Any] = {"updated": "at", "since": {"param": "since"}}
    first = await read(handle, **row)
    again = await read(handle, cursor=last_cursor(first), **row)
    assert [entity.text for entity in entities_in(first)] == ["one"]
    assert entities_in(again) == []


async def test_change_during_a_listing_is_asked_for_by_the_clock_of_the_service() -> None:
    behind = datetime.now(UTC) - timedelta(hours=5)
    asked: list[str] = []

    def handle(request: HttpRequest) -> HttpReply:
        asked.append(request.query.get("since", ""))
        last = {"id": 1, "at": (behind + timedelta(hours=1)).isoformat()}
        return as_json({"items": [last]}, date=f"{behind:%a, %d %b %Y %H:%M:%S} GMT")

    row: dict[str, Any] = {"updated": "at", "since": {"param": "since", "overlap": 0}}
    events = await read(handle, **row)
    await read(handle, cursor=last_cursor(events), **row)
    assert asked == ["", f"{behind:%Y-%m-%dT%H:%M:%SZ}"]


async def test_text_of_any_depth_and_length_is_read() -> None:
    deep: Any = "deep"
    for _ in range(800):
        deep = {"in": deep}
    lines = [str(number) for number in range(500)]
    events = await read(answer({"id": 1, "body": deep}, {"id": 2, "body": lines}))
    assert [entity.text for entity in entities_in(events)][1].splitlines() == lines


@pytest.mark.parametrize("heeds_size", [True, False])
async def test_second_listing_in_pages_of_the_first_proves_no_deletion(heeds_size: bool) -> None:
    def handle(request: HttpRequest) -> HttpReply:
        size = min(int(request.query["limit"]), 4) if heeds_size else 4
        start = int(request.query.get("at", 0))
        items = [{"id": number} for number in range(start, min(start + size, 10))]
        after = start + size
        return as_json({"items": items, "next": after if after < 10 else None})

    paging: Any = {"kind": "token", "param": "at", "at": "next", "size_param": "limit", "size": 8}
    events = await read(handle, paging=paging, stored=("note:gone",))
    [end] = [event for event in events if isinstance(event, Complete)]
    assert (end.doubt is None) is heeds_size


async def test_listing_of_another_host_that_gets_no_credentials_is_not_believed() -> None:
    async with serve(answer({"id": 1})) as other:
        moved = redirect(f"{other.url}/notes")
        async with serve(lambda request: moved) as site:
            definition = {"base_url": site.url, "auth": "bearer", "streams": [NOTES]}
            source = make(definition, RestApiCredentials(token=SecretStr("hush")))
            with pytest.raises(SourceUnavailable, match=r"answered by 127\.0\.0\.1"):
                await events_of(source)
    [asked] = other.requests
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    ("auth", "given", "message"),
    [
        ("bearer", {}, "'token' is missing"),
        ({"kind": "header", "name": "x-key", "value": "{token}"}, {}, "'token' is missing"),
        ({"kind": "basic", "user": "{username}"}, {}, "'username' is missing"),
        ({"kind": "none"}, {"token": "hush"}, "'token' would not be used"),
    ],
)
async def test_credential_that_is_missing_or_unused_is_named(
    auth: object, given: dict[str, Any], message: str
) -> None:
    definition = {"base_url": "https://x.example", "auth": auth, "streams": [NOTES]}
    with pytest.raises(SourceMisconfigured, match=message):
        await make(definition, RestApiCredentials(**given)).check()


async def test_password_that_is_left_out_is_sent_as_none() -> None:
    auth = {"kind": "basic", "user": "{username}", "password": "{password}"}
    async with serve(answer({"id": 1})) as site:
        definition = {"base_url": site.url, "auth": auth, "streams": [NOTES]}
        await make(definition, RestApiCredentials(username="key")).check()
    assert site.requests[0].headers["authorization"] == "Basic a2V5Og=="


async def test_path_with_an_empty_part_is_not_asked_for() -> None:
    child = {"name": "comment", "parent": "note", "path": "/notes/{_parent.idd}/comments"}
    async with serve(answer({"id": 1})) as site:
        with pytest.raises(SourceUnavailable, match=r"no '_parent\.idd'"):
            await events_of(make({"base_url": site.url, "streams": [NOTES, child]}))
    assert site.targets == ["/notes"]


@pytest.mark.parametrize(("token", "is_saved"), [("s/1 t", False), ("other", True)])
async def test_address_that_shows_a_credential_is_not_kept(token: str, is_saved: bool) -> None:
    def handle(request: HttpRequest) -> HttpReply:
        page = int(request.query.get("page", 1))
        following = f"?page={page + 1}&access_token=s%2F1%20t" if page < 3 else None
        return as_json({"items": [{"id": page}], "next": following})

    row = NOTES | {"paging": {"kind": "next_url", "at": "next"}}
    async with serve(handle) as site:
        definition = {"base_url": site.url, "auth": "bearer", "streams": [row]}
        events = await events_of(make(definition, RestApiCredentials(token=SecretStr(token))))
    assert len(entities_in(events)) == 3
    saved = [event.cursor for event in events if isinstance(event, Checkpoint)]
    assert ("access_token" in json.dumps(saved)) is is_saved


@pytest.mark.parametrize(("allowed", "sends"), [(":{port}", True), ("", True), (":1", False)])
async def test_credentials_go_without_tls_to_none_but_hosts_that_are_named(
    allowed: str, sends: bool
) -> None:
    async with serve(answer({"id": 1, "body": "a"})) as site:
        source = make(
            {"base_url": site.url, "auth": "bearer", "streams": [NOTES]},
            RestApiCredentials(token=SecretStr("correct-horse")),
        )
        hosts = frozenset({f"127.0.0.1{allowed.format(port=site.port)}"})
        source.context = replace(source.context, allow_hosts=hosts)
        if sends:
            assert entities_in(await events_of(source))
        else:
            with pytest.raises(SourceMisconfigured, match="HTTPS only"):
                await events_of(source)
