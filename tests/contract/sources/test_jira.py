"""Jira: the contract of sources, and what is particular to it."""

from collections.abc import AsyncGenerator

import pytest

from tests.support.sources.atlassian import CLOUD, FakeJira, issue
from tests.support.sources.described import Described
from tests.support.sources.service_cases import CaseMaker
from weft.domain.entities import Entity
from weft.errors import AuthenticationFailed, SourceMisconfigured
from weft.sources.services.jira import JiraConfig, JiraSource
from weft.testing.http_faults import HttpFaults
from weft.testing.scripted_http import serve
from weft.testing.source_contract import (
    Change,
    SourceCase,
    SourceContract,
    events_of,
    last_cursor,
)

make_case = CaseMaker(
    JiraSource,
    config={"site": "acme"},
    credentials={"access_token": "correct-horse", "email": "ada@example.org"},
)


class TestJira(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        jira = FakeJira()

        async def mutate() -> Change:
            jira.issues[1:] = [issue(3, day=50, comments=3), issue(4, day=60)]
            changed = frozenset({"issue:10003", "issue:10004"})
            gone = frozenset({"issue:10002"})
            return Change(changed, gone, relisted=gone)

        async with serve(jira) as site:
            yield make_case(
                site,
                bad_credentials={"access_token": "battery-staple", "email": "ada@example.org"},
                mutate=mutate,
                hostile="JSON and HTML are parsed as by the sources github and web.",
                faults=HttpFaults(),
            )


@pytest.fixture
def jira() -> FakeJira:
    return FakeJira()


@pytest.mark.anyio
async def test_all_comments_are_part_of_an_issue(jira: FakeJira) -> None:
    async with serve(jira) as site:
        events = await events_of(make_case(site).make())
    found = {e.id: e for e in events if isinstance(e, Entity)}
    assert found["issue:10001"].title == "TEA-1: Kettle 1  leaks"
    assert "It leaks." in found["issue:10001"].text
    assert [f"Comment {n} here" in found["issue:10001"].text for n in range(4)] == [True] * 3 + [
        False
    ]
    assert "Comment 0 here" in found["issue:10003"].text
    assert found["issue:10001"].url == "https://acme.atlassian.net/browse/TEA-1"
    assert found["issue:10001"].metadata["status"] == "Open"


@pytest.mark.anyio
async def test_api_token_without_its_owner_hears_what_it_lacks(jira: FakeJira) -> None:
    async with serve(jira) as site:
        case = make_case(site, config={}, credentials={"access_token": "battery-staple"})
        with pytest.raises(AuthenticationFailed, match="needs 'email' and 'site'"):
            await case.make().check()


@pytest.mark.anyio
async def test_token_of_oauth_finds_its_site_behind_the_gateway(jira: FakeJira) -> None:
    async with serve(jira) as site:
        case = make_case(site, config={}, credentials={"access_token": "correct-horse"})
        assert await case.make().check() == "Jira as Ada"
        events = await events_of(case.make())
    assert f"/ex/jira/{CLOUD}/rest/api/3/search/jql" in {asked.path for asked in site.requests}
    urls = {e.url for e in events if isinstance(e, Entity) and e.type == "issue"}
    assert "https://acme.atlassian.net/browse/TEA-1" in urls


@pytest.mark.anyio
async def test_one_of_several_sites_must_be_named(jira: FakeJira) -> None:
    jira.sites.append({"id": "another", "url": "https://other.atlassian.net", "name": "other"})
    async with serve(jira) as site:
        token = {"access_token": "correct-horse"}
        case = make_case(site, config={}, credentials=token)
        with pytest.raises(SourceMisconfigured) as raised:
            await case.make().check()
        assert raised.value.field == "cloud_id"
        config = {"cloud_id": "https://acme.atlassian.net/"}
        assert await make_case(site, config=config, credentials=token).make().check()


@pytest.mark.anyio
async def test_only_wanted_projects_are_searched(jira: FakeJira) -> None:
    async with serve(jira) as site:
        case = make_case(site, config={"site": "acme", "project_keys": ["TEA", "SET"]})
        cursor = last_cursor(await events_of(case.make()))
        await events_of(case.make(), cursor)
    assert len(jira.asked) >= 2
    assert all(jql.startswith('project IN ("TEA", "SET") AND ') for jql in jira.asked)


@pytest.mark.parametrize("key", ["tea", "TEA) OR (1=1", ""])
def test_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="project_keys"):
        JiraConfig.model_validate({"site": "acme", "project_keys": [key]})


def test_no_more_projects_are_wanted_than_jira_lists_at_once() -> None:
    with pytest.raises(ValueError, match="at most 50"):
        JiraConfig.model_validate({"site": "acme", "project_keys": ["A"] * 51})


@pytest.mark.anyio
async def test_requests_and_scripted_answers_keep_to_the_published_description(
    jira: FakeJira,
) -> None:
    described = Described("jira", jira)
    async with serve(described) as site:
        case = make_case(site)
        await case.make().check()
        events = await events_of(case.make())
        stored = [each.id for each in events if isinstance(each, Entity)]
        del jira.issues[2], jira.projects[2]
        await events_of(case.make(stored=stored))
        await events_of(case.make(), last_cursor(events))
    assert described.faults == []
    assert described.unused == set()
