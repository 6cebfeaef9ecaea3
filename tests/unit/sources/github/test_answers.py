"""Answers of another form than GitHub describes: nothing crashes, and what is missing shows."""

import json
from typing import Any

import pytest

from tests.support.sources.github import FILES, FakeGitHub, cursor_of, ids, pull, serve_github
from weft.errors import SourceUnavailable
from weft.net.http_factory import HttpFactory
from weft.sources.base import Complete, Event, Unchanged
from weft.sources.github import api
from weft.sources.github.answers import (
    read_changed_paths,
    read_object,
    read_pull_requests,
    read_tree,
)
from weft.sources.github.entities import pull_request_entity, repository_entity
from weft.testing.scripted_http import HttpRequest, as_json

pytestmark = pytest.mark.anyio
ODD: tuple[Any, ...] = (None, 5, "x", True, [], [1], {"a": 1}, [None], [["x"]], [{}], [{"name": 5}])


@pytest.mark.parametrize("odd", ODD)
def test_odd_values_in_pull_requests_and_repositories_are_left_out(odd: object) -> None:
    fields = pull(1, "2026-01-01T00:00:00Z").keys() - {"number"}
    made = pull_request_entity("id", "me/repo", 1, dict.fromkeys(fields, odd))
    assert made.title.startswith("#1")
    told = ("full_name", "description", "default_branch", "pushed_at", "html_url", "topics")
    assert repository_entity("id", dict.fromkeys(told, odd)).id == "id"


@pytest.mark.parametrize("size", ['"abc"', "1e999", "[1]", "{}", "null", "1.5"])
def test_odd_size_of_a_file_is_none(size: str) -> None:
    entry = f'{{"path":"a","sha":"b","type":"blob","mode":"100644","size":{size}}}'
    tree = read_tree(f'{{"tree":[{entry}]}}'.encode(), "a test", "c", True)
    assert [file.size for file in tree.files] == [0]
    assert not tree.is_proven


@pytest.mark.parametrize("odd", [*ODD[:4], {}, [None], [5], ["x"], [[]]])
def test_lists_of_something_else_are_refused(odd: object) -> None:
    for field, read in (("tree", _read_tree), ("files", _compare)):
        if odd is None and field == "files":
            continue  # A comparison may have no files.
        with pytest.raises(SourceUnavailable, match="not what its API describes"):
            read(json.dumps({field: odd}).encode())
    with pytest.raises(SourceUnavailable, match="not what its API describes"):
        read_pull_requests(json.dumps(odd).encode(), "it")


def test_what_is_not_json_is_refused() -> None:
    for content in (b"", b"<html>", b"[" * 100_000, b'{"a":' * 300_000, b"\xff", b"9" * 10_000):
        with pytest.raises(SourceUnavailable, match="not valid JSON"):
            read_object(content, "it", ())


@pytest.mark.parametrize("truncate_above", [1_000_000, 6], ids=["whole", "folder by folder"])
async def test_list_that_lacks_a_file_of_the_commit_is_doubted(
    http: HttpFactory, truncate_above: int
) -> None:
    files = FILES | {"docs/deep/other.txt": b"other"}
    hub = FakeGitHub(files, truncate_above=truncate_above)

    def leave_out(asked: HttpRequest) -> Any:
        if "/git/trees/" not in asked.path:
            return None
        answer = json.loads(hub.route(asked).body)
        kept = [entry for entry in answer["tree"] if not entry["path"].endswith("page.html")]
        return as_json({**answer, "tree": kept})

    async with serve_github(http, hub) as at:
        events = await at.fetch()
        at.cursor = cursor_of(events)
        hub.interfere = leave_out
        doubted = await at.fetch()
    assert _doubts(events) == [None]
    assert None not in _doubts(doubted)
    assert len(_doubts(doubted)) == 1


async def test_file_that_is_stored_stays_whatever_its_size_is_said_to_be(
    http: HttpFactory,
) -> None:
    def enlarge(asked: HttpRequest) -> Any:
        if "/git/trees/" not in asked.path:
            return None
        answer = json.loads(hub.route(asked).body)
        return as_json({"tree": [{**entry, "size": 10**9} for entry in answer["tree"]]})

    hub = FakeGitHub({"README.md": b"read me"})
    async with serve_github(http, hub) as at:
        await at.fetch()
        hub.interfere = enlarge
        assert ids(await at.fetch(), Unchanged) == ["me/repo/blob/README.md"]


async def test_repository_that_never_made_up_its_commit_is_believed(http: HttpFactory) -> None:
    def rename(asked: HttpRequest) -> Any:
        # As the API gives a name that is not UTF-8.
        if "/git/trees/" not in asked.path:
            return None
        answer = json.loads(hub.route(asked).body)
        return as_json({"tree": [{**e, "path": e["path"] + "\ufffd"} for e in answer["tree"]]})

    hub = FakeGitHub({"README.md": b"read me"}, interfere=rename)
    async with serve_github(http, hub) as at:
        for _ in range(2):
            events = await at.fetch()
            at.cursor = cursor_of(events)
            assert _doubts(events) == [None]


async def test_more_files_than_any_repository_has_are_a_gap(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "FILES_MAX", 5)
    files = {f"{a}/{n}.txt": f"{a}{n}".encode() for a in "xyz" for n in "123"}
    async with serve_github(http, FakeGitHub(files, truncate_above=4)) as at:
        events = await at.fetch()
        assert sum("/git/trees/" in target for target in at.site.targets) < 5
    assert not [e for e in events if isinstance(e, Complete)]


def _doubts(events: list[Event]) -> list[str | None]:
    return [event.doubt for event in events if isinstance(event, Complete)]


def _read_tree(content: bytes) -> object:
    return read_tree(content, "it", "a", True)


def _compare(content: bytes) -> object:
    return read_changed_paths(content, "it")
