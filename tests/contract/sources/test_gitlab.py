"""GitLab: the contract of sources, and what is particular to it."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.sources.gitlab import FakeGitLab, issue, project
from tests.support.sources.service_cases import CaseMaker
from weft.domain.entities import Entity
from weft.sources.base import Complete, Unchanged
from weft.sources.services.gitlab import GitLabSource
from weft.testing.http_faults import HttpFaults
from weft.testing.scripted_http import serve
from weft.testing.source_contract import Change, SourceCase, SourceContract, events_of, last_cursor

make_case = CaseMaker(GitLabSource, path="/api/v4")


class TestGitLab(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        # Two projects of which one is empty are listed quickly.
        hub = FakeGitLab(projects=[project(1), project(2, name="coffee", default_branch=None)])

        async def mutate() -> Change:
            hub.projects[0] = project(1, day=2)
            hub.files["docs/pour.md"] = b"Pour it slowly.\n"
            hub.files["new.md"] = b"New.\n"
            del hub.files["README.md"]
            hub.issues[1:] = [issue(3, day=3, state="closed"), issue(4, day=4)]
            gone = frozenset({"file:1/README.md", "issue:1/2"})
            changed = {"file:1/docs%2Fpour.md", "file:1/new.md", "issue:1/3", "issue:1/4"}
            return Change(frozenset(changed | {"project:1"}), gone, relisted=gone)

        async with serve(hub) as site:
            yield make_case(
                site,
                bad_credentials={"access_token": "battery-staple"},
                mutate=mutate,
                hostile="JSON and documents are parsed as by the sources github and files.",
                faults=HttpFaults(),
            )


@pytest.fixture
async def hub() -> FakeGitLab:
    return FakeGitLab()


@pytest.mark.anyio
async def test_comments_of_people_are_part_of_an_issue(hub: FakeGitLab) -> None:
    async with serve(hub) as site:
        events = await events_of(make_case(site).make())
    [found] = [e for e in events if isinstance(e, Entity) and e.id == "issue:1/1"]
    assert found.title == "#1 Kettle 1"
    assert "It **leaks**." in found.text
    assert "Grace, 2026-03-01T00:00:00.000Z:\nMay." in found.text
    assert "closed" not in found.text
    assert found.metadata["assignees"] == ["Charles"]


@pytest.mark.anyio
@pytest.mark.parametrize("wanted", ["1", "ada/tea"])
async def test_one_project_is_read_if_only_that_is_wanted(hub: FakeGitLab, wanted: str) -> None:
    async with serve(hub) as site:
        case = make_case(site, config={"project_id": wanted})
        events = await events_of(case.make())
    assert {e.id for e in events if isinstance(e, Entity) and e.type == "project"} == {"project:1"}
    assert isinstance(events[-1], Complete)


@pytest.mark.anyio
async def test_file_is_downloaded_only_if_its_blob_is_new(hub: FakeGitLab) -> None:
    async with serve(hub) as site:
        case = make_case(site)
        first = [e for e in await events_of(case.make()) if isinstance(e, Entity)]
        site.requests.clear()
        known = {e.id: e.version for e in first if e.version}
        again = await events_of(case.make(known=known))
    assert not [asked for asked in site.targets if "/blobs/" in asked]
    assert {"file:1/README.md", "issue:1/1"} <= {e.id for e in again if isinstance(e, Unchanged)}


@pytest.mark.anyio
@pytest.mark.parametrize(("minutes", "is_read"), [(30, True), (90, False)])
async def test_files_are_listed_again_while_a_push_may_not_show(
    hub: FakeGitLab, minutes: int, is_read: bool
) -> None:
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    hub.projects = [project(1, last_activity_at=at.isoformat())]
    async with serve(hub) as site:
        cursor = last_cursor(await events_of(make_case(site).make()))
        hub.files["pushed.md"] = b"Pushed within the hour.\n"
        events = await events_of(make_case(site).make(), cursor)
    found = {e.id for e in events if isinstance(e, Entity)}
    assert ("file:1/pushed.md" in found) is is_read


@pytest.mark.anyio
async def test_address_of_a_file_names_the_branch_and_quotes_its_path(hub: FakeGitLab) -> None:
    hub.files = {"a b#1?.md": b"Tea.\n"}
    async with serve(hub) as site:
        events = await events_of(make_case(site, config={"branch": "v 1"}).make())
    [url] = [e.url for e in events if isinstance(e, Entity) and e.type == "file"]
    assert url == "https://gitlab.com/ada/tea/-/blob/v%201/a%20b%231%3F.md"
