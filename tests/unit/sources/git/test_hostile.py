"""Nothing that a hostile repository holds is run, and nothing leads out of the allowed folders."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from git_repos import Made

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import NotPermitted, SourceMisconfigured, WeftError
from weft.sources.base import Event
from weft.sources.git.source import GitSource
from weft.testing.sources import SourceCase, events_of, offline_context

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


@pytest.fixture
def hostile(made: Made, tmp_path: Path) -> Made:
    """A repository in which everything that Git would run leaves a mark."""
    mark = tmp_path / "mark"
    run = f"touch {mark}"
    made.commit(
        made.tree(
            ("100644", b".gitattributes", made.blob(b"* filter=evil diff=evil merge=evil text\n")),
            (
                "100644",
                b".gitmodules",
                made.blob(f'[submodule "x"]\n\turl = ext::{run}\n'.encode()),
            ),
            ("100644", b"a.txt", made.blob(b"text")),
        )
    )
    included = tmp_path / "included"
    included.write_text(f"[core]\n\tpager = {run}\n")
    (made.git / "config").write_text(
        f"[core]\n\trepositoryformatversion = 1\n\tfsmonitor = {run}\n\tsshCommand = {run}\n"
        f"\thooksPath = {made.git}/hooks\n\tpager = {run}\n\teditor = {run}\n\tworktree = /\n"
        f'[filter "evil"]\n\tsmudge = {run}\n\tclean = {run}\n\tprocess = {run}\n'
        f'[diff "evil"]\n\ttextconv = {run}\n\tcommand = {run}\n'
        f"[include]\n\tpath = {included}\n[extensions]\n\tpartialClone = evil\n"
        f'[remote "evil"]\n\turl = ext::{run}\n\tuploadpack = {run}\n\tpromisor = true\n'
        f"[uploadpack]\n\tpackObjectsHook = {run}\n[gc]\n\trecentObjectsHook = {run}\n"
    )
    (made.git / "hooks").mkdir()
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "fsmonitor-watchman"):
        (made.git / "hooks" / hook).write_text(f"#!/bin/sh\n{run}\n")
        (made.git / "hooks" / hook).chmod(0o755)
    return made


async def test_nothing_in_a_repository_is_ever_run(
    hostile: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> Any:
        raise AssertionError("a process was started")

    for name in ("fork", "posix_spawn", "system", "execv", "execve"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("subprocess.Popen.__init__", refuse)
    gone = hostile.blob(b"only the promisor remote would have this")
    (hostile.git / "objects" / gone[:2] / gone[2:]).unlink()
    assert files(await listed(hostile)) == [".gitattributes", ".gitmodules", "a.txt"]
    assert "main" in await case(hostile, {}).make().check()
    assert not (tmp_path / "mark").exists()


async def test_configuration_of_a_repository_is_not_even_read(hostile: Made) -> None:
    (hostile.git / "config").unlink()
    os.mkfifo(hostile.git / "config")
    assert files(await listed(hostile)) == [".gitattributes", ".gitmodules", "a.txt"]


def outside(tmp_path: Path) -> Made:
    other = Made(tmp_path / "outside")
    other.commit(other.files(secret=b"SECRET"))
    return other


def link_git(made: Made, other: Made) -> None:
    made.root.mkdir(parents=True)
    made.git.symlink_to(other.git)


def git_file(made: Made, other: Made) -> None:
    made.root.mkdir(parents=True)
    made.git.write_text(f"gitdir: {other.git}\n")


def common_folder(made: Made, other: Made) -> None:
    (made.git).mkdir(parents=True)
    (made.git / "HEAD").write_text("ref: refs/heads/main\n")
    (made.git / "commondir").write_text(f"{other.git}\n")


def alternates(made: Made, other: Made) -> None:
    made.__post_init__()
    (made.git / "objects/info/alternates").write_text(f"{other.git}/objects\n")
    made.point("main", (other.git / "refs/heads/main").read_text().strip())


def relative_alternates(made: Made, other: Made) -> None:
    alternates(made, other)
    away = os.path.relpath(other.git / "objects", made.git / "objects")
    (made.git / "objects/info/alternates").write_text(f"{away}\n")


def link_objects(made: Made, other: Made) -> None:
    made.__post_init__()
    for name in ("pack", "info"):
        (made.git / "objects" / name).rmdir()
    (made.git / "objects").rmdir()
    (made.git / "objects").symlink_to(other.git / "objects")
    made.point("main", (other.git / "refs/heads/main").read_text().strip())


def link_one_object_folder(made: Made, other: Made) -> None:
    made.__post_init__()
    for path in (other.git / "objects").iterdir():
        if len(path.name) == 2:
            (made.git / "objects" / path.name).symlink_to(path)
    made.point("main", (other.git / "refs/heads/main").read_text().strip())


def link_head(made: Made, other: Made) -> None:
    made.__post_init__()
    (made.git / "HEAD").unlink()
    (made.git / "HEAD").symlink_to(other.git / "refs/heads/main")


@pytest.mark.parametrize(
    "lead",
    [
        *(link_git, git_file, common_folder, alternates, relative_alternates),
        *(link_objects, link_one_object_folder, link_head),
    ],
)
async def test_nothing_leads_outside_the_allowed_folders(
    tmp_path: Path, lead: Callable[[Made, Made], None]
) -> None:
    other = outside(tmp_path)
    made = object.__new__(Made)
    made.root, made.bare = tmp_path / "allowed/repo", False
    lead(made, other)
    with pytest.raises((NotPermitted, SourceMisconfigured)):
        await listed(made)
    # The same is fine as soon as the operator allows the other folder, but for links.
    context = offline_context(files_roots=(tmp_path,))
    wide = SourceCase(GitSource, {"repo": str(made.root)}, context).make()
    if lead in (git_file, alternates, relative_alternates, common_folder):
        assert files(await events_of(wide)) == ["secret"]
    else:
        with pytest.raises(WeftError):
            await events_of(wide)


async def test_bare_repository_and_its_git_folder_are_fine(tmp_path: Path) -> None:
    bare = Made(tmp_path / "bare.git", bare=True)
    bare.commit(bare.files(a=b"a"))
    assert files(await listed(bare)) == ["a"]
    usual = Made(tmp_path / "usual")
    usual.commit(usual.files(b=b"b"))
    inner = object.__new__(Made)
    inner.root, inner.bare = usual.git, True
    assert files(await listed(inner)) == ["b"]


async def test_packed_branches_and_packs_are_read(made: Made) -> None:
    first = made.commit(made.files(a=b"packed"))
    (made.git / "refs/heads/main").unlink()
    (made.git / "packed-refs").write_text(f"# pack-refs with: peeled\n{first} refs/heads/main\n")
    assert files(await listed(made)) == ["a"]


@pytest.mark.parametrize(
    "head",
    [
        *("", "ref: refs/heads/../../config", "ref: HEAD", "ref: /etc/passwd", "x" * 40, "1" * 64),
        *("ref: refs/heads/main\n" * 500, "ref: refs/heads/absent"),
    ],
)
async def test_head_that_leads_nowhere_is_an_error(made: Made, head: str) -> None:
    made.commit(made.files(a=b"a"))
    (made.git / "HEAD").write_text(head)
    with pytest.raises(SourceMisconfigured):
        await listed(made)


async def test_folder_without_a_repository_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "allowed/repo").mkdir(parents=True)
    made = object.__new__(Made)
    made.root, made.bare = tmp_path / "allowed/repo", False
    with pytest.raises(SourceMisconfigured, match="no Git repository"):
        await listed(made)
