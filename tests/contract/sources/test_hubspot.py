"""HubSpot: the contract of sources, and what is particular to it."""

import json
from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import pytest

from tests.support.sources.hubspot import KINDS, FakeHubSpot, contact, note
from tests.support.sources.service_cases import CaseMaker
from weft.domain.entities import Entity
from weft.errors import RateLimited
from weft.sources.base import Complete, Deleted, Incomplete, Skipped
from weft.sources.rest.table import Stream
from weft.sources.services.hubspot import HubSpotSource
from weft.testing.http_faults import Answer, HttpFaults
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve
from weft.testing.source_contract import (
    Change,
    SourceCase,
    SourceContract,
    events_of,
    last_cursor,
)

DAILY = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "DAILY"}
MOMENTARY = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}


class TwoKinds(HubSpotSource):
    """All kinds are made by one function, so the suite need not list each of them."""

    streams: ClassVar[tuple[Stream, ...]] = tuple(
        row for row in HubSpotSource.streams if row.path.endswith(("/contacts", "/notes"))
    )


make_case = CaseMaker(HubSpotSource)


def refused(told: dict[str, Any]) -> Answer:
    return Answer(429, {"content-type": "application/json"}, json.dumps(told).encode())


class TestHubSpot(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        account = FakeHubSpot()

        async def mutate() -> Change:
            contacts, notes = account.records["contacts"], account.records["notes"]
            contacts[0] = contact(1, day=2, name="King")
            account.archived["contacts"] = [contacts.pop(1) | {"archived": True}]
            contacts.append(contact(4, day=3))
            notes[0] = note(11, day=2, body="Wants coffee")
            notes.pop()
            return Change(
                frozenset({"contact:1", "contact:4", "note:11"}),
                frozenset({"contact:2", "note:13"}),
                relisted=frozenset({"note:13"}),
            )

        async with serve(account) as site:
            yield make_case(
                site,
                TwoKinds,
                bad_credentials={"access_token": "battery-staple"},
                mutate=mutate,
                hostile="JSON and HTML are parsed as by the sources github and web.",
                faults=HttpFaults(
                    more={
                        "daily limit": lambda _: refused(DAILY),
                        "momentary limit": lambda _: refused(MOMENTARY),
                    }
                ),
            )


@pytest.fixture
def account() -> FakeHubSpot:
    return FakeHubSpot()


@pytest.fixture
async def site(account: FakeHubSpot) -> AsyncGenerator[Site]:
    async with serve(account) as site:
        yield site


def entities(events: list[Any]) -> dict[str, Entity]:
    return {each.id: each for each in events if isinstance(each, Entity)}


@pytest.mark.anyio
async def test_records_tell_whose_they_are_and_where_to_see_them(site: Site) -> None:
    found = entities(await events_of(make_case(site).make()))
    assert len(found) == 6
    ada, tea = found["contact:1"], found["note:11"]
    assert ada.title == "Ada Lovelace"
    assert ada.text == "firstname: Ada\nlastname: Lovelace\nemail: ada1@acme.example"
    assert ada.metadata["owner"] == "Grace Hopper"
    assert ada.url == "https://app.hubspot.com/contacts/4711/record/0-1/1"
    assert tea.text.strip() == "Wants tea"
    assert tea.metadata["owner"] == "o72@acme.example"
    asked = {target.partition("?")[0] for target in site.targets}
    assert asked >= {f"/crm/v3/objects/{kind}" for kind in KINDS}


@pytest.mark.anyio
async def test_search_goes_beyond_its_limit_by_asking_for_later_ids(
    account: FakeHubSpot, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.sources.hubspot.RESULTS_MAX", 3)
    case = make_case(site, TwoKinds)
    cursor = last_cursor(await events_of(case.make()))
    account.records["contacts"] = [contact(number, day=2) for number in range(1, 8)]
    events = await events_of(case.make(), cursor)
    assert entities(events).keys() == {f"contact:{number}" for number in range(1, 8)}
    assert not [each for each in events if isinstance(each, Incomplete)]


@pytest.mark.anyio
async def test_archived_record_goes_and_merged_one_is_not_taken_for_its_winner(
    account: FakeHubSpot, site: Site
) -> None:
    case = make_case(site, TwoKinds)
    before = await events_of(case.make())
    account.records["contacts"].pop(1)
    account.merged["2"] = "1"
    again = await events_of(case.make(stored=entities(before)))
    assert isinstance(again[-1], Complete)
    assert again[-1].doubt is None
    account.archived["contacts"] = [contact(3) | {"archived": True}]
    assert Deleted("contact:3") in await events_of(case.make(), last_cursor(before))


@pytest.mark.anyio
async def test_token_without_some_scopes_reads_the_rest(account: FakeHubSpot, site: Site) -> None:
    account.denied = frozenset({"contacts", "owners", "emails"})
    events = await events_of(make_case(site).make())
    assert entities(events).keys() == {"note:11", "note:12", "note:13"}
    assert [each.id for each in events if isinstance(each, Skipped)] == ["contact", "email"]
    assert isinstance(events[-1], Complete)


@pytest.mark.anyio
async def test_only_what_changed_since_a_day_is_read(account: FakeHubSpot, site: Site) -> None:
    account.records["contacts"][1] = contact(2, day=5)
    case = make_case(site, TwoKinds, config={"after_date": "2026/03/05"})
    events = await events_of(case.make(stored={"contact:1": "", "contact:2": ""}))
    assert entities(events).keys() == {"contact:2"}
    assert isinstance(events[-1], Complete)


@pytest.mark.anyio
async def test_momentary_limit_is_waited_for_and_the_daily_one_is_told() -> None:
    account, waits = FakeHubSpot(), list[float]()
    left = [MOMENTARY] * 4

    async def note_wait(seconds: float) -> None:
        waits.append(seconds)

    def answer(request: HttpRequest) -> HttpReply:
        return as_json(left.pop(), 429) if left else account(request)

    async with serve(answer) as site:
        case = make_case(site, sleep=note_wait)
        assert await case.make().check() == "HubSpot as account 4711"
        assert waits == [10]
        left += [DAILY] * 4
        with pytest.raises(RateLimited, match="daily") as told:
            await case.make().check()
        assert told.value.retry_after == 3600
