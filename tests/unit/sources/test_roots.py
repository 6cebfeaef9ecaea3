"""Nothing outside the allowed roots is ever opened, whatever links, pipes and races there are."""

import os
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from weft.errors import NotPermitted, SourceMisconfigured
from weft.sources import trees
from weft.sources.roots import find_start
from weft.sources.trees import ForbiddenPaths, NotInside, PortableTree, Tree, tree_at
from weft.testing.source_contract import offline_context


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "docs/a.txt").write_text("inside")
    return root


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("outside")
    return outside


@pytest.fixture(params=[Tree, PortableTree])
def tree(request: pytest.FixtureRequest, root: Path) -> Tree:
    kind: type[Tree] = request.param
    return kind(root, ForbiddenPaths(()))


def read(tree: Tree, *parts: str) -> str:
    with os.fdopen(tree.open_file(parts)) as file:
        return file.read()


def test_without_roots_the_error_says_how_to_set_them(root: Path) -> None:
    with pytest.raises(NotPermitted, match="WEFT_FILES_ROOTS=/path/to/folder") as caught:
        find_start(str(root), offline_context(), field="path")
    assert caught.value.field == "path"


def test_folder_and_file_inside_a_root_are_found(root: Path) -> None:
    context = offline_context(files_roots=(root,))
    folder = find_start(str(root / "docs"), context, field="path")
    assert (folder.parts, folder.is_file, folder.path) == (("docs",), False, root / "docs")
    file = find_start(str(root / "docs/a.txt"), context, field="path")
    assert (file.parts, file.is_file) == (("docs", "a.txt"), True)
    assert find_start(str(root), context, field="path").parts == ()


def test_relative_path_is_looked_for_below_the_roots(root: Path, outside: Path) -> None:
    context = offline_context(files_roots=(outside, root))
    assert find_start("docs/a.txt", context, field="path").path == root / "docs/a.txt"


@pytest.mark.parametrize("path", ["../outside", "docs/../../outside/a.txt", "/etc/passwd", "/"])
def test_path_that_leads_outside_is_refused(root: Path, outside: Path, path: str) -> None:
    with pytest.raises(NotPermitted) as caught:
        find_start(path, offline_context(files_roots=(root,)), field="path")
    assert str(root) in (caught.value.hint or "")


def test_whether_an_account_exists_is_not_told(root: Path) -> None:
    told: list[str] = []
    for name in ("root", "daemon", "no-such-user"):
        with pytest.raises(SourceMisconfigured) as caught:
            find_start(f"~{name}/docs", offline_context(files_roots=(root,)), field="path")
        told.append(str(caught.value))
    assert set(told) == {told[0]}


def test_ones_own_home_may_be_written_short(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    context = offline_context(files_roots=(root,))
    assert find_start("~/docs", context, field="path").path == root / "docs"
    assert find_start("~", context, field="path").path == root


def test_root_is_no_prefix_of_its_namesakes(root: Path) -> None:
    namesake = root.with_name("root-secret")
    namesake.mkdir()
    with pytest.raises(NotPermitted):
        find_start(str(namesake), offline_context(files_roots=(root,)), field="path")


def test_missing_path_is_named_only_inside_a_root(root: Path, tmp_path: Path) -> None:
    context = offline_context(files_roots=(root,))
    with pytest.raises(SourceMisconfigured, match="does not exist"):
        find_start(str(root / "missing"), context, field="path")
    with pytest.raises(NotPermitted):
        find_start(str(tmp_path / "missing"), context, field="path")


def test_link_as_start_counts_by_where_it_leads(root: Path, outside: Path) -> None:
    (root / "in").symlink_to(root / "docs")
    (root / "out").symlink_to(outside)
    (root / "loop").symlink_to(root / "loop")
    context = offline_context(files_roots=(root,))
    assert find_start(str(root / "in"), context, field="path").parts == ("docs",)
    with pytest.raises(NotPermitted):
        find_start(str(root / "out"), context, field="path")
    with pytest.raises(SourceMisconfigured):
        find_start(str(root / "loop"), context, field="path")


@pytest.mark.parametrize("name", [".ssh", ".SSH", ".gnupg", ".aws", ".git"])
def test_secret_folder_is_no_start(root: Path, name: str) -> None:
    (root / name / "x").mkdir(parents=True)
    for path in (root / name, root / name / "x"):
        with pytest.raises(NotPermitted):
            find_start(str(path), offline_context(files_roots=(root,)), field="path")
        with pytest.raises(NotPermitted):
            find_start(str(path), offline_context(files_roots=(path,)), field="path")


@pytest.mark.parametrize(
    "name", [".env", "id_rsa", ".docker/config.json", "bare.git/config", "gcloud/credentials.db"]
)
def test_secret_file_is_no_start(root: Path, name: str) -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("x")
    for allowed in (root, (root / name).parent):
        with pytest.raises(NotPermitted):
            find_start(str(root / name), offline_context(files_roots=(allowed,)), field="path")


def test_repository_without_work_tree_is_no_start_but_for_git(root: Path) -> None:
    for folder in ("mirror/objects", "mirror/refs"):
        (root / folder).mkdir(parents=True)
    for name in ("HEAD", "config"):
        (root / "mirror" / name).write_text("x")
    context = offline_context(files_roots=(root,))
    for path in ("mirror", "mirror/config"):
        with pytest.raises(NotPermitted):
            find_start(path, context, field="path")
    assert find_start("mirror", context, field="path", opened=frozenset({".git"})).parts


def test_own_state_is_no_start(root: Path) -> None:
    context = offline_context(files_roots=(root,), private_paths=(root / "docs",))
    for path in (root / "docs", root / "docs/a.txt"):
        with pytest.raises(NotPermitted):
            find_start(str(path), context, field="path")


def test_kernel_folders_are_no_start() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("this platform has no /proc")
    with pytest.raises(NotPermitted):
        find_start("/proc/self/environ", offline_context(files_roots=(Path("/"),)), field="path")


def test_named_pipe_is_no_start(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(SourceMisconfigured):
        find_start(str(root / "pipe"), offline_context(files_roots=(root,)), field="path")


def test_listing_is_sorted_and_tells_links_apart(root: Path, outside: Path, tree: Tree) -> None:
    (root / "b.txt").write_text("b")
    (root / "a").mkdir()
    (root / "to-file").symlink_to(outside / "a.txt")
    (root / "to-folder").symlink_to(outside)
    os.mkfifo(root / "pipe")
    listing = tree.list_folder(())
    assert listing.folders == ("a", "docs")
    assert listing.files == ("b.txt",)
    assert listing.links == ("pipe", "to-file", "to-folder")


def test_plain_file_is_read(tree: Tree) -> None:
    assert read(tree, "docs", "a.txt") == "inside"


def test_links_are_not_followed(root: Path, outside: Path, tree: Tree) -> None:
    (root / "file").symlink_to(outside / "a.txt")
    (root / "folder").symlink_to(outside)
    (root / "near").symlink_to(root / "docs/a.txt")
    for parts in (("file",), ("folder", "a.txt"), ("near",)):
        with pytest.raises(NotInside):
            tree.open_file(parts)
    with pytest.raises(NotInside):
        tree.list_folder(("folder",))


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "docs/a.txt", "x\0y"])
def test_only_plain_names_are_opened(tree: Tree, name: str) -> None:
    with pytest.raises(NotInside):
        tree.open_file((name,))
    with pytest.raises(NotInside):
        tree.list_folder((name, "docs"))


def test_pipe_is_refused_at_once(root: Path, tree: Tree) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(NotInside):
        tree.open_file(("pipe",))


def test_only_a_plain_file_is_identified(root: Path, outside: Path, tree: Tree) -> None:
    found = (root / "docs/a.txt").stat()
    assert tree.identify_file(("docs", "a.txt")) == (found.st_dev, found.st_ino)
    (root / "file").symlink_to(outside / "a.txt")
    (root / "folder").symlink_to(outside)
    os.mkfifo(root / "pipe")
    for parts in (("file",), ("folder", "a.txt"), ("pipe",), ("docs",), ("..",)):
        with pytest.raises(NotInside):
            tree.identify_file(parts)


def test_folder_is_no_file(tree: Tree) -> None:
    with pytest.raises(NotInside):
        tree.open_file(("docs",))


def test_hard_link_to_own_state_is_refused(root: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "keys").mkdir(parents=True)
    (state / "keys/master").write_text("key")
    (root / "innocent.txt").hardlink_to(state / "keys/master")
    (root / "docs/b.txt").hardlink_to(root / "docs/a.txt")
    tree = tree_at(root, offline_context(private_paths=(state,)))
    with pytest.raises(NotInside):
        tree.open_file(("innocent.txt",))
    assert read(tree, "docs", "b.txt") == "inside"


def test_own_state_inside_the_root_is_not_listed(root: Path) -> None:
    tree = tree_at(root, offline_context(private_paths=(root / "docs",)))
    with pytest.raises(NotInside):
        tree.list_folder(("docs",))


@pytest.fixture
def swapping(root: Path, outside: Path) -> Generator[Path]:
    """A folder that a thread swaps for a link to the outside and back, as fast as it can."""
    victim, spare, link = root / "victim", root / "spare", root / "link"
    victim.mkdir()
    (victim / "a.txt").write_text("inside")
    link.symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            victim.rename(spare)
            link.rename(victim)
            victim.rename(link)
            spare.rename(victim)

    thread = threading.Thread(target=swap)
    thread.start()
    yield victim
    stop.set()
    thread.join()


def test_folder_swapped_for_a_link_never_leads_outside(swapping: Path, root: Path) -> None:
    tree = Tree(root, ForbiddenPaths(()))
    inside = refused = 0
    deadline = time.monotonic() + 30
    while min(inside, refused) < 50 and time.monotonic() < deadline:
        try:
            assert read(tree, swapping.name, "a.txt") == "inside"
            inside += 1
        except OSError:
            refused += 1
    assert min(inside, refused) >= 50


def test_platform_gets_the_strictest_tree(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    assert type(tree_at(root, offline_context())) is (
        Tree if hasattr(os, "O_NOFOLLOW") else PortableTree
    )
    monkeypatch.setattr(trees, "_BY_DESCRIPTOR", False)
    assert type(tree_at(root, offline_context())) is PortableTree


def test_nothing_stays_open(root: Path, outside: Path, tree: Tree) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this platform does not show descriptors")
    (root / "file").symlink_to(outside / "a.txt")
    os.mkfifo(root / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for parts in (("file",), ("pipe",), ("missing",), ("docs", "a.txt", "below")):
        with pytest.raises(OSError):  # noqa: PT011 (which one differs by kind)
            tree.open_file(parts)
    tree.list_folder(("docs",))
    assert read(tree, "docs", "a.txt") == "inside"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
