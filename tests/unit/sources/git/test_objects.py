"""Branches are found in packed-refs files of any shape, without believing in their lines."""

import io
from pathlib import Path

import pytest

from tests.support.sources.git_repos import RawRepository
from weft.sources.git.delta import BadObject
from weft.sources.git.objects import find_packed_ref, open_repository
from weft.sources.git.walk import MAX_PARENTS, list_newest_commits, read_commit, read_message
from weft.testing.source_contract import offline_context

ID = "0123456789abcdef0123456789abcdef01234567"
LINE = f"{ID} refs/heads/main\n".encode()
OTHER = f"{ID[::-1]} refs/heads/maintenance\n".encode()


def find(content: bytes) -> str | None:
    return find_packed_ref(io.BytesIO(content), b"refs/heads/main")


@pytest.mark.parametrize("before", [0, 1, 1_000, 1_092, 1_093, 5_000])
@pytest.mark.parametrize("padding", [0, 1, 30, 59])
def test_branch_is_found_wherever_it_stands(before: int, padding: int) -> None:
    head = b"#" + b" " * padding + b"\n"
    assert find(head + OTHER * before + LINE + OTHER) == ID
    assert find(head + OTHER * before + LINE[:-1]) == ID
    assert find(head + OTHER * before) is None


def test_lines_that_only_end_like_the_branch_are_not_it() -> None:
    assert find(b"a b refs/heads/main\n" + LINE) == ID
    assert find(f"{ID} refs/heads/refs/heads/main\n".encode()) is None


def test_no_more_of_an_endless_line_is_read_than_a_block_or_two() -> None:
    class EndlessFile(io.BytesIO):
        given = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size >= 0
            self.given += size
            return b"\0" * size

    file = EndlessFile()
    with pytest.raises(BadObject):
        find_packed_ref(file, b"refs/heads/main")
    assert file.given <= 256 * 1024


def test_walk_keeps_no_long_messages(tmp_path: Path) -> None:
    repository = RawRepository(tmp_path / "r")
    message = "é".encode() * 100_000
    head = repository.commit(repository.put_tree(), message=message)
    context = offline_context(files_roots=(tmp_path,))
    with open_repository(str(repository.root), context) as opened:
        (commit,) = list_newest_commits(opened.store, head, lambda: None, set())
        assert commit.message is None
        assert read_message(opened.store, head) == message.decode()


def test_commit_of_endlessly_many_parents_is_refused(tmp_path: Path) -> None:
    repository = RawRepository(tmp_path / "r")
    tree = repository.put_tree()
    most = repository.commit(tree, *[ID] * MAX_PARENTS)
    more = repository.commit(tree, *[ID] * (MAX_PARENTS + 1))
    context = offline_context(files_roots=(tmp_path,))
    with open_repository(str(repository.root), context) as opened:
        assert len(read_commit(opened.store, most).parents) == MAX_PARENTS
        with pytest.raises(BadObject):
            read_commit(opened.store, more)


def test_object_that_is_not_what_its_id_says_is_refused(tmp_path: Path) -> None:
    repository = RawRepository(tmp_path / "r")
    name = repository.put_blob(b"true")
    context = offline_context(files_roots=(tmp_path,))
    with open_repository(str(repository.root), context) as opened:
        assert opened.store.read(name)[1] == b"true"
        repository.put_raw(name, b"blob 5\0false")
        with pytest.raises(BadObject):
            opened.store.read(name)
