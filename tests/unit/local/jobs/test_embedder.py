"""A process embeds while something waits, whatever ends it."""

import errno
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import anyio
import pytest

from tests.support.patience import wait_until
from weft.errors import StorageFailed
from weft.local.jobs import embedder
from weft.local.jobs.embedder import Batch, Caution, Embedder, EmbedderKeeper, End
from weft.local.process_liveness import try_to_lock
from weft.local.store.base import Store
from weft.local.store.vectors import PACKAGED, Waiting

pytestmark = pytest.mark.anyio

# Notes its arguments, and does what the next of the files with programs says.
PROCESS = """
import json, os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
with (folder / "runs").open("a") as runs:
    runs.write(json.dumps(sys.argv[2:]) + "\\n")
count = len((folder / "runs").read_text().splitlines())
programs = json.loads((folder / "programs").read_text())
def tell(*words):
    print(*words, flush=True)
exec(programs[min(count, len(programs)) - 1])
"""
DIES = "os.kill(os.getpid(), signal.SIGKILL)"
KEEPS = "tell('trying 1 9 9'); tell('kept 9')"
STAYS = f"{KEEPS}; sys.stdin.read()"


@dataclass
class FakeStore:
    """Says whether something waits."""

    waits: bool = True
    models: dict[str, str | None] = field(default_factory=lambda: {PACKAGED: "m1"})
    version: int = 1
    is_broken: bool = False
    looks: int = 0

    @property
    def vectors(self) -> "FakeStore":
        return self

    async def wait_for_change(self, seen: int, seconds: float) -> int:
        del seen, seconds
        self.looks += 1
        if self.is_broken:
            raise StorageFailed("The disk is full.")
        return self.version

    async def take(self, ways: Sequence[str], limit: int) -> Sequence[Waiting]:
        return [Waiting(1, ways[0], "", "")][:limit] if self.waits else []

    async def ways(self) -> Mapping[str, str | None]:
        return self.models


@dataclass
class Place:
    """The files of a keeper and what its processes did."""

    folder: Path
    store: FakeStore = field(default_factory=FakeStore)

    @property
    def embedder(self) -> Embedder:
        command = (sys.executable, "-S", "-c", PROCESS, str(self.folder))
        return Embedder(command, {}, self.folder / "lock", self.folder / "trouble")

    @property
    def runs(self) -> list[list[str]]:
        file = self.folder / "runs"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def trouble(self) -> str | None:
        file = self.embedder.trouble
        return file.read_text() if file.exists() else None

    @asynccontextmanager
    async def keep(self, *programs: str) -> AsyncGenerator[None]:
        """Keep a process that does what the programs say, in turn; the last one again and again."""
        (self.folder / "programs").write_text(json.dumps(programs))
        keeper = EmbedderKeeper(cast("Store", self.store), self.embedder, {PACKAGED: "m1"})
        async with anyio.create_task_group() as group:
            group.start_soon(keeper.run)
            yield
            group.cancel_scope.cancel()

    async def look_often(self) -> None:
        """Wait until the keeper has looked several times more."""
        until = self.store.looks + 3
        await wait_until(lambda: self.store.looks >= until)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(embedder, "PAUSE_MAX_SECONDS", 0.02)


async def test_process_is_started_when_something_waits_and_again_when_more_does(
    place: Place,
) -> None:
    place.store.waits = False
    async with place.keep(KEEPS):
        await place.look_often()
        assert place.runs == []
        place.store.waits, place.store.version = True, 2
        await wait_until(lambda: len(place.runs) == 2)


async def test_process_ends_with_its_keeper(place: Place) -> None:
    file = place.folder / "pid"
    async with place.keep(f"pathlib.Path({str(file)!r}).write_text(f'{{os.getpid()}}.'); {STAYS}"):
        await wait_until(lambda: file.exists() and file.read_text().endswith("."))
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text().removesuffix(".")), 0)


async def test_none_is_started_while_another_process_embeds(place: Place) -> None:
    with try_to_lock(place.embedder.lock) as is_ours:
        assert is_ours
        async with place.keep(STAYS):
            await place.look_often()
            assert place.runs == []
    async with place.keep(STAYS):
        await wait_until(lambda: bool(place.runs))


async def test_text_that_kills_every_process_is_found_and_passed_over(place: Place) -> None:
    batches = [(10, 17, 8), (10, 13, 4), (12, 13, 2), (12, 12, 1), (12, 12, 1)]
    deaths = [f"tell('trying {a} {b} {n}'); {DIES}" for a, b, n in batches]
    async with place.keep(*deaths, STAYS):
        await wait_until(lambda: len(place.runs) == 6 and place.trouble is None)
    assert place.runs == [
        [],
        ["--through", "17", "--size", "4"],
        ["--through", "13", "--size", "2"],
        ["--through", "13", "--size", "1"],
        ["--through", "12", "--size", "1"],
        ["--pass-over", "12"],
    ]


async def test_deaths_between_batches_blame_no_text(place: Place) -> None:
    async with place.keep(f"{KEEPS}; {DIES}", DIES, STAYS):
        await wait_until(lambda: len(place.runs) == 3)
    assert place.runs == [[], [], []]


async def test_trouble_is_told_until_it_ends(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = f"tell('trouble The endpoint does not answer.'); sys.exit({End.TROUBLE})"
    async with place.keep(stuck, stuck, STAYS):
        await wait_until(lambda: place.trouble == "The endpoint does not answer.")
        await wait_until(lambda: len(place.runs) == 3 and place.trouble is None)
    assert caplog.text.count("The endpoint does not answer.") == 1


async def test_trouble_that_cannot_be_written_leaves_no_part_of_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def write_nothing(file: Path, *_args: object, **_options: object) -> int:
        file.touch()
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Path, "write_text", write_nothing)
    keeper = EmbedderKeeper(cast("Store", place.store), place.embedder, {PACKAGED: "m1"})
    place.store.is_broken = True
    async with anyio.create_task_group() as group:
        group.start_soon(keeper.run)
        await wait_until(lambda: "The disk is full." in caplog.text)
        await place.look_often()
        group.cancel_scope.cancel()
    assert list(place.folder.iterdir()) == []


async def test_silent_process_is_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "SILENCE_MAX_SECONDS", 0.2)
    monkeypatch.setattr(embedder, "END_SECONDS", 0.01)
    async with place.keep("time.sleep(3600)", STAYS):
        await wait_until(lambda: len(place.runs) == 2)


async def test_upgraded_weft_is_not_started_again(place: Place) -> None:
    async with place.keep(f"sys.exit({End.OTHER_VERSION})"):
        await wait_until(lambda: "restart" in (place.trouble or ""))
        looks = place.store.looks
    assert (len(place.runs), place.store.looks) == (1, looks)


async def test_program_that_is_missing_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(place.folder / "none"))
    async with place.keep():
        await wait_until(lambda: "cannot be started" in (place.trouble or ""))


async def test_database_that_cannot_be_read_is_told_and_looked_at_again(place: Place) -> None:
    place.store.is_broken = True
    async with place.keep(STAYS):
        await wait_until(lambda: place.trouble == "The disk is full.")
        place.store.is_broken = False
        await wait_until(lambda: bool(place.runs) and place.trouble is None)


async def test_models_are_adopted_once_where_they_differ(place: Place) -> None:
    place.store.models, place.store.waits = {PACKAGED: "m0", "endpoint": "e"}, False
    async with place.keep(f"sys.exit({End.IDLE})"):
        await wait_until(lambda: bool(place.runs))
        await place.look_often()
    assert place.runs == [["--adopt"]]


def test_text_is_passed_over_only_after_several_deaths_on_it_alone() -> None:
    caution = Caution()
    assert caution.note_death(Batch(5, 5, 1)) is None
    assert caution.note_death(Batch(9, 9, 1)) is None
    assert caution.note_death(Batch(9, 9, 1)) == 9
    assert caution.passed_over == [9]
