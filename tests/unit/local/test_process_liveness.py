"""Locks of processes: the living are never taken for dead, the dead are known at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weft.errors import StorageFailed
from weft.local import process_liveness
from weft.local.process_liveness import ProcessLock

HOLDER = """
import os, sys
from pathlib import Path
from weft.local.process_liveness import ProcessLock
with ProcessLock(Path(sys.argv[1]), sys.argv[2]):
    if sys.argv[3:] == ["child"]:
        import subprocess
        subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"])
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, owner: str, *more: str) -> Generator["subprocess.Popen[str]"]:
    """Another process that holds a lock until it is killed or its stdin ends."""
    command = [sys.executable, "-c", HOLDER, str(folder), owner, *more]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def test_owner_lives_until_its_process_is_killed(tmp_path: Path) -> None:
    with ProcessLock(tmp_path, "me") as lock, holder(tmp_path, "other") as process:
        assert not lock.is_dead("other")
        lock.sweep()
        assert not lock.is_dead("other"), "looking must not take the lock away"
        process.kill()
        process.wait()
        assert lock.is_dead("other")


def test_stopped_process_is_not_dead(tmp_path: Path) -> None:
    with ProcessLock(tmp_path, "me") as lock, holder(tmp_path, "other") as process:
        process.send_signal(signal.SIGSTOP)
        assert not lock.is_dead("other")
        process.send_signal(signal.SIGCONT)


def test_child_that_outlives_its_parent_does_not_keep_the_lock(tmp_path: Path) -> None:
    with ProcessLock(tmp_path, "me") as lock, holder(tmp_path, "other", "child") as process:
        process.kill()
        process.wait()
        assert lock.is_dead("other")


def test_owner_that_ended_in_order_leaves_no_file_and_counts_as_gone(tmp_path: Path) -> None:
    with ProcessLock(tmp_path, "me") as lock:
        with ProcessLock(tmp_path, "other"):
            assert not lock.is_dead("other")
        assert lock.is_dead("other")
        assert [path.name for path in tmp_path.iterdir()] == ["me.lock"]


def test_owner_whose_file_cannot_be_removed_ends_in_order_and_counts_as_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(path)

    with ProcessLock(tmp_path, "me") as lock:
        with monkeypatch.context() as read_only, ProcessLock(tmp_path, "other"):
            read_only.setattr(Path, "unlink", refuse)
        assert lock.is_dead("other")


def test_folder_that_cannot_be_written_is_refused_with_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "processes"
    folder.touch()
    with pytest.raises(StorageFailed, match="processes cannot be written"):
        ProcessLock(folder, "me").__enter__()


def test_nobody_takes_itself_for_dead(tmp_path: Path) -> None:
    with ProcessLock(tmp_path, "me") as lock:
        (tmp_path / "me.lock").unlink()
        assert not lock.is_dead("me")


def test_lock_file_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "processes"
    with ProcessLock(folder, "me") as lock:
        assert not lock.restore()
        (folder / "me.lock").unlink()
        folder.rmdir()
        assert lock.restore()
        assert not lock.restore()
        with ProcessLock(folder, "you") as other:
            assert not other.is_dead("me")


def test_sweep_removes_the_files_of_the_dead_alone(tmp_path: Path) -> None:
    with ProcessLock(tmp_path, "me") as lock, holder(tmp_path, "other") as process:
        (tmp_path / "long-gone.lock").touch()
        lock.sweep()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["me.lock", "other.lock"]
        process.kill()
        process.wait()
        lock.sweep()
        assert [path.name for path in tmp_path.iterdir()] == ["me.lock"]


def test_file_that_is_swept_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between making its file and locking it, a starting process looks like a dead one.
    lock_file = process_liveness.lock_file
    swept = 0

    with ProcessLock(tmp_path, "me") as lock:

        def swept_first(descriptor: int) -> None:
            nonlocal swept
            if swept < 3:
                swept += 1
                with monkeypatch.context() as usual:
                    usual.setattr(process_liveness, "lock_file", lock_file)
                    lock.sweep()
            lock_file(descriptor)

        monkeypatch.setattr(process_liveness, "lock_file", swept_first)
        with ProcessLock(tmp_path, "other"):
            monkeypatch.setattr(process_liveness, "lock_file", lock_file)
            assert swept == 3
            assert not lock.is_dead("other")


def test_file_that_a_sweep_holds_for_a_moment_is_locked_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_file = process_liveness.lock_file
    with ProcessLock(tmp_path, "me") as lock:
        looking = os.open(tmp_path / "other.lock", os.O_CREAT | os.O_RDWR)
        lock_file(looking)
        waits = 0

        def look_elsewhere(_seconds: float) -> None:
            nonlocal waits
            waits += 1
            os.close(looking)

        monkeypatch.setattr(process_liveness, "sleep", look_elsewhere)
        with ProcessLock(tmp_path, "other"):
            assert waits == 1
            assert not lock.is_dead("other")


def test_without_locks_nobody_is_called_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_descriptor: int) -> None:
        raise OSError("not supported here")

    monkeypatch.setattr(process_liveness, "lock_file", no_locks)
    with ProcessLock(tmp_path, "me") as lock, ProcessLock(tmp_path, "other") as other:
        assert not lock.is_dead("other")
        assert not other.is_dead("me")
        assert not lock.is_dead("never-was")
        lock.sweep()
        assert not other.is_dead("me")
