"""The server process starts quickly, keeps its streams clean and ends in time."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from tests.acceptance.weft_process import (
    ANSWER_SECONDS,
    Place,
    RawServer,
    Structured,
    raw_server,
    rows,
)

pytestmark = pytest.mark.anyio

SLOW = {"entities": 50, "rate": 25, "page_size": 5}
# A source that does everything on stdout that a careless one might.
NOISY_SOURCE = """
import os, subprocess, sys
from weft.testing.stub import StubSource

print("printed on import")


class NoisySource(StubSource):
    short_name = "noisy"

    async def check(self):
        print("printed by check", flush=True)
        os.write(1, b"written to descriptor 1\\n")
        subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)
        return await super().check()

    async def fetch(self, cursor):
        sys.__stdout__.write("printed by fetch\\n")
        async for event in super().fetch(cursor):
            yield event
"""

# Python imports a module of the name sitecustomize before all others.
TELL_START = """
import atexit, gc, json, pathlib, sys

def tell():
    start = {"modules": [*sys.modules], "collections": gc.get_stats()[0]["collections"]}
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(start))

atexit.register(tell)
"""
SOURCES_AT_START = {"weft.sources", "weft.sources.base", "weft.sources.registry"}
NOT_AT_START = re.compile(
    r"(weft\.(assembly\.(http|operator|remote)|cli\.demo|document|remote|testing|web\.(gate|rest|run))"
    r"|weft\.local\.(embedding\.(endpoint|static)|jobs\.embedding)"
    r"|httpx|keyring|numpy|opentelemetry\.sdk|rich)(\.|$)"
)

End = Callable[[RawServer], Awaitable[None]]


async def terminate(server: RawServer) -> None:
    server.process.terminate()


async def interrupt(server: RawServer) -> None:
    server.process.send_signal(signal.SIGINT)


async def close(server: RawServer) -> None:
    await server.close_stdin()


ENDS = pytest.mark.parametrize("end", [terminate, interrupt, close])


@ENDS
async def test_idle_process_ends_in_time_with_a_clean_database(place: Place, end: End) -> None:
    async with raw_server(place) as server:
        await server.initialize()
        await end(server)
        assert await server.wait_for_exit() == 0
    assert_clean(place)


async def test_start_imports_only_what_the_first_answers_need(place: Place) -> None:
    told = place.plugins / "sitecustomize.py"
    told.write_text(TELL_START)
    async with raw_server(place) as server:
        await server.initialize()
        await server.ask("tools/list")
        await server.close_stdin()
        assert await server.wait_for_exit() == 0
    start = json.loads(told.with_suffix(".json").read_text())
    names = start["modules"]
    assert {name for name in names if name.startswith("weft.sources")} == SOURCES_AT_START
    assert [name for name in names if NOT_AT_START.match(name)] == []
    # Imports would make it more than a hundred if garbage were collected among them.
    assert start["collections"] < 60


@ENDS
async def test_running_sync_is_handed_back_and_completed_by_the_next_process(
    place: Place, end: End
) -> None:
    async with raw_server(place) as server:
        connection = await connect(server, SLOW)
        job = (await server.data("run_sync", connection_id=connection))["id"]
        stored = await wait_for_entities(server, job)
        await end(server)
        assert await server.wait_for_exit() == 0
    assert_clean(place)
    assert rows(place.database, "SELECT id, status FROM job") == [(job, "PENDING")]
    assert 0 < stored < SLOW["entities"]

    async with raw_server(place) as server:
        done = await server.data("get_job", job_id=job, wait_seconds=ANSWER_SECONDS)
        assert done["status"] == "COMPLETED"
        assert done["entities_inserted"] == SLOW["entities"]
        found = await server.data("get_connection", connection_id=connection)
        assert found["entities"]["total_entities"] == SLOW["entities"]
        assert found["sync"]["total_runs"] == 1
        await server.close_stdin()
        assert await server.wait_for_exit() == 0
    assert_clean(place)


@ENDS
async def test_waiting_call_does_not_keep_the_process(place: Place, end: End) -> None:
    async with raw_server(place) as server:
        connection = await connect(server, {"entities": 100, "seconds_per_entity": 30})
        arguments = {"connection_id": connection, "wait_seconds": 45}
        await server.start("tools/call", {"name": "run_sync", "arguments": arguments})
        await wait_until_running(server, connection)
        await end(server)
        assert await server.wait_for_exit() == 0
    assert_clean(place)
    assert rows(place.database, "SELECT status FROM job") == [("PENDING",)]


async def test_killed_process_loses_nothing_and_the_next_one_completes_the_job(
    place: Place,
) -> None:
    async with raw_server(place) as server:
        connection = await connect(server, SLOW)
        job = (await server.data("run_sync", connection_id=connection))["id"]
        await wait_for_entities(server, job)
        server.process.kill()
        await server.process.wait()
    async with raw_server(place) as server:
        done = await server.data("get_job", job_id=job, wait_seconds=ANSWER_SECONDS)
        assert (done["status"], done["entities_inserted"]) == ("COMPLETED", SLOW["entities"])
        await server.close_stdin()
        assert await server.wait_for_exit() == 0
    assert_clean(place)


async def test_stdout_carries_only_json_rpc_whatever_a_source_prints(place: Place) -> None:
    install(place, "noisy", NOISY_SOURCE, "NoisySource")
    async with raw_server(place) as server:
        await server.data("create_collection", name="Noisy one", readable_id="noisy")
        made = await server.data(
            "create_connection",
            short_name="noisy",
            readable_collection_id="noisy",
            config={"entities": 3},
        )
        job = made["sync"]["last_job"]["id"]
        done = await server.data("get_job", job_id=job, wait_seconds=ANSWER_SECONDS)
        assert done["status"] == "COMPLETED"
        await server.close_stdin()
        assert await server.wait_for_exit() == 0
        assert b"printed" not in b"".join(server.lines)
    said = place.stderr.read_text()
    for text in ("on import", "by check", "by a child", "by fetch"):
        assert f"printed {text}" in said
    assert "written to descriptor 1" in said


async def test_broken_plugin_hides_no_other_source(place: Place) -> None:
    install(place, "broken", "import no_such_module_anywhere", "BrokenSource")
    async with raw_server(place) as server:
        listed = await server.data("list_sources", limit=100)
        names = [item["short_name"] for item in listed["items"]]
        assert "stub" in names
        assert "broken" not in names
        result = await server.call("get_source", short_name="broken")
        assert result["isError"] is True
        assert "broken" in result["content"][0]["text"]
        assert "no_such_module_anywhere" not in result["content"][0]["text"]


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("WEFT_HOMME", "x", "Did you mean WEFT_HOME?"),
        ("WEFT_LOG_LEVEL", "LOUD", "WEFT_LOG_LEVEL is not valid"),
        ("WEFT_SYNC_CONCURRENCY", "many", "WEFT_SYNC_CONCURRENCY is not valid"),
    ],
)
def test_wrong_setting_ends_the_start_with_one_line(
    place: Place, variable: str, value: str, hint: str
) -> None:
    done = place.run_server(**{variable: value})
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert variable in line
    assert hint in line
    assert not place.home.exists()


def test_database_of_a_newer_weft_is_left_alone(place: Place) -> None:
    place.home.mkdir()
    place.database.write_bytes(b"")
    rows_written = (
        "import apsw, sys; c = apsw.Connection(sys.argv[1]);"
        "c.execute('CREATE TABLE future (x)'); c.execute('PRAGMA user_version = 9999')"
    )
    subprocess.run([sys.executable, "-c", rows_written, str(place.database)], check=True)
    before = place.database.read_bytes()
    done = place.run_server()
    assert done.returncode != 0
    assert done.stdout == ""
    assert "newer version of Weft" in done.stderr
    assert "Traceback" not in done.stderr
    assert rows(place.database, "SELECT name FROM sqlite_master") == [("future",)]
    assert len(place.database.read_bytes()) == len(before)


def install(place: Place, name: str, source: str, class_name: str) -> None:
    """Add a plugin with one source to the place."""
    (place.plugins / f"{name}_source.py").write_text(source)
    info = place.plugins / f"{name}_source-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-source\nVersion: 1.0\n")
    entry = f"[weft.sources]\n{name} = {name}_source:{class_name}\n"
    (info / "entry_points.txt").write_text(entry)


async def connect(server: RawServer, config: Structured) -> str:
    """Make a stub connection that has not synced; return its id."""
    await server.data("create_collection", name="The slow one", readable_id="slow")
    made = await server.data(
        "create_connection",
        short_name="stub",
        readable_collection_id="slow",
        config=config,
        sync_immediately=False,
    )
    return made["id"]


async def wait_for_entities(server: RawServer, job: str) -> int:
    """Wait until a running job has stored entities; return their number."""
    with anyio.fail_after(ANSWER_SECONDS):
        while True:
            seen = await server.data("get_job", job_id=job)
            assert seen["status"] in {"PENDING", "RUNNING"}
            if seen["entities_inserted"]:
                return seen["entities_inserted"]


async def wait_until_running(server: RawServer, connection: str) -> None:
    """Wait until the connection's job runs."""
    with anyio.fail_after(ANSWER_SECONDS):
        while True:
            seen = await server.data("get_connection", connection_id=connection)
            if seen["status"] == "syncing":
                return


def assert_clean(place: Place) -> None:
    """Assert that the database is whole, and that everything is in its one file."""
    wal = Path(f"{place.database}-wal")
    assert not wal.exists() or wal.stat().st_size == 0
    assert rows(place.database, "PRAGMA integrity_check") == [("ok",)]
    assert "Traceback" not in place.stderr.read_text()
