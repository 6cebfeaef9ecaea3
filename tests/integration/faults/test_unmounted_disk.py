"""A disk below a synced folder that is not mounted: nothing on it is deleted unasked."""

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.local.embedded import Embedded, no_network, open_embedded
from weft.domain.connections import Connection
from weft.domain.jobs import Job, JobStatus, RunOptions
from weft.sources.base import SourceContext
from weft.sources.files.source import FilesSource

pytestmark = pytest.mark.anyio

DISK = 77
"""The number of a disk that no file of the test is on."""
OWN = {f"{number}.txt" for number in range(30)}
MOUNTED = {"docs/a.txt", "docs/b.txt"}


@dataclass
class Stage:
    """A connection to a folder in which another disk is mounted at `docs`."""

    engine: Embedded
    folder: Path
    connection: Connection

    @property
    def stored(self) -> set[str]:
        return {*self.engine.texts(self.connection)}

    def mount(self) -> None:
        (self.folder / "docs").rmdir()
        (self.folder.parent / "disk").rename(self.folder / "docs")

    def unmount(self) -> None:
        (self.folder / "docs").rename(self.folder.parent / "disk")
        (self.folder / "docs").mkdir()

    async def sync(self, agreed: int = 0) -> Job:
        options = RunOptions(agreed_deletions=agreed)
        job = await self.engine.backend.jobs.run(self.connection.id, options)
        job = await self.engine.wait_for_end(job)
        assert job.status is JobStatus.COMPLETED
        return job

    async def sync_after_loss(self, name: str) -> Job:
        (self.folder / name).unlink()
        return await self.sync()


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Stage]:
    folder = tmp_path / "root"
    for name in OWN | MOUNTED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    fstat, mounted = os.fstat, (folder / "docs").stat().st_ino

    def with_a_mount(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        if found.st_ino != mounted:
            return found
        return os.stat_result((*found[:2], DISK, *found[3:]))

    monkeypatch.setattr(os, "fstat", with_a_mount)
    context = SourceContext(http=no_network, files_roots=(tmp_path,))
    sources = {"files": FilesSource}
    async with open_embedded(tmp_path / "home", sources=sources, context=context) as engine:
        made = await engine.connect({"path": str(folder)}, short_name="files")
        stage = Stage(engine, folder, made)
        await stage.sync()
        assert stage.stored == OWN | MOUNTED
        yield stage


async def test_files_of_an_unmounted_disk_stay_until_it_is_back(stage: Stage) -> None:
    stage.unmount()
    for number in range(5):
        job = await stage.sync_after_loss(f"{number}.txt")
        assert (job.entities_deleted, job.deletions_held) == (0, 3 + number)
        assert any("held: a disk" in line for line in await stage.engine.log(job))
        assert stage.stored == OWN | MOUNTED
    stage.mount()
    job = await stage.sync()
    assert (job.entities_deleted, job.deletions_held) == (5, 0)
    assert stage.stored == (OWN | MOUNTED) - {f"{number}.txt" for number in range(5)}


async def test_unmounted_disk_is_forgotten_once_somebody_agrees(stage: Stage) -> None:
    stage.unmount()
    assert (await stage.sync()).deletions_held == 2
    job = await stage.sync(agreed=2)
    assert (job.entities_deleted, job.deletions_held) == (2, 0)
    job = await stage.sync_after_loss("0.txt")
    assert (job.entities_deleted, job.deletions_held) == (1, 0)
    assert stage.stored == OWN - {"0.txt"}
