"""A real repository of 5,000 files: counts that are exact, and a search that follows them."""

import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from dulwich.index import commit_tree
from dulwich.objects import Blob, Commit, ObjectID
from dulwich.refs import Ref
from dulwich.repo import Repo

from tests.support.jobs import wait_for_end
from weft.assembly.backends import open_backend
from weft.backend import Backend
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import NewConnection
from weft.domain.jobs import Job, JobStatus
from weft.domain.reading.search import SearchQuery
from weft.domain.schedules import ScheduleSpec
from weft.settings import Settings

pytestmark = pytest.mark.anyio

FOLDERS = 50
FILES_IN_FOLDER = 100
FILES = FOLDERS * FILES_IN_FOLDER
MAIN = Ref(b"refs/heads/main")
AUTHOR = b"A Developer <developer@example.invalid>"

EDITED = (7, 1234, 4999)
DELETED = (42, 3210)
ADDED = range(FILES, FILES + 4)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "roots" / "repository"
    root.mkdir(parents=True)
    for number in range(FILES):
        write(root, number, "original")
    Repo.init(str(root), default_branch=b"main").close()
    commit(root, "The first version")
    return root


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncGenerator[Backend]:
    settings = Settings(home=tmp_path / "home", files_roots=(tmp_path / "roots",))
    async with open_backend(settings) as backend:
        await backend.collections.create(NewCollection(name="Large one", readable_id="large"))
        yield backend


async def test_files_of_a_large_folder_are_counted_exactly(
    backend: Backend, repository: Path
) -> None:
    connection = await connect(backend, "files", {"path": str(repository)})
    assert counts(await run_sync(backend, connection)) == (FILES, 0, 0, 0)
    assert counts(await run_sync(backend, connection)) == (0, 0, 0, FILES)
    await assert_found(backend, changed=False)

    change(repository)
    unchanged = FILES - len(EDITED) - len(DELETED)
    assert counts(await run_sync(backend, connection)) == (4, 3, 2, unchanged)
    await assert_found(backend, changed=True)


@pytest.mark.parametrize("continuous", [False, True], ids=["full", "incremental"])
async def test_files_of_a_large_repository_are_counted_exactly(
    backend: Backend, repository: Path, continuous: bool
) -> None:
    connection = await connect(
        backend,
        "git",
        {"repo": str(repository), "branch": "main", "include_commits": False},
        schedule=ScheduleSpec(continuous=True) if continuous else None,
    )
    assert counts(await run_sync(backend, connection)) == (FILES, 0, 0, 0)
    # An incremental sync is only told what changed, a full one names everything.
    rest = 0 if continuous else FILES
    assert counts(await run_sync(backend, connection)) == (0, 0, 0, rest)
    await assert_found(backend, changed=False)

    change(repository)
    assert counts(await run_sync(backend, connection)) == (0, 0, 0, rest)
    commit(repository, "The second version")
    unchanged = 0 if continuous else FILES - len(EDITED) - len(DELETED)
    assert counts(await run_sync(backend, connection)) == (4, 3, 2, unchanged)
    await assert_found(backend, changed=True)
    found = await backend.connections.get(connection)
    assert found.entities.total_entities == FILES + 2


def path_of(root: Path, number: int) -> Path:
    return root / f"folder{number % FOLDERS:02}" / f"file{number:04}.txt"


def write(root: Path, number: int, state: str) -> None:
    path = path_of(root, number)
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"This is number{number}, {state}{number}.\n" + "Some more text. " * 10)


def change(root: Path) -> None:
    """Edit three files, delete two, add four."""
    for number in EDITED:
        write(root, number, "edited")
    for number in DELETED:
        path_of(root, number).unlink()
    for number in ADDED:
        write(root, number, "added")


def commit(root: Path, message: str) -> None:
    """Commit the folder as it is."""
    with Repo(str(root)) as repo:
        files = sorted(path for path in root.glob("folder*/*"))
        blobs = {path: Blob.from_string(path.read_bytes()) for path in files}
        repo.object_store.add_objects([(blob, None) for blob in blobs.values()])
        made = Commit()
        made.tree = commit_tree(
            repo.object_store,
            [
                (path.relative_to(root).as_posix().encode(), blob.id, 0o100644)
                for path, blob in blobs.items()
            ],
        )
        head = repo.refs.read_loose_ref(MAIN)
        made.parents = [ObjectID(head)] if head else []
        made.author = made.committer = AUTHOR
        made.author_time = made.commit_time = int(time.time())
        made.author_timezone = made.commit_timezone = 0
        made.message = message.encode()
        repo.object_store.add_object(made)
        repo.refs[MAIN] = made.id


async def connect(
    backend: Backend, short_name: str, config: Json, schedule: ScheduleSpec | None = None
) -> str:
    """The id of a new connection that has not synced."""
    made = await backend.connections.create(
        NewConnection(
            short_name=short_name,
            readable_collection_id="large",
            config=config,
            schedule=schedule,
            sync_immediately=False,
        )
    )
    return made.id


async def run_sync(backend: Backend, connection: str) -> Job:
    """The job of a complete sync."""
    job = await wait_for_end(backend, await backend.jobs.run(connection))
    assert job.status is JobStatus.COMPLETED, job.error
    assert (job.entities_skipped, job.entities_failed) == (0, 0)
    return job


def counts(job: Job) -> tuple[int, int, int, int]:
    """Inserted, updated, deleted, unchanged."""
    return (
        job.entities_inserted,
        job.entities_updated,
        job.entities_deleted,
        job.entities_unchanged,
    )


async def assert_found(backend: Backend, *, changed: bool) -> None:
    """The search finds the present text and none that is gone."""
    for number in EDITED:
        assert await hits(backend, f"edited{number}") == int(changed)
        assert await hits(backend, f"original{number}") == int(not changed)
    for number in DELETED:
        assert await hits(backend, f"number{number}") == int(not changed)
    for number in ADDED:
        assert await hits(backend, f"added{number}") == int(changed)
    assert await hits(backend, "number4000") == 1


async def hits(backend: Backend, query: str) -> int:
    assert backend.search is not None
    # Quoted, as a word that is nowhere stands for those that begin so.
    wanted = SearchQuery(readable_collection_id="large", query=f'"{query}"')
    found = await backend.search.search(wanted)
    return len(found.hits)
