"""Confluence: the contract of sources, and what is particular to it."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.support.sources.atlassian import CLOUD, FakeConfluence, page
from tests.support.sources.service_cases import CaseMaker
from weft.domain.entities import Entity
from weft.sources.services.confluence import ConfluenceSource
from weft.testing.http_faults import HttpFaults
from weft.testing.scripted_http import serve
from weft.testing.source_contract import Change, SourceCase, SourceContract, events_of

make_case = CaseMaker(
    ConfluenceSource,
    config={"site": "acme"},
    credentials={"access_token": "correct-horse", "email": "ada@example.org"},
)


class TestConfluence(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        wiki = FakeConfluence()

        async def mutate() -> Change:
            wiki.pages[0] = page(1, day=50)
            wiki.pages[1] = page(2, day=51, status="trashed")
            wiki.pages.append(page(4, day=52))
            wiki.comments[:] = [page(22, day=53)]
            changed = frozenset({"page:1", "page:4", "comment:22"})
            gone = frozenset({"page:2", "comment:21"})
            return Change(changed, gone, relisted=frozenset({"comment:21"}))

        async with serve(wiki) as site:
            yield make_case(
                site,
                bad_credentials={"access_token": "battery-staple", "email": "ada@example.org"},
                mutate=mutate,
                hostile="JSON and HTML are parsed as by the sources github and web.",
                faults=HttpFaults(),
            )


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["site", "gateway"])
async def test_pages_are_read_by_a_site_and_by_the_gateway(way: str) -> None:
    token = {"access_token": "correct-horse"}
    behind: dict[str, Any] = {"config": {}, "credentials": token} if way == "gateway" else {}
    async with serve(FakeConfluence()) as site:
        case = make_case(site, **behind)
        found = {e.id: e for e in await events_of(case.make()) if isinstance(e, Entity)}
    assert len(found) == 5
    assert found["page:1"].url == "https://acme.atlassian.net/wiki/spaces/TEA/pages/1/How+to+pour"
    assert found["page:1"].text == "Pour\nSlowly."
    assert found["page:1"].breadcrumbs == ("TEA",)
    asked = {asked.path for asked in site.requests}
    assert (f"/ex/confluence/{CLOUD}/wiki/api/v2/pages" in asked) == (way == "gateway")
