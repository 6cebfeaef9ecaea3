"""Zendesk: the contract of sources, and what is particular to it."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.sources.service_cases import CaseMaker
from tests.support.sources.zendesk import FakeZendesk, article, comment, organization, ticket
from weft.domain.entities import Entity
from weft.errors import AccessDenied, AuthenticationFailed
from weft.net.client import http_factory
from weft.sources.base import Complete, Deleted, Skipped, SourceContext
from weft.sources.services.zendesk import ZendeskConfig, ZendeskSource
from weft.testing.http_faults import NO_WAIT, HttpFaults
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve
from weft.testing.source_contract import (
    Change,
    SourceCase,
    SourceContract,
    events_of,
    last_cursor,
)

make_case = CaseMaker(ZendeskSource, config={"subdomain": "acme"})


class TestZendesk(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        account = FakeZendesk()

        async def mutate() -> Change:
            account.tickets[1] = ticket(2, day=2, status="solved")
            account.tickets[2] = ticket(3, day=3, status="deleted")
            account.tickets.append(ticket(4, day=4))
            account.comments[2] = [comment(21, "It is out now.")]
            account.articles[1:] = [article(2, day=2, body="Run.")]
            account.organizations[1] = organization(2, day=2, notes="Burnt down.")
            return Change(
                frozenset({"ticket:2", "ticket:4", "article:2", "organization:2"}),
                frozenset({"ticket:3", "article:3"}),
                relisted=frozenset({"article:3"}),
            )

        async with serve(account) as site:
            yield make_case(
                site,
                bad_credentials={"access_token": "battery-staple"},
                mutate=mutate,
                hostile="JSON and HTML are parsed as by the sources github and web.",
                faults=HttpFaults(),
            )


@pytest.fixture
def account() -> FakeZendesk:
    return FakeZendesk()


@pytest.fixture
async def site(account: FakeZendesk) -> AsyncGenerator[Site]:
    async with serve(account) as site:
        yield site


def entities(events: list[Any]) -> dict[str, Entity]:
    return {each.id: each for each in events if isinstance(each, Entity)}


@pytest.mark.anyio
async def test_ticket_tells_who_said_what(site: Site) -> None:
    found = entities(await events_of(make_case(site).make()))["ticket:1"]
    assert found.title.startswith("Printer 1 is on fire")
    assert found.text == (
        "Bob, 2026-03-01T10:00:00Z:\nThe smoke is very colorful.\n\n"
        "Ada, 2026-03-01T10:00:00Z:\nWhich colors?\n\n"
        "User 73, 2026-03-01T10:00:00Z, internal note:\nCall the fire brigade."
    )
    assert found.metadata["author"] == "Bob"
    assert found.metadata["assignee"] == "Ada"
    assert found.url == "https://acme.zendesk.com/agent/tickets/1"
    # The names of those who commented come with the comments.
    assert {asked for asked in site.targets if "/users/" in asked} <= {"/api/v2/users/72.json"}


@pytest.mark.anyio
async def test_article_is_text_without_markup(site: Site) -> None:
    found = entities(await events_of(make_case(site).make()))["article:1"]
    assert "Pull the plug." in found.text
    assert "<" not in found.text
    assert "steal" not in found.text


@pytest.mark.anyio
async def test_closed_tickets_are_left_out_and_go_when_they_are_closed(
    account: FakeZendesk, site: Site
) -> None:
    case = make_case(site, config={"subdomain": "acme", "exclude_closed_tickets": True})
    account.tickets[0] = ticket(1, status="closed")
    before = await events_of(case.make())
    assert entities(before).keys() >= {"ticket:2", "ticket:3"}
    assert "ticket:1" not in entities(before)
    account.tickets[1] = ticket(2, day=2, status="closed")
    since = await events_of(case.make(), last_cursor(before))
    assert Deleted("ticket:2") in since
    again = await events_of(case.make(stored=entities(before)))
    assert isinstance(again[-1], Complete)
    assert again[-1].doubt is None


@pytest.mark.anyio
async def test_account_without_help_center_is_read_all_the_same(
    account: FakeZendesk, site: Site
) -> None:
    account.has_help_center = False
    events = await events_of(make_case(site).make())
    assert [each.id for each in events if isinstance(each, Skipped)] == ["article"]
    assert isinstance(events[-1], Complete)


@pytest.mark.anyio
async def test_who_may_not_export_is_told_who_may(account: FakeZendesk, site: Site) -> None:
    account.may_export = False
    with pytest.raises(AccessDenied, match="administrator"):
        await events_of(make_case(site).make())


@pytest.mark.anyio
async def test_api_token_is_sent_with_its_email(account: FakeZendesk, site: Site) -> None:
    account.authorization = "Basic YWRhQGFjbWUuZXhhbXBsZS90b2tlbjpjb3JyZWN0LWhvcnNl"
    token = {"email": "ada@acme.example", "access_token": "correct-horse"}
    assert await make_case(site, credentials=token).make().check() == "Zendesk as Ada (admin)"


@pytest.mark.anyio
async def test_api_token_without_its_owner_hears_what_it_lacks(site: Site) -> None:
    case = make_case(site, credentials={"access_token": "battery-staple"})
    with pytest.raises(AuthenticationFailed, match="needs 'email'"):
        await case.make().check()


@pytest.mark.anyio
async def test_anonymous_user_is_not_somebody() -> None:
    def answer(request: HttpRequest) -> HttpReply:
        return as_json({"user": {"id": None, "name": "Anonymous user", "role": "end-user"}})

    async with serve(answer) as site:
        with pytest.raises(AuthenticationFailed):
            await make_case(site).make().check()


@pytest.mark.anyio
async def test_export_waits_as_long_as_zendesk_asks(account: FakeZendesk) -> None:
    waits: list[float] = []
    refused = iter(["7", "11"])

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    def answer(request: HttpRequest) -> HttpReply:
        if "incremental/tickets" in request.path and (asked := next(refused, None)):
            return as_json({"error": "TooManyRequests"}, 429, retry_after=asked)
        return account(request)

    async with serve(answer) as site:
        case = make_case(site)
        clock = type(NO_WAIT)(sleep=wait)
        context = SourceContext(
            http=http_factory({"127.0.0.1"}, clock=clock), options=case.context.options
        )
        events = await events_of(case.make(context=context))
    assert isinstance(events[-1], Complete)
    assert waits == [7, 11]


@pytest.mark.parametrize("given", ["acme", " https://Acme.zendesk.com/ ", "acme.zendesk.com"])
def test_subdomain_is_found_in_its_usual_spellings(given: str) -> None:
    config = ZendeskConfig.model_validate({"subdomain": given})
    assert ZendeskSource.endpoint(config, {}) == "https://acme.zendesk.com"


@pytest.mark.parametrize("given", ["evil.example/", "a.b", "acme@evil", "", "-a", "acme:443"])
def test_subdomain_is_one_label_of_a_host(given: str) -> None:
    with pytest.raises(ValidationError):
        ZendeskConfig.model_validate({"subdomain": given})
