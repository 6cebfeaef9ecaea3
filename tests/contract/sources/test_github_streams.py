"""GitHub with issues, releases and discussions: the contract, and what is particular to them."""

import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from tests.support.sources.github import TOKEN, pull
from tests.support.sources.github_streams import FakeStreams, discussion, issue, release
from tests.support.sources.service_cases import CaseMaker
from weft.domain.entities import Entity
from weft.errors import CursorExpired
from weft.sources.base import Complete, Incomplete, Skipped
from weft.sources.github.source import GitHubSource
from weft.sources.rest import comments
from weft.testing.http_faults import HttpFaults
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json, serve
from weft.testing.source_contract import (
    Change,
    SourceCase,
    SourceContract,
    events_of,
    last_cursor,
)

DESCRIPTION = Path(__file__).parents[2] / "fixtures" / "vendors" / "github.json"
PLACES = {
    "repository": "/repo$",
    "branch": "/branches/",
    "tree": "/git/trees/",
    "comparison": "/compare/",
    "pulls": "/pulls$",
    "issues": "/issues$",
    "comments": "/comments$",
    "releases": "/releases$",
    "discussions": "/graphql$",
}
ALL: dict[str, Any] = {
    "repo_name": "me/repo",
    "sync_issues": True,
    "sync_releases": True,
    "sync_discussions": True,
}
make_case = CaseMaker(GitHubSource, {"personal_access_token": TOKEN}, ALL)


class TestGitHubStreams(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        hub = FakeStreams({"README.md": b"# Tea\n"})

        async def mutate() -> Change:
            hub.issues[2:] = [issue(4, day=5, state="closed"), issue(8, day=6)]
            hub.releases[:2] = [release(1, body="It leaks again.")]
            hub.discussions[1:] = [discussion(7, day=4)]
            gone = frozenset({"issue:3", "release:2", "discussion:6"})
            changed = {"issue:4", "issue:8", "release:1", "discussion:7"}
            return Change(frozenset(changed), gone, relisted=gone)

        async with serve(hub) as site:
            yield make_case(
                site,
                bad_credentials={"personal_access_token": "ghp_another"},
                mutate=mutate,
                hostile="JSON is parsed as by the source without them.",
                faults=HttpFaults(),
            )


@pytest.fixture
def hub() -> FakeStreams:
    return FakeStreams({"README.md": b"# Tea\n"})


@pytest.mark.anyio
async def test_issues_and_discussions_hold_what_people_said(hub: FakeStreams) -> None:
    async with serve(hub) as site:
        events = await events_of(make_case(site).make())
    found = {e.id: e for e in events if isinstance(e, Entity)}
    assert "issue:2" not in found, "it is a pull request"
    assert found["issue:1"].title == "#1 It leaks  1"
    assert [f"Comment {n}" in found["issue:1"].text for n in range(4)] == [True] * 3 + [False]
    assert "Answer: grace, 2026-02-02T00:00:00Z:\nGreen tea." in found["discussion:5"].text
    assert "ada, 2026-02-03T00:00:00Z:\nThanks" in found["discussion:5"].text
    assert found["release:1"].metadata["assets"] == ["kettle.zip"]


@pytest.mark.anyio
async def test_text_says_where_comments_are_left_out(
    hub: FakeStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comments, "COMMENTS_MAX", 2)
    async with serve(hub) as site:
        events = await events_of(make_case(site).make())
    [found] = [e for e in events if isinstance(e, Entity) and e.id == "issue:1"]
    assert "Comment 1" in found.text
    assert "Comment 2" not in found.text
    assert found.text.endswith("are left out.]")
    assert found.version is not None


@pytest.mark.anyio
async def test_repository_without_issues_is_read_without_them(hub: FakeStreams) -> None:
    hub.has_issues = False
    async with serve(hub) as site:
        events = await events_of(make_case(site).make())
    assert "issue" in {e.id for e in events if isinstance(e, Skipped)}
    assert isinstance(events[-1], Complete)


@pytest.mark.anyio
async def test_issues_that_are_switched_off_are_not_deleted(hub: FakeStreams) -> None:
    async with serve(hub) as site:
        case = make_case(site)
        stored = [e.id for e in await events_of(case.make()) if isinstance(e, Entity)]
        hub.has_issues = False
        events = await events_of(case.make(stored=stored))
    assert [e for e in events if isinstance(e, Incomplete)]
    assert not [e for e in events if isinstance(e, Complete)]


@pytest.mark.anyio
async def test_issue_that_was_moved_is_gone(hub: FakeStreams) -> None:
    async with serve(hub) as site:
        case = make_case(site)
        stored = [e.id for e in await events_of(case.make()) if isinstance(e, Entity)]
        elsewhere = "https://api.github.com/repos/me/other/issues/9"
        moved = {**issue(3), "url": elsewhere, "number": 9}

        def interfere(asked: HttpRequest) -> HttpReply | None:
            return as_json(moved) if asked.path.endswith("/issues/3") else None

        del hub.issues[2]
        hub.interfere = interfere
        events = await events_of(case.make(stored=stored))
    assert isinstance(events[-1], Complete)
    assert events[-1].doubt is None


@pytest.mark.anyio
async def test_another_choice_of_what_is_synced_lists_everything(hub: FakeStreams) -> None:
    async with serve(hub) as site:
        cursor = last_cursor(await events_of(make_case(site).make()))
        fewer = make_case(site, config={"repo_name": "me/repo", "sync_issues": True})
        with pytest.raises(CursorExpired):
            await events_of(fewer.make(), cursor)
        none = make_case(site, config={"repo_name": "me/repo"})
        with pytest.raises(CursorExpired):
            await events_of(none.make(), cursor)


@pytest.mark.anyio
async def test_scripted_answers_have_the_form_of_the_published_description() -> None:
    answers = json.loads(DESCRIPTION.read_text(encoding="utf-8"))["answers"]
    hub = FakeStreams({"a.md": b"a\n"}, pulls=[pull(2, "2026-02-02T00:00:00Z")], page_size=100)
    got: dict[str, bytes] = {}

    def note(asked: HttpRequest) -> HttpReply | None:
        fits = [name for name, pattern in PLACES.items() if re.search(pattern, asked.path)]
        got.update({name: hub.route(asked).body for name in fits})
        return None

    hub.interfere = note
    async with serve(hub) as site:
        case = make_case(site, config={**ALL, "sync_pull_requests": True})
        cursor = last_cursor(await events_of(case.make()))
        hub.files["b.md"], hub.head = b"b\n", "c2"
        hub.compared = {"status": "ahead", "files": [{"filename": "b.md"}]}
        await events_of(case.make(), cursor)
    assert got.keys() == answers.keys()
    for name, body in got.items():
        validator = cast("Any", Draft202012Validator(answers[name]))
        assert [e.message for e in validator.iter_errors(json.loads(body))] == [], name
