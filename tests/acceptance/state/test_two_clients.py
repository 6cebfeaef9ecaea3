"""Two clients with settings of their own on one WEFT_HOME: none fails the other's syncs."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import apsw
import pytest

from tests.acceptance.weft_http import WEFT, http_server
from tests.acceptance.weft_process import (
    WAIT_SECONDS,
    Agent,
    Place,
    connect_client,
    raw_server,
    rows,
    text_of,
)
from tests.support.patience import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.anyio

FILES = 30
ROUNDS = 4


def make_folder(place: Place, client: str) -> Path:
    folder = place.folder / client / "docs"
    folder.mkdir(parents=True)
    for number in range(FILES):
        (folder / f"{number}.txt").write_text(f"words of {client} {number}")
    return folder


def settings_of(place: Place, client: str) -> Mapping[str, str]:
    return {"WEFT_FILES_ROOTS": str(place.folder / client)}


async def connect(agent: Agent, folder: Path, **fields: object) -> str:
    made = await agent.connection(
        "team", short_name="files", config={"path": str(folder)}, **fields
    )
    return made["id"]


def make_due(place: Place, slot: int) -> None:
    database: Any = apsw.Connection(str(place.database))
    database.set_busy_timeout(10_000)
    due = "UPDATE any_connection SET next_run_at = ? WHERE next_run_at IS NOT NULL"
    database.execute(due, (slot,))
    database.close()


def count_jobs(place: Place) -> dict[str, int]:
    return dict(rows(place.database, "SELECT status, count(*) FROM job GROUP BY status"))


async def wait_for_jobs(place: Place, **counts: int) -> None:
    await wait_until(lambda: count_jobs(place) == counts)


async def test_schedules_of_two_clients_run_each_in_its_own(place: Place) -> None:
    one, two = make_folder(place, "one"), make_folder(place, "two")
    daily = {"cron": "0 3 * * *"}
    async with (
        connect_client(place, "auto", **settings_of(place, "one")) as first,
        http_server(place, **settings_of(place, "two")) as server,
        server.agent("http", "auto") as second,
    ):
        await first.collection("team")
        ids = [
            await connect(first, one, schedule=daily),
            await connect(second, two, schedule=daily),
        ]
        for number in range(1, ROUNDS + 1):
            make_due(place, number)
            await wait_for_jobs(place, COMPLETED=2 * number)
        for agent in (first, second):
            for connection_id, client in zip(ids, ("one", "two"), strict=True):
                shown = (await agent.ok("get_connection", connection_id=connection_id)).data
                assert shown["status"] == "active"
                assert shown["entities"]["total_entities"] == FILES
                assert shown["sync"]["failed_runs"] == 0
                found = await agent.ok(
                    "search", readable_collection_id="team", query=f"words of {client} 7"
                )
                assert client in found.text


async def test_run_in_the_wrong_client_says_so_at_once_and_goes_on_in_the_right_one(
    place: Place,
) -> None:
    folder = make_folder(place, "one")
    async with connect_client(place, "auto", **settings_of(place, "one")) as first:
        await first.collection("team")
        connection_id = await connect(first, folder)
        await first.sync(connection_id)
    async with (
        http_server(place, **settings_of(place, "two")) as server,
        server.agent("http", "auto") as second,
        server.client() as rest,
    ):
        asked = await second.ok("run_sync", connection_id=connection_id, wait_seconds=WAIT_SECONDS)
        assert asked.data["status"] == "PENDING"
        assert f"may read {folder} (WEFT_FILES_ROOTS)" in asked.text
        assert "cancel_job" in asked.data["diagnosis"]["next_step"]
        assert str(place.folder / "two") not in asked.text
        for tool, given in (
            ("get_job", {"job_id": asked.data["id"], "wait_seconds": WAIT_SECONDS}),
            ("list_jobs", {}),
            ("get_connection", {"connection_id": connection_id}),
            ("list_connections", {}),
        ):
            assert "WEFT_FILES_ROOTS" in (await second.ok(tool, **given)).text, tool
        shown = (await second.ok("get_connection", connection_id=connection_id)).data
        assert (shown["status"], shown["entities"]["total_entities"]) == ("active", FILES)
        for path in ("/source-connections", f"/source-connections/{connection_id}"):
            answer = await rest.get(path)
            assert answer.status_code == 200, path
            assert "waits_for_process" in answer.text, path
        refused = text_of(await second.call("check_connection", connection_id=connection_id))
        assert "WEFT_FILES_ROOTS" in refused
        async with connect_client(place, "auto", **settings_of(place, "one")):
            await wait_for_jobs(place, COMPLETED=2)


async def test_job_of_a_killed_client_waits_for_one_that_has_its_source(place: Place) -> None:
    without = place.environment()["PYTHONPATH"].split(os.pathsep)
    elsewhere = os.pathsep.join(path for path in without if path != str(place.plugins))
    async with connect_client(place, "auto", PYTHONPATH=elsewhere) as other:
        await other.collection("team")
        async with raw_server(place) as owner:
            made = await owner.data(
                "create_connection",
                short_name="stub",
                readable_collection_id="team",
                config={"entities": 300, "rate": 30},
            )
            job_id = made["sync"]["last_job"]["id"]

            async def has_begun() -> bool:
                return (await other.ok("get_job", job_id=job_id)).data["entities_inserted"] > 0

            await wait_until(has_begun)
            owner.process.kill()
            await owner.process.wait()

        async def is_explained() -> bool:
            return "diagnosis" in (await other.ok("get_job", job_id=job_id)).data

        await wait_until(is_explained)
        found = await other.ok("get_job", job_id=job_id)
        assert found.data["status"] == "PENDING"
        assert "has the source 'stub'" in found.text
        async with connect_client(place, "auto") as able:
            assert (await able.job(job_id))["status"] == "COMPLETED"
        shown = (await other.ok("get_connection", connection_id=made["id"])).data
        assert shown["entities"]["total_entities"] == 300


async def test_sync_in_a_shell_without_the_folder_ends_and_leaves_the_job_to_a_server(
    place: Place,
) -> None:
    folder = make_folder(place, "one")
    async with connect_client(place, "auto", **settings_of(place, "one")) as first:
        await first.collection("team")
        connection_id = await connect(first, folder)
        with_server = await run_weft(place, "sync", connection_id)
        assert with_server.returncode == 0, with_server.stderr
    alone = await run_weft(place, "sync", connection_id)
    assert alone.returncode == 1, alone.stdout
    shown = await run_weft(place, "jobs")
    assert b"WEFT_FILES_ROOTS" in alone.stdout
    assert b"PENDING" in shown.stdout
    async with connect_client(place, "auto", **settings_of(place, "one")):
        await wait_for_jobs(place, COMPLETED=2)


async def run_weft(place: Place, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a verb in a shell that has no folders set."""
    environment = place.environment(WEFT_FILES_ROOTS="")
    with anyio.fail_after(PATIENCE_SECONDS):
        return await anyio.run_process(
            [str(WEFT), *arguments], env=environment, check=False, stdin=subprocess.DEVNULL
        )
