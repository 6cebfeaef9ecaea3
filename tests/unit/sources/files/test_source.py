"""The files source lists what it should, leaves out what it must, and says why."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.sources.documents import DOCUMENTS
from weft.domain.entities import Entity
from weft.errors import AccessDenied, NotPermitted, SourceMisconfigured
from weft.sources.base import (
    Complete,
    Event,
    Expect,
    Failed,
    Incomplete,
    NoFields,
    Skipped,
    SourceContext,
    Unchanged,
)
from weft.sources.files import reader
from weft.sources.files import source as files
from weft.sources.files.config import FilesConfig
from weft.sources.files.source import FilesSource
from weft.sources.trees import Tree, tree_at
from weft.testing.source_contract import SourceCase, events_of, offline_context

pytestmark = pytest.mark.anyio

OLD_TIME = 1_700_000_000


def put(root: Path, name: str, content: str | bytes = "text") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (OLD_TIME, OLD_TIME))


async def list_events(
    root: Path, context: SourceContext | None = None, **config: Any
) -> list[Event]:
    context = context or offline_context(files_roots=(root,))
    given = FilesConfig.model_validate({"path": str(root), **config})
    return await events_of(FilesSource(given, NoFields(), context))


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events if isinstance(event, Entity)]


def skip_reasons(events: list[Event]) -> dict[str, str]:
    return {event.id: event.reason for event in events if isinstance(event, Skipped)}


async def test_file_becomes_an_entity_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    put(tmp_path, "docs/guide/intro.md", "# Intro\n\nHello\n")
    [expect, entity, _, end] = await list_events(tmp_path)
    assert expect == Expect(1)
    assert isinstance(end, Complete)
    assert isinstance(entity, Entity)
    assert entity.version is not None
    entity.version = None
    assert entity == Entity(
        id="docs/guide/intro.md",
        type="file",
        title="Intro (docs/guide/intro.md)",
        text="# Intro\n\nHello\n",
        url=(tmp_path / "docs/guide/intro.md").as_uri(),
        updated_at=entity.updated_at,
        metadata={
            "path": "docs/guide/intro.md",
            "size": 15,
            "mtime": "2023-11-14T22:13:20+00:00",
            "language": "markdown",
        },
        breadcrumbs=("docs", "guide"),
    )
    assert entity.updated_at is not None
    assert entity.updated_at.timestamp() == OLD_TIME


async def test_order_is_by_name_files_before_folders(tmp_path: Path) -> None:
    for name in ("b/x", "a/z", "a/b/c", "c", "B", "a.txt"):
        put(tmp_path, name)
    assert ids(await list_events(tmp_path)) == ["B", "a.txt", "c", "a/z", "a/b/c", "b/x"]


async def test_one_file_is_a_source(tmp_path: Path) -> None:
    put(tmp_path, "docs/a.txt", "alone")
    put(tmp_path, "docs/b.txt", "not me")
    events = await list_events(tmp_path, path=str(tmp_path / "docs/a.txt"))
    assert ids(events) == ["a.txt"]


async def test_html_becomes_text(tmp_path: Path) -> None:
    put(tmp_path, "a.html", "<title>T</title><script>bad()</script><p>Read &amp; me</p>")
    [entity] = [e for e in await list_events(tmp_path) if isinstance(e, Entity)]
    assert isinstance(entity, Entity)
    assert (entity.title, entity.text) == ("T (a.html)", "Read & me")


async def test_binary_and_large_files_are_skipped_with_the_reason(tmp_path: Path) -> None:
    put(tmp_path, "a.bin", b"\0\1\2")
    put(tmp_path, "exact.txt", "x" * 100)
    put(tmp_path, "large.txt", "x" * 101)
    events = await list_events(tmp_path, max_file_size=100)
    assert ids(events) == ["exact.txt"]
    assert skip_reasons(events) == {
        "a.bin": "binary, or in an unknown encoding",
        "large.txt": "larger than 100 bytes",
    }


async def test_documents_are_read_up_to_a_size_of_their_own(tmp_path: Path) -> None:
    report = (DOCUMENTS / "report.pdf").read_bytes()
    put(tmp_path, "report.pdf", report)
    put(tmp_path, "large.pdf", report + bytes(100))
    put(tmp_path, "locked.pdf", (DOCUMENTS / "locked.pdf").read_bytes())
    events = await list_events(tmp_path, max_file_size=1, max_document_size=len(report))
    [entity] = [event for event in events if isinstance(event, Entity)]
    assert (entity.id, entity.title) == ("report.pdf", "Tide report (report.pdf)")
    assert "Neap tides follow" in entity.text
    assert (entity.metadata["pages"], entity.metadata["size"]) == (2, len(report))
    assert skip_reasons(events) == {
        "large.pdf": f"larger than {len(report)} bytes",
        "locked.pdf": "protected by a password",
    }


async def test_secrets_are_never_read(tmp_path: Path) -> None:
    for name in (".env", "app/.env.production", "keys/server.pem", "id_rsa", ".netrc"):
        put(tmp_path, name, "SECRET")
    for folder in (".ssh/config", ".aws/credentials", ".git/config", "x/.gnupg/a"):
        put(tmp_path, folder, "SECRET")
    put(tmp_path, "open.txt", "public")
    events = await list_events(tmp_path)
    assert ids(events) == ["open.txt"]
    assert set(skip_reasons(events)) == {
        ".env", "app/.env.production", "keys/server.pem", "id_rsa", ".netrc"
    }  # fmt: skip


async def test_credentials_of_tools_are_never_read(tmp_path: Path) -> None:
    home = tmp_path / ".docker"
    for name in ("config.json", "gh/hosts.yml", "x/.cargo/credentials.toml", ".bash_history"):
        put(home, name, "SECRET")
    for name in ("HEAD", "config", "objects/info/x", "refs/heads/main", "hooks/a.sample"):
        put(home, f"mirror/{name}", "SECRET")
    put(home, "Dockerfile", "public")
    events = await list_events(home)
    assert ids(events) == ["Dockerfile"]
    assert set(skip_reasons(events).values()) == {"may hold secrets"}


async def test_include_does_not_open_what_is_secret(tmp_path: Path) -> None:
    put(tmp_path, ".env", "SECRET")
    put(tmp_path, ".ssh/id_rsa", "SECRET")
    assert ids(await list_events(tmp_path, include=[".env", ".ssh/", "*"])) == []


async def test_links_are_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    put(root, "a.txt")
    put(outside, "secret.txt", "SECRET")
    (root / "file").symlink_to(outside / "secret.txt")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    events = await list_events(root)
    assert ids(events) == ["a.txt"]
    assert set(skip_reasons(events)) == {"file", "folder", "loop"}


async def test_pipe_does_not_hang_the_sync(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    put(tmp_path, "a.txt")
    events = await list_events(tmp_path)
    assert (ids(events), list(skip_reasons(events))) == (["a.txt"], ["pipe"])


async def test_own_state_is_not_listed(tmp_path: Path) -> None:
    put(tmp_path, "state/weft.db", "SQLite")
    put(tmp_path, "a.txt")
    (tmp_path / "alias.txt").hardlink_to(tmp_path / "state/weft.db")
    context = offline_context(files_roots=(tmp_path,), private_paths=(tmp_path / "state",))
    events = await list_events(tmp_path, context)
    assert (ids(events), list(skip_reasons(events))) == (["a.txt"], ["alias.txt"])


async def test_ignore_files_count_at_every_level(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", "*.log\n/build/\n")
    put(tmp_path, "docs/.ignore", "*.tmp\n!keep.log\n")
    put(tmp_path, "docs/.weftignore", "private.txt\n")
    for name in ("a.log", "a.txt", "build/x.txt", "docs/build/x.txt"):
        put(tmp_path, name)
    for name in ("docs/a.log", "docs/keep.log", "docs/a.tmp", "docs/private.txt", "private.txt"):
        put(tmp_path, name)
    found = [i for i in ids(await list_events(tmp_path)) if "ignore" not in i]
    assert found == ["a.txt", "private.txt", "docs/keep.log", "docs/build/x.txt"]
    everything = await list_events(tmp_path, respect_ignore_files=False)
    assert {"a.log", "build/x.txt", "docs/private.txt"} <= set(ids(everything))


async def test_include_and_exclude_choose_files(tmp_path: Path) -> None:
    for name in ("a.md", "a.py", "docs/b.md", "docs/b.py", "docs/old/c.md", "src/d.md"):
        put(tmp_path, name)
    only = await list_events(tmp_path, include=["*.md"], exclude=["old/"])
    assert ids(only) == ["a.md", "docs/b.md", "src/d.md"]
    folder = await list_events(tmp_path, include=["docs/", "!docs/old/"])
    assert ids(folder) == ["docs/b.md", "docs/b.py"]


async def test_overlong_line_of_an_ignore_file_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, ".gitignore", f"*.log\n{'x' * 5_000}\n")
    put(tmp_path, "a.log", "a")
    put(tmp_path, "a.txt", "a")
    events = await list_events(tmp_path)
    assert ids(events) == [".gitignore", "a.txt"]
    assert not [event for event in events if isinstance(event, Incomplete)]
    assert "Overlong lines of .gitignore are passed over." in caplog.text


async def test_folder_with_endless_ignore_file_is_a_gap(tmp_path: Path) -> None:
    put(tmp_path, "a.txt")
    put(tmp_path, "bad/.gitignore", "x\n" * 300_000)
    put(tmp_path, "bad/hidden.txt")
    events = await list_events(tmp_path)
    assert ids(events) == ["a.txt"]
    [gap] = [event for event in events if isinstance(event, Incomplete)]
    assert gap.reason == "folder bad could not be read: its .gitignore is too large"


class Broken(Tree):
    """A tree in which some names cannot be read, as for another user's files."""

    def list_folder(self, parts: tuple[str, ...]) -> Any:
        if parts[-1:] == ("locked",):
            raise PermissionError(13, "Permission denied", "/a/path/that/must/not/show")
        return super().list_folder(parts)

    def open_file(self, parts: tuple[str, ...]) -> int:
        match parts[-1]:
            case "locked.txt":
                raise PermissionError(13, "Permission denied", "/a/path/that/must/not/show")
            case "gone.txt" | ".ignore":
                self.root.joinpath(*parts).unlink(missing_ok=True)
                raise FileNotFoundError(2, "No such file")
            case "swapped.txt":
                self.root.joinpath(*parts).unlink()
                self.root.joinpath(*parts).symlink_to(self.root)
                return super().open_file(parts)
            case _:
                return super().open_file(parts)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def tree(root: Path, context: SourceContext) -> Tree:
        whole = tree_at(root, context)
        whole.__class__ = Broken
        return whole

    monkeypatch.setattr(files, "tree_at", tree)


@pytest.mark.usefixtures("broken")
async def test_ignore_file_that_is_just_gone_takes_no_file_with_it(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", "*.log\n")
    for name in (".ignore", "a.log", "a.txt", "docs/b.txt"):
        put(tmp_path, name)
    events = await list_events(tmp_path)
    assert ids(events) == [".gitignore", "a.txt", "docs/b.txt"]


async def test_file_from_beyond_the_calendar_has_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.txt")
    fstat = os.fstat

    def far_off(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        return os.stat_result(tuple(found), {"st_mtime": 1e12, "st_mtime_ns": 10**21})

    monkeypatch.setattr(os, "fstat", far_off)
    [file] = [event for event in await list_events(tmp_path) if isinstance(event, Entity)]
    assert file.updated_at is None
    assert file.metadata == {"path": "a.txt", "size": 4, "language": "text"}


@pytest.mark.usefixtures("broken")
async def test_unreadable_folder_is_a_gap_and_unreadable_file_fails(tmp_path: Path) -> None:
    for name in ("a.txt", "gone.txt", "locked.txt", "swapped.txt", "locked/b.txt", "open/c.txt"):
        put(tmp_path, name)
    events = await list_events(tmp_path)
    assert ids(events) == ["a.txt", "open/c.txt"]
    assert [event for event in events if isinstance(event, Failed | Incomplete)] == [
        Incomplete("folder locked could not be read: Permission denied"),
        Failed("locked.txt", "Permission denied"),
    ]
    assert list(skip_reasons(events)) == ["swapped.txt"]


@pytest.mark.usefixtures("broken")
async def test_unreadable_start_is_denied(tmp_path: Path) -> None:
    put(tmp_path, "locked/a.txt")
    with pytest.raises(AccessDenied):
        await list_events(tmp_path, path=str(tmp_path / "locked"))


async def test_folder_that_vanishes_is_an_error_not_an_empty_listing(tmp_path: Path) -> None:
    with pytest.raises(SourceMisconfigured):
        await list_events(tmp_path, path=str(tmp_path / "gone"))


async def test_known_files_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.txt")
    put(tmp_path, "b.txt")
    case = SourceCase(
        FilesSource, {"path": str(tmp_path)}, offline_context(files_roots=(tmp_path,))
    )
    first = await events_of(case.make())
    known = {e.id: e.version for e in first if isinstance(e, Entity) and e.version}
    put(tmp_path, "b.txt", "changed")
    again = await events_of(case.make(known=known))
    assert [type(event) for event in again[:-2]] == [Expect, Unchanged, Entity]


async def test_file_changed_a_moment_ago_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("fresh")
    os.utime(tmp_path / "a.txt", (time.time(), time.time()))
    [entity] = [e for e in await list_events(tmp_path) if isinstance(e, Entity)]
    assert isinstance(entity, Entity)
    assert entity.version is None


async def test_names_of_any_bytes_have_clean_ids(tmp_path: Path) -> None:
    for name in (b"bell\x07.txt", b"latin\xe9.txt", b"\xe2\x80\xaetxt.exe", b"new\nline"):
        put(tmp_path, os.fsdecode(name))
    put(tmp_path, "%/a")
    found = ids(await list_events(tmp_path))
    assert sorted(found) == sorted(
        ["%/bell%07.txt", "%/latin%E9.txt", "%/%E2%80%AEtxt.exe", "%/new%0Aline", "%/%25/a"]
    )


async def test_large_listing_comes_in_bounded_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_CHUNK_FILES", 4)
    monkeypatch.setattr(reader, "CHUNK_BYTES", 10)
    for number in range(10):
        put(tmp_path, f"{number}.txt", f"{number}" * 7)
    assert ids(await list_events(tmp_path)) == [f"{number}.txt" for number in range(10)]


async def test_check_says_what_is_readable(tmp_path: Path) -> None:
    put(tmp_path, "a.txt")
    for path, kind in ((tmp_path, "folder"), (tmp_path / "a.txt", "file")):
        config = FilesConfig(path=str(path))
        source = FilesSource(config, NoFields(), offline_context(files_roots=(tmp_path,)))
        assert await source.check() == f"{kind} {path} is readable"


async def test_nothing_is_read_without_roots(tmp_path: Path) -> None:
    put(tmp_path, "a.txt")
    with pytest.raises(NotPermitted, match="WEFT_FILES_ROOTS"):
        await list_events(tmp_path, offline_context())


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"path": ""},
        {"path": "/a\0b"},
        {"path": "/a", "max_file_size": 0},
        {"path": "/a", "max_file_size": 21 * 1024 * 1024},
        {"path": "/a", "include": ["x" * 5_000]},
        {"path": "/a", "exclude": ["x"] * 201},
        {"path": "/a", "unknown": 1},
    ],
)
def test_configuration_that_cannot_work_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FilesConfig.model_validate(config)
