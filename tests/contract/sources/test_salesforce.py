"""Salesforce: the contract of sources, and what is particular to it."""

from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from tests.support.sources.salesforce import FakeSalesforce, account, case, error, record
from tests.support.sources.service_cases import CaseMaker
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import CursorExpired, RateLimited, SourceMisconfigured, SourceUnavailable
from weft.sources.base import Checkpoint, Complete, Deleted, Incomplete, Skipped
from weft.sources.rest.table import Stream
from weft.sources.services.salesforce import SalesforceConfig, SalesforceSource
from weft.testing.http_faults import Answer, HttpFaults, Spoil
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve
from weft.testing.source_contract import (
    Change,
    SourceCase,
    SourceContract,
    events_of,
    last_cursor,
)

ACME: Json = {"instance_url": "https://acme.my.salesforce.com"}
TOTAL, AT_ONCE = "TotalRequests Limit exceeded.", "ConcurrentRequests Limit exceeded."


class TwoKinds(SalesforceSource):
    """All kinds are made by one function, so the suite need not list each of them."""

    streams: ClassVar[tuple[Stream, ...]] = tuple(
        row for row in SalesforceSource.streams if row.name.endswith(("account", "case"))
    )


make_case = CaseMaker(SalesforceSource, config=ACME)


def refuse(code: str, status: int, message: str = "No.") -> Spoil:
    told = error(code, status, message)
    return lambda _: Answer(told.status, dict(told.headers), told.body)


class TestSalesforce(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        org = FakeSalesforce()

        async def mutate() -> Change:
            accounts, cases = org.records["Account"], org.records["Case"]
            accounts[0] = account(1, day=2, about="Sells coffee.")
            org.deleted["Account"] = [accounts.pop(1) | account(2, day=2) | {"IsDeleted": True}]
            accounts.append(account(4, day=3))
            cases[0] = case(1, day=2, status="Closed")
            cases.pop()
            return Change(
                frozenset({ACCOUNT.format(1), ACCOUNT.format(4), CASE.format(1)}),
                frozenset({ACCOUNT.format(2), CASE.format(3)}),
                relisted=frozenset({CASE.format(3)}),
            )

        async with serve(org) as site:
            yield make_case(
                site,
                TwoKinds,
                bad_credentials={"access_token": "battery-staple"},
                mutate=mutate,
                hostile="JSON is parsed as by the source github.",
                faults=HttpFaults(
                    more={
                        "daily limit": refuse("REQUEST_LIMIT_EXCEEDED", 403, TOTAL),
                        "concurrent limit": refuse("REQUEST_LIMIT_EXCEEDED", 403, AT_ONCE),
                        "no such object": refuse("INVALID_TYPE", 400),
                        "no such field": refuse("INVALID_FIELD", 400),
                        "forgotten query": refuse("INVALID_QUERY_LOCATOR", 400),
                        "query timeout": refuse("QUERY_TIMEOUT", 400),
                    }
                ),
            )


ACCOUNT, CASE = "account:ACC{:015}", "case:CAS{:015}"


@pytest.fixture
def org() -> FakeSalesforce:
    return FakeSalesforce()


@pytest.fixture
async def site(org: FakeSalesforce) -> AsyncGenerator[Site]:
    async with serve(org) as site:
        yield site


def entities(events: list[Any]) -> dict[str, Entity]:
    return {each.id: each for each in events if isinstance(each, Entity)}


@pytest.mark.anyio
async def test_records_show_what_people_look_for(org: FakeSalesforce, site: Site) -> None:
    found = entities(await events_of(make_case(site).make()))
    acme, cold = found[ACCOUNT.format(1)], found[CASE.format(1)]
    assert acme.title.split() == ["Acme", "1"]
    assert "Industry: Food\nBillingCity: London" in acme.text
    assert "Owner: Ada" in acme.text
    assert acme.url == "https://acme.my.salesforce.com/ACC000000000000001"
    assert acme.metadata["owner"] == "Ada"
    assert cold.title == "00001: The tea is cold"
    assert cold.breadcrumbs == ("Acme",)
    assert "Contact" not in cold.text
    asked = {soql.split(" FROM ")[1].split()[0] for soql in org.asked}
    assert {"Contact", "Lead", "Opportunity", "CaseComment", "Task", "Event"} <= asked


@pytest.mark.anyio
async def test_objects_that_the_user_may_not_see_are_left_out(
    org: FakeSalesforce, site: Site
) -> None:
    org.hidden = frozenset({"Case", "Event"})
    case = make_case(site)
    events = await events_of(case.make())
    assert len(entities(events)) == 3
    assert [each.id for each in events if isinstance(each, Skipped)] == ["case", "event"]
    assert isinstance(events[-1], Complete)
    org.deleted["Account"] = [account(2, day=2)]
    assert Deleted(ACCOUNT.format(2)) in await events_of(case.make(), last_cursor(events))


@pytest.mark.anyio
async def test_records_that_left_the_recycle_bin_are_missed_by_the_daily_listing(
    org: FakeSalesforce, site: Site
) -> None:
    case = make_case(site, TwoKinds)
    before = await events_of(case.make())
    org.records["Account"].pop()
    again = await events_of(case.make(stored=entities(before)))
    assert isinstance(again[-1], Complete)
    assert again[-1].doubt is None
    assert any("/sobjects/Account/ACC000000000000003" in target for target in site.targets)


@pytest.mark.anyio
async def test_listing_begins_anew_where_salesforce_has_forgotten_it(
    org: FakeSalesforce, site: Site
) -> None:
    case = make_case(site, TwoKinds)
    midway = next(e for e in await events_of(case.make()) if isinstance(e, Checkpoint))
    assert midway.cursor["at"]
    org.has_forgotten = True
    with pytest.raises(SourceUnavailable, match="forgotten"):
        await events_of(case.make())
    with pytest.raises(CursorExpired):
        await events_of(case.make(), midway.cursor)


@pytest.mark.anyio
async def test_empty_batch_of_counted_records_is_a_gap() -> None:
    async with serve(lambda _: as_json({"totalSize": 3, "done": True, "records": []})) as site:
        events = await events_of(make_case(site, TwoKinds).make())
    assert [each for each in events if isinstance(each, Incomplete)]
    assert not [each for each in events if isinstance(each, Complete | Checkpoint)]


@pytest.mark.anyio
@pytest.mark.parametrize(("message", "wait"), [(TOTAL, 3600), (AT_ONCE, 30)])
async def test_used_up_limit_is_no_lack_of_rights(message: str, wait: float) -> None:
    def answer(request: HttpRequest) -> HttpReply:
        return error("REQUEST_LIMIT_EXCEEDED", 403, message)

    async with serve(answer) as site:
        with pytest.raises(RateLimited) as told:
            await events_of(make_case(site).make())
    assert told.value.retry_after == wait


@pytest.mark.anyio
async def test_org_without_api_is_told_what_it_lacks() -> None:
    async with serve(lambda _: error("API_DISABLED_FOR_ORG", 403)) as site:
        with pytest.raises(SourceMisconfigured, match="API Enabled"):
            await events_of(make_case(site).make())


@pytest.mark.parametrize(
    "given",
    [
        "acme.my.salesforce.com",
        "https://Acme.my.salesforce.com/ ",
        "https://acme.lightning.force.com/lightning/page/home",
    ],
)
def test_org_is_found_by_its_usual_addresses(given: str) -> None:
    config = SalesforceConfig.model_validate({"instance_url": given})
    assert config.instance_url == "https://acme.my.salesforce.com"


@pytest.mark.parametrize(
    "given",
    [
        "http://acme.my.salesforce.com",
        "https://salesforce.com.evil.example",
        "https://acme.my.salesforce.com@evil.example",
        "https://acme.my.salesforce.com:8443",
        "https://evilsalesforce.com",
        "https://login.salesforce.com",
        "",
    ],
)
def test_token_goes_to_no_host_but_the_orgs(given: str) -> None:
    with pytest.raises(ValidationError):
        SalesforceConfig.model_validate({"instance_url": given})


@pytest.mark.anyio
async def test_old_activities_are_read_that_salesforce_has_archived(org: FakeSalesforce) -> None:
    org.records["Task"] = [record("Task", 1, Subject="Call", IsArchived=True)]
    org.records["Event"] = [record("Event", 1, Subject="Tea", IsArchived=True)]
    async with serve(org) as site:
        activities = make_case(site)
        events = await events_of(activities.make())
        org.records["Task"][0] = record("Task", 1, 9, Subject="Called", IsArchived=True)
        changed = await events_of(activities.make(), last_cursor(events))
    assert {"Call", "Tea"} <= {e.title for e in entities(events).values()}
    assert "Called" in {e.title for e in entities(changed).values()}
