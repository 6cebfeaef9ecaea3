"""Nothing that a hostile repository holds is run, and nothing leads out of the allowed folders."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources.git_listing import case, files, list_events
from tests.support.sources.git_repos import RawRepository
from weft.errors import NotPermitted, SourceMisconfigured, WeftError
from weft.sources.git.source import GitSource
from weft.testing.source_contract import SourceCase, events_of, offline_context

pytestmark = pytest.mark.anyio


@pytest.fixture
def hostile(repository: RawRepository, tmp_path: Path) -> RawRepository:
    """A repository in which everything that Git would run leaves a mark."""
    mark = tmp_path / "mark"
    run = f"touch {mark}"
    repository.commit(
        repository.put_tree(
            (
                "100644",
                b".gitattributes",
                repository.put_blob(b"* filter=evil diff=evil merge=evil text\n"),
            ),
            (
                "100644",
                b".gitmodules",
                repository.put_blob(f'[submodule "x"]\n\turl = ext::{run}\n'.encode()),
            ),
            ("100644", b"a.txt", repository.put_blob(b"text")),
        )
    )
    included = tmp_path / "included"
    included.write_text(f"[core]\n\tpager = {run}\n")
    (repository.git / "config").write_text(
        f"[core]\n\trepositoryformatversion = 1\n\tfsmonitor = {run}\n\tsshCommand = {run}\n"
        f"\thooksPath = {repository.git}/hooks\n\tpager = {run}\n\teditor = {run}\n\tworktree = /\n"
        f'[filter "evil"]\n\tsmudge = {run}\n\tclean = {run}\n\tprocess = {run}\n'
        f'[diff "evil"]\n\ttextconv = {run}\n\tcommand = {run}\n'
        f"[include]\n\tpath = {included}\n[extensions]\n\tpartialClone = evil\n"
        f'[remote "evil"]\n\turl = ext::{run}\n\tuploadpack = {run}\n\tpromisor = true\n'
        f"[uploadpack]\n\tpackObjectsHook = {run}\n[gc]\n\trecentObjectsHook = {run}\n"
    )
    (repository.git / "hooks").mkdir()
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "fsmonitor-watchman"):
        (repository.git / "hooks" / hook).write_text(f"#!/bin/sh\n{run}\n")
        (repository.git / "hooks" / hook).chmod(0o755)
    return repository


async def test_nothing_in_a_repository_is_ever_run(
    hostile: RawRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> Any:
        raise AssertionError("a process was started")

    for name in ("fork", "posix_spawn", "system", "execv", "execve"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("subprocess.Popen.__init__", refuse)
    gone = hostile.put_blob(b"only the promisor remote would have this")
    (hostile.git / "objects" / gone[:2] / gone[2:]).unlink()
    assert files(await list_events(hostile)) == [".gitattributes", ".gitmodules", "a.txt"]
    assert "main" in await case(hostile, {}).make().check()
    assert not (tmp_path / "mark").exists()


async def test_configuration_of_a_repository_is_not_even_read(hostile: RawRepository) -> None:
    (hostile.git / "config").unlink()
    os.mkfifo(hostile.git / "config")
    assert files(await list_events(hostile)) == [".gitattributes", ".gitmodules", "a.txt"]


def outside(tmp_path: Path) -> RawRepository:
    other = RawRepository(tmp_path / "outside")
    other.commit(other.put_files(secret=b"SECRET"))
    return other


def link_git(repository: RawRepository, other: RawRepository) -> None:
    repository.root.mkdir(parents=True)
    repository.git.symlink_to(other.git)


def git_file(repository: RawRepository, other: RawRepository) -> None:
    repository.root.mkdir(parents=True)
    repository.git.write_text(f"gitdir: {other.git}\n")


def common_folder(repository: RawRepository, other: RawRepository) -> None:
    (repository.git).mkdir(parents=True)
    (repository.git / "HEAD").write_text("ref: refs/heads/main\n")
    (repository.git / "commondir").write_text(f"{other.git}\n")


def alternates(repository: RawRepository, other: RawRepository) -> None:
    repository.__post_init__()
    (repository.git / "objects/info/alternates").write_text(f"{other.git}/objects\n")
    repository.set_branch("main", (other.git / "refs/heads/main").read_text().strip())


def relative_alternates(repository: RawRepository, other: RawRepository) -> None:
    alternates(repository, other)
    away = os.path.relpath(other.git / "objects", repository.git / "objects")
    (repository.git / "objects/info/alternates").write_text(f"{away}\n")


def link_objects(repository: RawRepository, other: RawRepository) -> None:
    repository.__post_init__()
    for name in ("pack", "info"):
        (repository.git / "objects" / name).rmdir()
    (repository.git / "objects").rmdir()
    (repository.git / "objects").symlink_to(other.git / "objects")
    repository.set_branch("main", (other.git / "refs/heads/main").read_text().strip())


def link_one_object_folder(repository: RawRepository, other: RawRepository) -> None:
    repository.__post_init__()
    for path in (other.git / "objects").iterdir():
        if len(path.name) == 2:
            (repository.git / "objects" / path.name).symlink_to(path)
    repository.set_branch("main", (other.git / "refs/heads/main").read_text().strip())


def link_head(repository: RawRepository, other: RawRepository) -> None:
    repository.__post_init__()
    (repository.git / "HEAD").unlink()
    (repository.git / "HEAD").symlink_to(other.git / "refs/heads/main")


@pytest.mark.parametrize(
    "lead",
    [
        *(link_git, git_file, common_folder, alternates, relative_alternates),
        *(link_objects, link_one_object_folder, link_head),
    ],
)
async def test_nothing_leads_outside_the_allowed_folders(
    tmp_path: Path, lead: Callable[[RawRepository, RawRepository], None]
) -> None:
    other = outside(tmp_path)
    repository = object.__new__(RawRepository)
    repository.root, repository.bare = tmp_path / "allowed/repo", False
    lead(repository, other)
    with pytest.raises((NotPermitted, SourceMisconfigured)):
        await list_events(repository)
    # The same is fine as soon as the operator allows the other folder, but for links.
    context = offline_context(files_roots=(tmp_path,))
    wide = SourceCase(GitSource, {"repo": str(repository.root)}, context).make()
    if lead in (git_file, alternates, relative_alternates, common_folder):
        assert files(await events_of(wide)) == ["secret"]
    else:
        with pytest.raises(WeftError):
            await events_of(wide)


async def test_bare_repository_and_its_git_folder_are_fine(tmp_path: Path) -> None:
    bare = RawRepository(tmp_path / "bare.git", bare=True)
    bare.commit(bare.put_files(a=b"a"))
    assert files(await list_events(bare)) == ["a"]
    usual = RawRepository(tmp_path / "usual")
    usual.commit(usual.put_files(b=b"b"))
    inner = object.__new__(RawRepository)
    inner.root, inner.bare = usual.git, True
    assert files(await list_events(inner)) == ["b"]


async def test_packed_branches_and_packs_are_read(repository: RawRepository) -> None:
    first = repository.commit(repository.put_files(a=b"packed"))
    (repository.git / "refs/heads/main").unlink()
    (repository.git / "packed-refs").write_text(
        f"# pack-refs with: peeled\n{first} refs/heads/main\n"
    )
    assert files(await list_events(repository)) == ["a"]


@pytest.mark.parametrize(
    "head",
    [
        *("", "ref: refs/heads/../../config", "ref: HEAD", "ref: /etc/passwd", "x" * 40, "1" * 64),
        *("ref: refs/heads/main\n" * 500, "ref: refs/heads/absent"),
    ],
)
async def test_head_that_leads_nowhere_is_an_error(repository: RawRepository, head: str) -> None:
    repository.commit(repository.put_files(a=b"a"))
    (repository.git / "HEAD").write_text(head)
    with pytest.raises(SourceMisconfigured):
        await list_events(repository)


async def test_folder_without_a_repository_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "allowed/repo").mkdir(parents=True)
    repository = object.__new__(RawRepository)
    repository.root, repository.bare = tmp_path / "allowed/repo", False
    with pytest.raises(SourceMisconfigured, match="no Git repository"):
        await list_events(repository)
