"""A folder that is moved away, unmounted or replaced is told from one that lost its files."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.sources.base import Checkpoint, Complete, Event, Failed, Incomplete
from weft.sources.files import source as files
from weft.sources.files.source import FilesSource
from weft.sources.trees import Listing, Tree, tree_at
from weft.testing.source_contract import SourceCase, events_of, offline_context

pytestmark = pytest.mark.anyio

Act = Callable[[], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    for name in ("a.txt", "docs/b.txt", "docs/deep/c.txt", "z/d.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def strike_with(
    monkeypatch: pytest.MonkeyPatch, struck: type[Tree], begin: Act = lambda: None
) -> None:
    """Let trees be read by a class to which things happen; each begins with ``begin``."""

    def tree(root: Path, context: Any) -> Tree:
        begin()
        whole = tree_at(root, context)
        whole.__class__ = struck
        return whole

    monkeypatch.setattr(files, "tree_at", tree)


@pytest.fixture
def before_listing(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[str, ...], Act], None]:
    """Registers what happens just before a folder is listed to be read, not to be counted."""
    acts: dict[tuple[str, ...], list[Act]] = {}

    class Struck(Tree):
        def list_folder(self, parts: tuple[str, ...]) -> Listing:
            waiting = acts.get(parts, [])
            # The start is listed once more, to see whether it can be read at all.
            counts.setdefault(parts, 2 if parts == ("root",) else 1)
            counts[parts] -= 1
            if waiting and counts[parts] == -1:
                waiting.pop()()
            return super().list_folder(parts)

    counts: dict[tuple[str, ...], int] = {}

    strike_with(monkeypatch, Struck, counts.clear)
    return lambda parts, act: acts.setdefault(("root", *parts), []).append(act)


async def list_events(folder: Path, last_cursor: Json | None = None, **config: Any) -> list[Event]:
    context = offline_context(files_roots=(folder.parent,))
    case = SourceCase(FilesSource, {"path": str(folder), **config}, context)
    # What an undisturbed sync has stored of the folder.
    stored = ("a.txt", "docs/b.txt", "docs/deep/c.txt", "z/d.txt")
    return await events_of(case.make(last_cursor=last_cursor, stored=stored))


def ids(events: list[Event], kind: type[Entity] | type[Failed] = Entity) -> list[str]:
    return [event.id for event in events if isinstance(event, kind)]


def is_complete(events: list[Event]) -> bool:
    return isinstance(events[-1], Complete) and not any(isinstance(e, Incomplete) for e in events)


def is_doubted(events: list[Event]) -> bool:
    assert is_complete(events)
    return isinstance(events[-1], Complete) and events[-1].doubt is not None


def replace(folder: Path, *names: str) -> None:
    move_away(folder)
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)


def move_away(folder: Path) -> None:
    taken = len(list(folder.parent.iterdir()))
    folder.rename(folder.with_name(f"{folder.name}.away{taken}"))


def replace_by_another(folder: Path) -> None:
    replace(folder, "a.txt")


def replace_by_a_file(folder: Path) -> None:
    move_away(folder)
    folder.touch()


def replace_by_a_link(folder: Path) -> None:
    move_away(folder)
    folder.symlink_to(next(folder.parent.glob("*.away*")))


ACTS = (move_away, replace, replace_by_another, replace_by_a_file, replace_by_a_link)


@pytest.mark.parametrize("at", [(), ("docs",), ("docs", "deep"), ("z",)])
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_start_that_is_moved_or_replaced_meanwhile_is_a_gap(
    folder: Path, before_listing: Any, at: tuple[str, ...], act: Callable[[Path], object]
) -> None:
    before_listing(at, lambda: act(folder))
    events = await list_events(folder)
    assert any(isinstance(event, Incomplete) for event in events)
    assert not is_complete(events)


async def test_start_that_is_swapped_for_a_moment_and_back_is_a_gap(
    folder: Path, before_listing: Any
) -> None:
    away = folder.with_name("away")
    before_listing(("docs",), lambda: folder.rename(away))
    events = await list_events(folder)
    away.rename(folder)
    assert not is_complete(events)
    assert is_complete(await list_events(folder))


async def test_folder_that_is_removed_meanwhile_is_gone(folder: Path, before_listing: Any) -> None:
    before_listing(("docs",), lambda: shutil.rmtree(folder / "docs"))
    events = await list_events(folder)
    assert ids(events) == ["a.txt", "z/d.txt"]
    assert is_complete(events)


async def test_folder_below_one_that_was_replaced_is_a_gap(
    folder: Path, before_listing: Any
) -> None:
    before_listing(("docs", "deep"), lambda: replace(folder / "docs", "other.txt"))
    events = await list_events(folder)
    assert any(isinstance(event, Incomplete) for event in events)


async def test_file_of_a_folder_that_was_replaced_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Struck(Tree):
        def open_file(self, parts: tuple[str, ...]) -> int:
            if parts[-1] == "b.txt":
                replace(folder / "docs", "other.txt")
            return super().open_file(parts)

    strike_with(monkeypatch, Struck)
    assert ids(await list_events(folder), Failed)[:1] == ["docs/b.txt"]


async def test_single_file_that_vanishes_meanwhile_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    class Struck(Tree):
        def open_file(self, parts: tuple[str, ...]) -> int:
            opened.append(1)
            if len(opened) == 2:
                (folder / "a.txt").unlink()
            return super().open_file(parts)

    strike_with(monkeypatch, Struck)
    assert ids(await list_events(folder / "a.txt"), Failed) == ["a.txt"]


async def test_disk_that_is_gone_since_the_last_sync_is_doubted_until_that_is_agreed_to(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fstat, mounted = os.fstat, [True]

    def with_a_mount(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        if not mounted[0] or found.st_ino != (folder / "docs").stat().st_ino:
            return found
        return os.stat_result((*found[:2], 77, *found[3:]))

    monkeypatch.setattr(os, "fstat", with_a_mount)
    first = await list_events(folder)
    mounted[0] = False
    shutil.rmtree(folder / "docs")
    (folder / "docs").mkdir()
    second = await list_events(folder, cursor_of(first))
    # The store keeps the cursor of the first listing until the deletions are agreed to.
    third = await list_events(folder, cursor_of(first))
    fourth = await list_events(folder, cursor_of(third))
    doubted = [is_doubted(events) for events in (first, second, third, fourth)]
    assert doubted == [False, True, True, False]


async def test_disk_that_is_numbered_anew_gives_no_doubt(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await list_events(folder)
    fstat = os.fstat

    def with_another_number(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        if not stat.S_ISDIR(found.st_mode):
            return found
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

    monkeypatch.setattr(os, "fstat", with_another_number)
    (folder / "a.txt").rename(folder / "e.txt")
    assert not is_doubted(await list_events(folder, cursor_of(first)))


async def test_another_folder_with_fewer_files_is_doubted_until_that_is_agreed_to(
    folder: Path,
) -> None:
    first = await list_events(folder)
    replace(folder, "a.txt")
    second = await list_events(folder, cursor_of(first))
    third = await list_events(folder, cursor_of(first))
    fourth = await list_events(folder, cursor_of(third))
    doubted = [is_doubted(events) for events in (first, second, third, fourth)]
    assert doubted == [False, True, True, False]


async def test_listing_with_a_gap_leaves_what_was_known_of_the_folder(
    folder: Path, before_listing: Any
) -> None:
    before_listing(("docs", "deep"), lambda: replace(folder / "docs", "other.txt"))
    events = await list_events(folder)
    assert not is_complete(events)
    assert not any(isinstance(event, Checkpoint) for event in events)


async def test_another_choice_of_files_is_of_the_same_folder(folder: Path) -> None:
    first = await list_events(folder)
    replace(folder, "a.txt")
    assert is_doubted(await list_events(folder, cursor_of(first), exclude=["z/"]))


async def test_another_path_is_another_folder(folder: Path) -> None:
    first = await list_events(folder)
    assert is_complete(await list_events(folder / "docs", cursor_of(first)))


async def test_copy_in_the_place_of_the_folder_is_complete(folder: Path) -> None:
    first = await list_events(folder)
    shutil.copytree(folder, folder.with_name("copy"))
    shutil.rmtree(folder)
    folder.with_name("copy").rename(folder)
    assert is_complete(await list_events(folder, cursor_of(first)))


def cursor_of(events: list[Event]) -> Json:
    [cursor] = [event.cursor for event in events if isinstance(event, Checkpoint)]
    return cursor
