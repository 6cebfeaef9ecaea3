"""Local repositories: what is listed, what changed, and that nothing hostile runs or leaks."""

import pytest

from tests.support.sources.documents import DOCUMENTS
from tests.support.sources.git_listing import case, commits, entities, files, list_events
from tests.support.sources.git_repos import RawRepository
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.errors import CursorExpired, SourceMisconfigured
from weft.sources.base import (
    Checkpoint,
    Complete,
    Deleted,
    Event,
    Failed,
    Incomplete,
    Omitted,
    Skipped,
    Unchanged,
)
from weft.sources.git import pack, walk
from weft.testing.source_contract import events_of, last_cursor

pytestmark = pytest.mark.anyio


def skip_reasons(events: list[Event]) -> dict[str, str]:
    return {event.id: event.reason for event in events if isinstance(event, Skipped)}


async def test_files_and_commits_are_listed(repository: RawRepository) -> None:
    docs = repository.put_tree(("100644", b"a.md", repository.put_blob(b"# Title\n\ntext")))
    first = repository.commit(repository.put_files(b_txt=b"b"), message=b"First")
    tree = repository.put_tree(
        ("100755", b"b.txt", repository.put_blob(b"b")), ("40000", b"docs", docs)
    )
    second = repository.commit(
        tree, first, message="Sécond\n\nBody".encode(), seconds=1_700_000_060
    )
    events = await list_events(repository)
    assert files(events) == ["b.txt", "docs/a.md"]
    assert commits(events) == [second, first]
    found = entities(events)
    file = found["file:docs/a.md"]
    assert (file.title, file.text, file.breadcrumbs) == (
        "Title (docs/a.md)", "# Title\n\ntext", ("docs",)
    )  # fmt: skip
    assert file.url == (repository.root / "docs/a.md").as_uri()
    commit = found[f"commit:{second}"]
    assert commit.title == "Sécond"
    assert commit.text == "Sécond\n\nBody\n\nChanged paths:\nA docs/a.md"
    assert commit.metadata["author"] == "Ada"
    assert commit.updated_at is not None
    assert commit.updated_at.timestamp() == 1_700_000_060
    assert last_cursor(events)["last_commit"] == second


async def test_branch_and_path_choose_what_is_listed(repository: RawRepository) -> None:
    docs = repository.put_tree(("100644", b"a.md", repository.put_blob(b"a")))
    top = ("100644", b"top.txt", repository.put_blob(b"top"))
    first = repository.commit(repository.put_tree(("40000", b"docs", docs), top))
    other = repository.commit(
        repository.put_tree(("40000", b"docs", docs)), first, seconds=1_700_000_001
    )
    repository.set_branch("feature/x", other)
    repository.set_branch("main", first)
    assert files(await list_events(repository)) == ["docs/a.md", "top.txt"]
    assert files(await list_events(repository, branch="feature/x")) == ["docs/a.md"]
    below = await list_events(repository, branch="feature/x", path="docs/")
    assert files(below) == ["docs/a.md"]
    assert commits(below) == [first]
    assert files(await list_events(repository, path="docs/a.md")) == ["docs/a.md"]
    assert commits(await list_events(repository, include_commits=False)) == []
    for config in ({"branch": "absent"}, {"path": "absent"}, {"path": "top.txt/x"}):
        with pytest.raises(SourceMisconfigured):
            await list_events(repository, None, **config)


async def test_only_the_newest_commits_are_listed(repository: RawRepository) -> None:
    tree = repository.put_files(a=b"a")
    made_ids = [repository.commit(tree)]
    for number in range(1, 6):
        made_ids.append(repository.commit(tree, made_ids[-1], seconds=1_700_000_000 + number))
    listed = await list_events(repository, max_commits=3)
    assert commits(listed) == made_ids[:2:-1]
    older = Omitted(FindingKind.OLDER, setting="max_commits")
    for events in (listed, await list_events(repository, last_cursor(listed), max_commits=3)):
        assert [event for event in events if isinstance(event, Omitted)] == [older]
    whole = await list_events(repository, max_commits=6)
    assert not any(isinstance(event, Omitted) for event in whole)


async def test_blobs_that_are_no_text_are_skipped_with_the_reason(
    repository: RawRepository,
) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n"
    repository.commit(
        repository.put_files(a_bin=b"\0\1", b_large=b"x" * 101, c_lfs=pointer, d=b"x" * 100)
    )
    events = await list_events(repository, max_file_size=100)
    assert files(events) == ["d"]
    assert skip_reasons(events) == {
        "file:a.bin": "binary, or in an unknown encoding",
        "file:b.large": "larger than 100 bytes",
        "file:c.lfs": "kept in Git LFS, outside the repository",
    }


async def test_document_is_read(repository: RawRepository) -> None:
    report = (DOCUMENTS / "report.pdf").read_bytes()
    repository.commit(repository.put_tree(("100644", b"report.pdf", repository.put_blob(report))))
    [entity] = [
        event
        for event in await list_events(repository)
        if isinstance(event, Entity) and event.type == "file"
    ]
    assert "Neap tides follow" in entity.text
    assert entity.metadata["pages"] == 2


async def test_links_submodules_and_secrets_are_never_content(repository: RawRepository) -> None:
    blob = repository.put_blob(b"/etc/passwd")
    inner = repository.put_tree(("100644", b"config", blob))
    repository.commit(
        repository.put_tree(
            ("100644", b".env", blob),
            ("40000", b".ssh", inner),
            ("120000", b"link", blob),
            ("160000", b"module", "1" * 40),
            ("100644", b"server.key", blob),
            ("20000", b"strange", blob),
        )
    )
    events = await list_events(repository)
    assert files(events) == []
    assert skip_reasons(events) == {
        "file:.env": "may hold secrets",
        "file:.ssh/config": "may hold secrets",
        "file:link": "a symbolic link",
        "file:module": "a submodule",
        "file:server.key": "may hold secrets",
        "file:strange": "not a plain file",
    }


async def test_hostile_names_give_clean_ids_and_no_paths(repository: RawRepository) -> None:
    blob = repository.put_blob(b"text")
    parent = repository.put_tree(("100644", b"etc", blob))
    repository.commit(
        repository.put_tree(
            ("40000", b"..", parent),
            ("100644", b"a/../../b", blob),
            ("100644", b"bell\x07", blob),
            ("100644", b"latin\xe9", blob),
            ("100644", b"twice", blob),
            ("100644", b"twice", repository.put_blob(b"another")),
        )
    )
    events = await list_events(repository)
    assert files(events) == ["%/bell%07", "%/latin%E9", "twice"]
    assert set(skip_reasons(events)) == {"file:../etc", "file:a/../../b"}


async def test_known_blobs_are_not_read_again(repository: RawRepository) -> None:
    repository.commit(repository.put_files(a=b"a", b=b"b"))
    first = await list_events(repository)
    known = {i: e.version for i, e in entities(first).items() if e.version}
    for path in (repository.git / "objects").rglob("*"):
        if path.is_file() and pack.object_id_of(pack.BLOB, b"a").hex()[2:] == path.name:
            path.unlink()
    again = await events_of(case(repository, {}).make(known=known))
    assert {e.id for e in again if isinstance(e, Unchanged)} == known.keys()


async def test_missing_or_broken_file_fails_and_keeps_the_rest(repository: RawRepository) -> None:
    missing, broken, fine = (repository.put_blob(data) for data in (b"missing", b"broken", b"fine"))
    (repository.git / "objects" / missing[:2] / missing[2:]).unlink()
    repository.put_raw(broken, b"blob 5\0no")
    names = ((b"a", missing), (b"b", broken), (b"c", fine))
    repository.commit(repository.put_tree(*(("100644", name, blob) for name, blob in names)))
    events = await list_events(repository)
    assert files(events) == ["c"]
    assert [event for event in events if isinstance(event, Failed)] == [
        Failed("file:a", "not in this shallow or partial clone"),
        Failed("file:b", "broken in the repository"),
    ]
    assert not [event for event in events if isinstance(event, Checkpoint)], "they are tried again"


async def test_history_that_breaks_off_is_a_gap_and_is_read_again(
    repository: RawRepository,
) -> None:
    first = repository.commit(repository.put_files(a=b"a"))
    repository.commit(repository.put_files(a=b"b"), first, seconds=1_700_000_001)
    whole = await list_events(repository)
    held = repository.git / "objects" / first[:2] / first[2:]
    held.rename(repository.root / "aside")
    events = await list_events(repository)
    assert [event for event in events if isinstance(event, Incomplete)]
    assert [e.version for e in entities(events).values() if e.type == "commit"] == [None]
    (repository.root / "aside").rename(held)
    assert entities(await list_events(repository)) == entities(whole)


@pytest.mark.parametrize("data", [b"garbage", b"100644 name\0short", b"999999 x\0" + b"1" * 20])
async def test_broken_folder_ends_the_listing_with_an_error(
    repository: RawRepository, data: bytes
) -> None:
    repository.commit(repository.put_tree(("40000", b"bad", repository.put(b"tree", data))))
    with pytest.raises(SourceMisconfigured):
        await list_events(repository)


async def test_shallow_clone_lists_what_it_has(repository: RawRepository) -> None:
    name = repository.commit(repository.put_files(a=b"a"), "1" * 40, message=b"Cut off here")
    (repository.git / "shallow").write_text(f"{name}\n")
    events = await list_events(repository)
    assert isinstance(events[-1], Complete)
    assert not [event for event in events if isinstance(event, Incomplete)]
    assert len(commits(events)) == 1
    assert entities(events)[f"commit:{commits(events)[0]}"].text == "Cut off here"


async def commit_changes(repository: RawRepository) -> tuple[str, str, Json]:
    """A repository synced at its first commit, with a second one on top."""
    blobs = {"keep": b"keep", "change": b"before", "gone": b"gone"}
    first = repository.commit(repository.put_files(**blobs))
    cursor = last_cursor(await list_events(repository))
    tree = repository.put_files(keep=b"keep", change=b"after", new=b"new")
    return first, repository.commit(tree, first, seconds=1_700_000_001), cursor


async def test_incremental_fetch_yields_just_what_changed(repository: RawRepository) -> None:
    _, second, cursor = await commit_changes(repository)
    events = await list_events(repository, cursor)
    assert files(events) == ["change", "new"]
    assert [event.id for event in events if isinstance(event, Deleted)] == ["file:gone"]
    assert commits(events) == [second]
    assert last_cursor(events)["last_commit"] == second
    again = await list_events(repository, last_cursor(events))
    assert [type(event) for event in again] == [Checkpoint, Complete]


async def test_file_that_becomes_a_folder_is_deleted_and_listed(repository: RawRepository) -> None:
    first = repository.commit(repository.put_files(x=b"file"))
    cursor = last_cursor(await list_events(repository))
    inner = repository.put_tree(("100644", b"y", repository.put_blob(b"below")))
    repository.commit(repository.put_tree(("40000", b"x", inner)), first)
    events = await list_events(repository, cursor)
    assert files(events) == ["x/y"]
    assert [event.id for event in events if isinstance(event, Deleted)] == ["file:x"]


async def test_merge_brings_all_commits_of_the_side_branch(repository: RawRepository) -> None:
    base = repository.commit(repository.put_files(a=b"1"))
    cursor = last_cursor(await list_events(repository))
    side = [repository.commit(repository.put_files(a=b"1", s=b"1"), base, seconds=1_600_000_000)]
    side.append(
        repository.commit(repository.put_files(a=b"1", s=b"2"), side[0], seconds=1_600_000_001)
    )
    merge = repository.commit(
        repository.put_files(a=b"1", s=b"2"), base, side[1], seconds=1_700_000_001
    )
    assert set(commits(await list_events(repository, cursor))) == {*side, merge}


async def test_rewritten_history_expires_the_cursor(repository: RawRepository) -> None:
    _, _, cursor = await commit_changes(repository)
    repository.commit(repository.put_files(other=b"history"), seconds=1_700_000_002)
    with pytest.raises(CursorExpired):
        await list_events(repository, cursor)


async def test_cursor_of_another_configuration_is_expired(repository: RawRepository) -> None:
    _, _, cursor = await commit_changes(repository)
    for config in ({"path": "keep"}, {"max_file_size": 5}, {"include_commits": False}):
        with pytest.raises(CursorExpired):
            await list_events(repository, cursor, **config)
    with pytest.raises(CursorExpired):
        await list_events(repository, {**cursor, "last_commit": "--upload-pack=x"})
    with pytest.raises(CursorExpired):
        await list_events(repository, {**cursor, "last_commit": "1" * 40})


async def test_endless_folders_are_refused(
    repository: RawRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MAX_ENTRIES", 10_000)
    # Thirty folders, each holding the one before twice: a billion empty folders in two kilobytes.
    tree = repository.put_tree()
    for _ in range(30):
        tree = repository.put_tree(("40000", b"a", tree), ("40000", b"b", tree))
    repository.commit(tree)
    with pytest.raises(SourceMisconfigured):
        await list_events(repository)


async def test_too_deep_folders_are_refused(repository: RawRepository) -> None:
    tree = repository.put_files(a=b"a")
    for _ in range(300):
        tree = repository.put_tree(("40000", b"d", tree))
    repository.commit(tree)
    with pytest.raises(SourceMisconfigured):
        await list_events(repository)


async def test_hostile_commit_is_read_as_data(repository: RawRepository) -> None:
    person = b"<" * 50_000 + b"Eve \x1b[31m <eve@example.org> 99999999999999 +0000"
    lines = [
        b"tree " + repository.put_files(a=b"a").encode(),
        b"author " + person,
        b"committer " + person,
    ]
    message = "\u202eSubject\u200b\n".encode() + b"x" * 200_000
    head = repository.put(
        b"commit", b"\n".join([*lines, b"encoding unicode_escape"]) + b"\n\n" + message
    )
    repository.set_branch("main", head)
    commit = entities(await list_events(repository))[f"commit:{head}"]
    assert commit.title == "Subject"
    assert len(commit.text) < 150_000
