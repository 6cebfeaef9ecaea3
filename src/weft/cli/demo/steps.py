"""The steps of the demo, in order. Each checks what it claims."""

from pathlib import Path

import anyio
import anyio.to_thread

from weft.cli.demo.stage import WAIT_SECONDS, Stage, Step, Structured

# The files are large because indexing text takes long; many small ones would be slower to write.
LARGE_FILES = 1_500
_WORDS_PER_FILE = 6_000
_DOCS = "weft-demo"
_WORK = "weft-demo-work"


async def list_sources(stage: Stage) -> None:
    """List the sources that can be connected."""
    listed = await stage.call("list_sources")
    names = [source["short_name"] for source in listed["items"]]
    stage.tell(", ".join(names))
    stage.expect({"files", "git"} <= set(names), "files and git can be connected")


async def create_collections(stage: Stage) -> None:
    """Make collections: what is searched together."""
    for readable_id, name in ((_DOCS, "Weft demo"), (_WORK, "Weft demo, other work")):
        made = await stage.call("create_collection", name=name, readable_id=readable_id)
        stage.expect(made["readable_id"] == readable_id, f"the collection is '{readable_id}'")


async def sync_history(stage: Stage) -> None:
    """Connect this repository's own history and sync it."""
    if not stage.place.is_clone:
        stage.tell("This folder is not a git clone, so there is no history to connect. Going on.")
        return
    made = await stage.call(
        "create_connection",
        short_name="git",
        readable_collection_id=_WORK,
        name="This repository",
        config={"repo": str(stage.place.root)},
        sync_immediately=False,
    )
    job = await stage.sync(made["id"])
    stage.expect(job["entities_inserted"] > 0, "the history has something in it")


async def sync_files(stage: Stage) -> None:
    """Connect its README and source as files and sync them."""
    made = await stage.call(
        "create_connection",
        short_name="files",
        readable_collection_id=_DOCS,
        name="README and source",
        config={"path": str(stage.place.root), "include": list(stage.place.include)},
        sync_immediately=False,
    )
    stage.found["files"] = made["id"]
    job = await stage.sync(made["id"])
    stage.expect(job["entities_inserted"] > 0, "files were stored")
    stage.found["stored"] = str(job["entities_inserted"])


async def sync_again(stage: Stage) -> None:
    """Sync again: nothing changed, so nothing is written."""
    job = await stage.sync(stage.found["files"])
    stage.expect(str(job["entities_unchanged"]) == stage.found["stored"], "all are unchanged")
    stage.expect(job["entities_inserted"] == 0, "nothing is inserted twice")


async def list_jobs(stage: Stage) -> None:
    """List the jobs so far."""
    listed = await stage.call("list_jobs")
    for job in listed["items"]:
        stage.tell(f"{job['id'][:8]} {job['status']} {job['entities_processed']:,} processed")
    ended = [job["status"] for job in listed["items"]]
    stage.expect(len(ended) >= 2 and set(ended) == {"COMPLETED"}, "all jobs are COMPLETED")


async def read_resource(stage: Stage) -> None:
    """Read the connection as a resource."""
    connection = await stage.read(f"weft://connections/{stage.found['files']}")
    total = connection["entities"]["total_entities"]
    stage.tell(f"'{connection['name']}' is {connection['status']} with {total:,} entities")
    stage.expect(connection["status"] == "active", "the connection is active")
    stage.expect(str(total) == stage.found["stored"], "it counts what was stored")


async def find_known_line(stage: Stage) -> None:
    """Search for a sentence that is known to be there."""
    query = f'"{" ".join(stage.place.read_known_words())}"'
    found = await stage.call("search", readable_collection_id=_DOCS, query=query)
    stage.expect(bool(found["hits"]), "the sentence is found")
    stage.expect(found["matched"] == "all", "its words are found in a row")
    named = [hit for hit in found["hits"] if stage.place.known_file in hit["untrusted"]["title"]]
    stage.expect(bool(named), f"it is found in {stage.place.known_file}")
    stage.tell(f"{named[0]['untrusted']['title']}: {named[0]['untrusted']['snippet']}")


async def cancel_long_sync(stage: Stage) -> None:
    """Start a long sync and cancel it half way."""
    stage.tell(f"Writing {LARGE_FILES:,} files to sync ...")
    await anyio.to_thread.run_sync(_write_files, stage.files)
    made = await stage.call(
        "create_connection",
        short_name="files",
        readable_collection_id=_WORK,
        name="A long read",
        config={"path": str(stage.files)},
        sync_immediately=False,
    )
    begun = anyio.Event()

    async def on_progress(done: float) -> None:
        if done > 0:
            begun.set()

    async def cancel_when_begun() -> None:
        await begun.wait()
        running = await stage.call("list_jobs", connection_id=made["id"], limit=1)
        asked = await stage.call("cancel_job", job_id=running["items"][0]["id"])
        stage.tell(f"The answer at once: {asked['status']}")

    job: Structured = {}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancel_when_begun)
        job = await stage.follow(
            "run_sync", connection_id=made["id"], wait_seconds=WAIT_SECONDS, on_progress=on_progress
        )
    stage.tell(f"The waiting call: {job['status']} after {job['entities_processed']:,} files")
    stage.expect(job["status"] == "CANCELLED", "the job is CANCELLED")
    stage.expect(job["entities_processed"] < LARGE_FILES, "it stopped before the end")


async def delete_connection(stage: Stage) -> None:
    """Delete the README's connection: preview, confirm, gone."""
    target = stage.found["files"]
    preview = await stage.call("delete_connection", connection_id=target)
    stage.tell(f"Preview: {preview['entities']:,} entities would go. Nothing is deleted yet.")
    stage.expect(preview["deleted"] is False, "a preview deletes nothing")
    gone = await stage.call(
        "delete_connection", connection_id=target, confirmation_token=preview["confirmation_token"]
    )
    stage.expect(gone["deleted"] is True, "the confirmed call deletes")
    query = f'"{" ".join(stage.place.read_known_words())}"'
    found = await stage.call("search", readable_collection_id=_DOCS, query=query)
    stage.tell(f"{len(found['hits'])} hits for the sentence now")
    stage.expect(found["hits"] == [], "its text is no longer found")


STEPS: tuple[Step, ...] = (
    list_sources,
    create_collections,
    sync_history,
    sync_files,
    sync_again,
    list_jobs,
    read_resource,
    find_known_line,
    cancel_long_sync,
    delete_connection,
)


def _write_files(folder: Path) -> None:
    for number in range(LARGE_FILES):
        words = (f"thread{number + word % 997}" for word in range(_WORDS_PER_FILE))
        (folder / f"{number:04}.txt").write_text(" ".join(words), encoding="utf-8")
