"""Gmail: the contract of sources, and what is particular to it."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.sources.described import Described
from tests.support.sources.gmail import FakeGmail, mail
from tests.support.sources.google import refuse
from tests.support.sources.service_cases import CaseMaker
from weft.domain.entities import Entity
from weft.errors import CursorExpired, RateLimited
from weft.sources.base import (
    Complete,
    Deleted,
    Event,
    Failed,
    OAuth2,
    Skipped,
    Unchanged,
)
from weft.sources.imap.message import MailText, parse_message
from weft.sources.services.google import gmail
from weft.sources.services.google.gmail import GmailConfig, GmailSource
from weft.testing.http_faults import Answer, HttpFaults
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, serve
from weft.testing.source_contract import (
    Change,
    SourceCase,
    SourceContract,
    events_of,
    last_cursor,
)

pytestmark = pytest.mark.anyio
HOME = "/gmail/v1/users/me"
make_case = CaseMaker(GmailSource, path=HOME)


def fill(box: FakeGmail) -> None:
    box.put("m1", mail("Tea\u200b", "Green\x07 or black?"), "INBOX", "UNREAD", day=2)
    box.put("m2", mail("Re: Tea", "Green."), "SENT", "Label_7", day=3)
    box.put("m3", mail("AW: RE: Tea", "With milk?"), "INBOX", day=4)
    box.put("m4", mail("Win a kettle", "Click."), "INBOX", "CATEGORY_PROMOTIONS", day=5)


def too_fast(_: Answer) -> Answer:
    reply = refuse(403, "userRateLimitExceeded")
    return Answer(reply.status, dict(reply.headers), reply.body)


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse in this process: each test would start a child of its own."""

    async def read(content: bytes) -> MailText:
        return parse_message(content)

    monkeypatch.setattr(gmail, "read_message", read)


@pytest.mark.usefixtures("no_child")
class TestGmail(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        box = FakeGmail()
        fill(box)
        described = Described("gmail", box, HOME)

        async def mutate() -> Change:
            box.put("m5", mail("Milk", "There is none."), "INBOX", day=6)
            box.label("m1", "INBOX", "Label_7")
            box.label("m2", "TRASH")
            box.remove("m3")
            return Change(
                frozenset({"message:m1", "message:m5"}), frozenset({"message:m2", "message:m3"})
            )

        async with serve(described) as site:
            yield make_case(
                site,
                bad_credentials={"access_token": "battery-staple"},
                mutate=mutate,
                hostile="JSON and mail are parsed as by the sources github and imap.",
                faults=HttpFaults(more={"too fast": too_fast}),
            )
        assert described.faults == []


@pytest.fixture
async def box() -> FakeGmail:
    return FakeGmail()


@pytest.fixture
async def site(box: FakeGmail, no_child: None) -> AsyncGenerator[Site]:
    described = Described("gmail", box, HOME)
    async with serve(described) as site:
        yield site
    assert described.faults == []


def entities(events: list[Event]) -> dict[str, Entity]:
    return {each.id: each for each in events if isinstance(each, Entity)}


async def test_every_method_that_is_described_was_tried() -> None:
    box = FakeGmail()
    fill(box)
    described = Described("gmail", box, HOME)
    async with serve(described) as site:
        case = make_case(site)
        assert await case.make().check() == "Gmail as ada@acme.example"
        before = await events_of(case.make())
        await events_of(case.make(), last_cursor(before))
    assert described.faults == []
    assert described.unused == set()


async def test_message_tells_who_wrote_in_which_thread(box: FakeGmail, site: Site) -> None:
    fill(box)
    found = entities(await events_of(make_case(site).make()))
    assert found["message:m3"].title == "AW: RE: Tea"
    assert {each.breadcrumbs for each in found.values()} == {("Tea",)}
    message = found["message:m2"]
    assert "Green." in message.text
    assert message.metadata["thread_id"] == "t1"
    assert message.metadata["from"] == "Ada <ada@acme.example>"
    assert message.metadata["labels"] == ["SENT", "Tea/Green leaves"]
    assert message.url == "https://mail.google.com/mail/#all/m2"
    assert str(message.updated_at) == "2026-03-03 00:00:00+00:00"


async def test_attachments_are_read_with_the_message(box: FakeGmail) -> None:
    box.put("m1", mail("Plan", "See below.", plan_txt=b"Boil water."), "INBOX")
    async with serve(box) as site:
        [found] = entities(await events_of(make_case(site).make())).values()
    assert "Boil water." in found.text
    assert found.metadata["attachments"] == ["plan.txt"]


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({}, {"m1", "m2", "m3"}),
        ({"excluded_categories": []}, {"m1", "m2", "m3", "m4"}),
        ({"included_labels": ["Tea/Green leaves"]}, {"m2"}),
        ({"included_labels": []}, {"m1", "m2", "m3", "m5"}),
        ({"excluded_labels": ["sent"]}, {"m1", "m3"}),
        ({"excluded_labels": ["promotions"], "excluded_categories": []}, {"m1", "m2", "m3"}),
        ({"included_labels": ["promotions"], "excluded_categories": []}, {"m4"}),
        ({"after_date": "2026/03/03"}, {"m2", "m3"}),
        ({"gmail_query": "milk"}, {"m3"}),
    ],
)
async def test_messages_are_chosen_as_configured_in_listings_and_in_changes(
    box: FakeGmail, site: Site, config: dict[str, Any], wanted: set[str]
) -> None:
    case = make_case(site, config=config)
    before = await events_of(case.make())
    fill(box)
    box.put("m5", mail("Kept", "Archived."), day=6)
    box.put("m6", mail("Draft", "Not yet."), "DRAFT", day=6)
    box.put("m7", mail("Spam", "Buy."), "SPAM", day=6)
    ids = {f"message:{key}" for key in wanted}
    assert entities(await events_of(case.make())).keys() == ids
    assert entities(await events_of(case.make(), last_cursor(before))).keys() == ids


async def test_message_that_was_archived_goes_and_comes_back(box: FakeGmail, site: Site) -> None:
    fill(box)
    case = make_case(site)
    first = await events_of(case.make())
    box.label("m1")
    second = await events_of(case.make(), last_cursor(first))
    assert Deleted("message:m1") in second
    box.label("m1", "INBOX")
    assert entities(await events_of(case.make(), last_cursor(second))).keys() == {"message:m1"}


async def test_known_message_is_downloaded_again_only_if_its_labels_changed(
    box: FakeGmail, site: Site
) -> None:
    fill(box)
    case = make_case(site)
    first = await events_of(case.make())
    known = {each.id: each.version for each in entities(first).values() if each.version}
    site.requests.clear()
    assert Unchanged("message:m1") in await events_of(case.make(known=known))
    assert not [asked for asked in site.targets if "format=raw" in asked]
    box.label("m1", "INBOX", "Label_7")
    events = await events_of(case.make(known=known), last_cursor(first))
    assert entities(events)["message:m1"].metadata["labels"] == ["INBOX", "Tea/Green leaves"]


async def test_full_listing_sees_which_labels_changed_as_far_as_gmail_remembers(
    box: FakeGmail, site: Site
) -> None:
    fill(box)
    case = make_case(site)
    first = await events_of(case.make())
    known = {each.id: each.version for each in entities(first).values() if each.version}
    box.label("m1", "INBOX", "Label_7")
    again: dict[str, Any] = {"known": known, "last_cursor": last_cursor(first)}
    events = await events_of(case.make(**again))
    assert {key: each.metadata["labels"] for key, each in entities(events).items()} == {
        "message:m1": ["INBOX", "Tea/Green leaves"]
    }
    assert isinstance(events[-1], Complete)
    box.forgotten = 1_000
    events = await events_of(case.make(**again))
    assert entities(events) == {}
    assert isinstance(events[-1], Complete)


async def test_history_that_is_forgotten_begins_a_full_listing(box: FakeGmail, site: Site) -> None:
    fill(box)
    case = make_case(site)
    cursor = last_cursor(await events_of(case.make()))
    box.forgotten = 1_000
    with pytest.raises(CursorExpired):
        await events_of(case.make(), cursor)


async def test_message_that_gmail_calls_too_large_is_skipped(
    box: FakeGmail, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gmail, "_ANSWER_BYTES_MAX", 4_000)
    box.put("m1", mail("Long", "x" * 4_000), "INBOX")
    box.put("m2", mail("Odd", "x" * 4_000), "INBOX")
    box.sizes["m1"] = 2**26
    events = await events_of(make_case(site).make())
    assert Skipped("message:m1", f"larger than {gmail.MESSAGE_BYTES_MAX} bytes") in events
    assert [each.id for each in events if isinstance(each, Failed)] == ["message:m2"]


@pytest.mark.parametrize("spoil", [{"id": "m9"}, {"raw": ""}, {"raw": "?"}, {"raw": 7}])
async def test_answer_that_is_not_the_message_is_not_stored(
    box: FakeGmail, spoil: dict[str, Any]
) -> None:
    fill(box)

    def answer(request: HttpRequest) -> HttpReply:
        reply = box(request)
        if request.query.get("format") == "raw":
            reply.body = json.dumps({**json.loads(reply.body), **spoil}).encode()
        return reply

    async with serve(answer) as site:
        events = await events_of(make_case(site).make())
    assert len([each for each in events if isinstance(each, Failed)]) == 3
    assert entities(events) == {}


async def test_limit_a_minute_is_waited_for_and_that_of_a_day_is_not(box: FakeGmail) -> None:
    refusals = [refuse(429, "rateLimitExceeded"), refuse(403, "userRateLimitExceeded")]

    def answer(request: HttpRequest) -> HttpReply:
        return refusals.pop(0) if refusals else box(request)

    async with serve(answer) as site:
        case = make_case(site)
        assert await case.make().check() == "Gmail as ada@acme.example"
        refusals.append(refuse(403, "dailyLimitExceeded"))
        with pytest.raises(RateLimited) as refused:
            await case.make().check()
    assert refused.value.retry_after == 3600


async def test_empty_mailbox_is_complete(site: Site) -> None:
    assert isinstance((await events_of(make_case(site).make()))[-1], Complete)


@pytest.mark.parametrize("config", [{"included_labels": [" / "]}, {"after_date": "yesterday"}])
def test_filter_that_means_nothing_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GmailConfig.model_validate(config)


def test_consent_asks_only_to_read() -> None:
    consent = GmailSource.oauth(GmailConfig(), {})
    assert isinstance(consent, OAuth2)
    assert consent.scopes == ("https://www.googleapis.com/auth/gmail.readonly",)
