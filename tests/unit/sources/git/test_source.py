"""Local repositories: what is listed, what changed, and that nothing hostile runs or leaks."""

from pathlib import Path
from typing import Any

import pytest
from git_repos import Made

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import CursorExpired, SourceMisconfigured
from weft.sources.base import Checkpoint, Deleted, Event, Failed, Skipped, Unchanged
from weft.sources.git import pack, walk
from weft.sources.git.source import GitSource
from weft.testing.sources import SourceCase, events_of, last_cursor, offline_context

pytestmark = pytest.mark.anyio


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "allowed/repo")


def case(made: Made, config: Json) -> SourceCase:
    context = offline_context(files_roots=(made.root.parent,))
    return SourceCase(GitSource, {"repo": str(made.root), **config}, context)


async def listed(made: Made, cursor: Json | None = None, **config: Any) -> list[Event]:
    return await events_of(case(made, config).make(), cursor)


def entities(events: list[Event]) -> dict[str, Entity]:
    return {event.id: event for event in events if isinstance(event, Entity)}


def files(events: list[Event]) -> list[str]:
    return [i.removeprefix("file:") for i in entities(events) if i.startswith("file:")]


def commits(events: list[Event]) -> list[str]:
    return [i.removeprefix("commit:") for i in entities(events) if i.startswith("commit:")]


def skipped(events: list[Event]) -> dict[str, str]:
    return {event.id: event.reason for event in events if isinstance(event, Skipped)}


async def test_files_and_commits_are_listed(made: Made) -> None:
    docs = made.tree(("100644", b"a.md", made.blob(b"# Title\n\ntext")))
    first = made.commit(made.files(b_txt=b"b"), message=b"First")
    tree = made.tree(("100755", b"b.txt", made.blob(b"b")), ("40000", b"docs", docs))
    second = made.commit(tree, first, message="Sécond\n\nBody".encode(), seconds=1_700_000_060)
    events = await listed(made)
    assert files(events) == ["b.txt", "docs/a.md"]
    assert commits(events) == [second, first]
    found = entities(events)
    file = found["file:docs/a.md"]
    assert (file.title, file.text, file.breadcrumbs) == (
        "Title (docs/a.md)", "# Title\n\ntext", ("docs",)
    )  # fmt: skip
    assert file.url == (made.root / "docs/a.md").as_uri()
    commit = found[f"commit:{second}"]
    assert commit.title == "Sécond"
    assert commit.text == "Sécond\n\nBody\n\nChanged paths:\nA docs/a.md"
    assert commit.metadata["author"] == "Ada"
    assert commit.updated_at is not None
    assert commit.updated_at.timestamp() == 1_700_000_060
    assert last_cursor(events)["last_commit"] == second


async def test_branch_and_path_choose_what_is_listed(made: Made) -> None:
    docs = made.tree(("100644", b"a.md", made.blob(b"a")))
    top = ("100644", b"top.txt", made.blob(b"top"))
    first = made.commit(made.tree(("40000", b"docs", docs), top))
    other = made.commit(made.tree(("40000", b"docs", docs)), first, seconds=1_700_000_001)
    made.point("feature/x", other)
    made.point("main", first)
    assert files(await listed(made)) == ["docs/a.md", "top.txt"]
    assert files(await listed(made, branch="feature/x")) == ["docs/a.md"]
    below = await listed(made, branch="feature/x", path="docs/")
    assert files(below) == ["docs/a.md"]
    assert commits(below) == [first]
    assert files(await listed(made, path="docs/a.md")) == ["docs/a.md"]
    assert commits(await listed(made, include_commits=False)) == []
    for config in ({"branch": "absent"}, {"path": "absent"}, {"path": "top.txt/x"}):
        with pytest.raises(SourceMisconfigured):
            await listed(made, None, **config)


async def test_only_the_newest_commits_are_listed(made: Made) -> None:
    tree = made.files(a=b"a")
    made_ids = [made.commit(tree)]
    for number in range(1, 6):
        made_ids.append(made.commit(tree, made_ids[-1], seconds=1_700_000_000 + number))
    assert commits(await listed(made, max_commits=3)) == made_ids[:2:-1]


async def test_blobs_that_are_no_text_are_skipped_with_the_reason(made: Made) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n"
    made.commit(made.files(a_bin=b"\0\1", b_large=b"x" * 101, c_lfs=pointer, d=b"x" * 100))
    events = await listed(made, max_file_size=100)
    assert files(events) == ["d"]
    assert skipped(events) == {
        "file:a.bin": "binary, or in an unknown encoding",
        "file:b.large": "larger than 100 bytes",
        "file:c.lfs": "kept in Git LFS, outside the repository",
    }


async def test_links_submodules_and_secrets_are_never_content(made: Made) -> None:
    blob = made.blob(b"/etc/passwd")
    inner = made.tree(("100644", b"config", blob))
    made.commit(
        made.tree(
            ("100644", b".env", blob),
            ("40000", b".ssh", inner),
            ("120000", b"link", blob),
            ("160000", b"module", "1" * 40),
            ("100644", b"server.key", blob),
            ("20000", b"strange", blob),
        )
    )
    events = await listed(made)
    assert files(events) == []
    assert skipped(events) == {
        "file:.env": "may hold secrets",
        "file:.ssh/config": "may hold secrets",
        "file:link": "a symbolic link",
        "file:module": "a submodule",
        "file:server.key": "may hold secrets",
        "file:strange": "not a plain file",
    }


async def test_hostile_names_give_clean_ids_and_no_paths(made: Made) -> None:
    blob = made.blob(b"text")
    parent = made.tree(("100644", b"etc", blob))
    made.commit(
        made.tree(
            ("40000", b"..", parent),
            ("100644", b"a/../../b", blob),
            ("100644", b"bell\x07", blob),
            ("100644", b"latin\xe9", blob),
            ("100644", b"twice", blob),
            ("100644", b"twice", made.blob(b"another")),
        )
    )
    events = await listed(made)
    assert files(events) == ["%/bell%07", "%/latin%E9", "twice"]
    assert set(skipped(events)) == {"file:../etc", "file:a/../../b"}


async def test_known_blobs_are_not_read_again(made: Made) -> None:
    made.commit(made.files(a=b"a", b=b"b"))
    first = await listed(made)
    known = {i: e.version for i, e in entities(first).items() if e.version}
    for path in (made.git / "objects").rglob("*"):
        if path.is_file() and pack.object_id_of(pack.BLOB, b"a").hex()[2:] == path.name:
            path.unlink()
    again = await events_of(case(made, {}).make(known=known))
    assert {e.id for e in again if isinstance(e, Unchanged)} == known.keys()


async def test_missing_or_broken_file_fails_and_keeps_the_rest(made: Made) -> None:
    missing, broken, fine = (made.blob(data) for data in (b"missing", b"broken", b"fine"))
    (made.git / "objects" / missing[:2] / missing[2:]).unlink()
    made.put_raw(broken, b"blob 5\0no")
    names = ((b"a", missing), (b"b", broken), (b"c", fine))
    made.commit(made.tree(*(("100644", name, blob) for name, blob in names)))
    events = await listed(made)
    assert files(events) == ["c"]
    assert [event for event in events if isinstance(event, Failed)] == [
        Failed("file:a", "not in this shallow or partial clone"),
        Failed("file:b", "broken in the repository"),
    ]


@pytest.mark.parametrize("data", [b"garbage", b"100644 name\0short", b"999999 x\0" + b"1" * 20])
async def test_broken_folder_ends_the_listing_with_an_error(made: Made, data: bytes) -> None:
    made.commit(made.tree(("40000", b"bad", made.put(b"tree", data))))
    with pytest.raises(SourceMisconfigured):
        await listed(made)


async def test_shallow_clone_lists_what_it_has(made: Made) -> None:
    made.commit(made.files(a=b"a"), "1" * 40, message=b"Cut off here")
    events = await listed(made)
    assert len(commits(events)) == 1
    assert entities(events)[f"commit:{commits(events)[0]}"].text == "Cut off here"


async def changed(made: Made) -> tuple[str, str, Json]:
    """A repository synced at its first commit, with a second one on top."""
    blobs = {"keep": b"keep", "change": b"before", "gone": b"gone"}
    first = made.commit(made.files(**blobs))
    cursor = last_cursor(await listed(made))
    tree = made.files(keep=b"keep", change=b"after", new=b"new")
    return first, made.commit(tree, first, seconds=1_700_000_001), cursor


async def test_incremental_fetch_yields_just_what_changed(made: Made) -> None:
    _, second, cursor = await changed(made)
    events = await listed(made, cursor)
    assert files(events) == ["change", "new"]
    assert [event.id for event in events if isinstance(event, Deleted)] == ["file:gone"]
    assert commits(events) == [second]
    assert last_cursor(events)["last_commit"] == second
    assert [type(e) for e in await listed(made, last_cursor(events))] == [Checkpoint]


async def test_file_that_becomes_a_folder_is_deleted_and_listed(made: Made) -> None:
    first = made.commit(made.files(x=b"file"))
    cursor = last_cursor(await listed(made))
    inner = made.tree(("100644", b"y", made.blob(b"below")))
    made.commit(made.tree(("40000", b"x", inner)), first)
    events = await listed(made, cursor)
    assert files(events) == ["x/y"]
    assert [event.id for event in events if isinstance(event, Deleted)] == ["file:x"]


async def test_merge_brings_all_commits_of_the_side_branch(made: Made) -> None:
    base = made.commit(made.files(a=b"1"))
    cursor = last_cursor(await listed(made))
    side = [made.commit(made.files(a=b"1", s=b"1"), base, seconds=1_600_000_000)]
    side.append(made.commit(made.files(a=b"1", s=b"2"), side[0], seconds=1_600_000_001))
    merge = made.commit(made.files(a=b"1", s=b"2"), base, side[1], seconds=1_700_000_001)
    assert set(commits(await listed(made, cursor))) == {*side, merge}


async def test_rewritten_history_expires_the_cursor(made: Made) -> None:
    _, _, cursor = await changed(made)
    made.commit(made.files(other=b"history"), seconds=1_700_000_002)
    with pytest.raises(CursorExpired):
        await listed(made, cursor)


async def test_cursor_of_another_configuration_is_expired(made: Made) -> None:
    _, _, cursor = await changed(made)
    for config in ({"path": "keep"}, {"max_file_size": 5}, {"include_commits": False}):
        with pytest.raises(CursorExpired):
            await listed(made, cursor, **config)
    with pytest.raises(CursorExpired):
        await listed(made, {**cursor, "last_commit": "--upload-pack=x"})
    with pytest.raises(CursorExpired):
        await listed(made, {**cursor, "last_commit": "1" * 40})


async def test_endless_folders_are_refused(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_ENTRIES", 10_000)
    # Thirty folders, each holding the one before twice: a billion empty folders in two kilobytes.
    tree = made.tree()
    for _ in range(30):
        tree = made.tree(("40000", b"a", tree), ("40000", b"b", tree))
    made.commit(tree)
    with pytest.raises(SourceMisconfigured):
        await listed(made)


async def test_too_deep_folders_are_refused(made: Made) -> None:
    tree = made.files(a=b"a")
    for _ in range(300):
        tree = made.tree(("40000", b"d", tree))
    made.commit(tree)
    with pytest.raises(SourceMisconfigured):
        await listed(made)


async def test_hostile_commit_is_read_as_data(made: Made) -> None:
    person = b"<" * 50_000 + b"Eve \x1b[31m <eve@example.org> 99999999999999 +0000"
    lines = [b"tree " + made.files(a=b"a").encode(), b"author " + person, b"committer " + person]
    message = "\u202eSubject\u200b\n".encode() + b"x" * 200_000
    head = made.put(b"commit", b"\n".join([*lines, b"encoding unicode_escape"]) + b"\n\n" + message)
    made.point("main", head)
    commit = entities(await listed(made))[f"commit:{head}"]
    assert commit.title == "Subject"
    assert len(commit.text) < 150_000
