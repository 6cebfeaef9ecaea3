"""State that is removed or replaced under real servers: said, and never written in vain."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import Place, connect_client, rows
from tests.support.patience import wait_until

pytestmark = pytest.mark.anyio

Loss = Callable[[Path], object]


def remove(home: Path) -> None:
    shutil.rmtree(home)


def replace(home: Path) -> None:
    home.rename(home.with_name("moved"))
    shutil.copytree(home.with_name("moved"), home)


async def wait_for_status(server: HttpServer, wanted: int) -> None:
    """Ask `/ready` until it answers with that status."""
    async with server.client("") as client:

        async def answers() -> bool:
            return (await client.get("/ready")).status_code == wanted

        await wait_until(answers)


async def wait_for_log(place: Place, text: str) -> None:
    """Read stderr until it says so."""
    await wait_until(lambda: text in place.stderr.read_text())


@pytest.mark.parametrize("lose", [remove, replace])
async def test_server_whose_state_is_gone_refuses_changes_and_says_why(
    place: Place, lose: Loss
) -> None:
    async with http_server(place) as server, server.agent() as agent:
        await agent.collection("docs")
        await wait_for_status(server, 200)
        lose(place.home)
        said = await agent.expect_refusal("create_collection", name="Lost", readable_id="lost")
        assert "removed or replaced" in said
        assert "restart Weft" in said
        await wait_for_status(server, 503)
        await wait_for_log(place, "removed or replaced")
        listed = await agent.ok("list_collections")
        assert [each["readable_id"] for each in listed.items] == ["docs"]
    if place.database.exists():
        found = rows(place.database, "SELECT readable_id FROM collection")
        assert found == [("docs",)]


async def test_server_goes_on_when_its_state_is_put_back(place: Place) -> None:
    away = place.home.with_name("away")
    async with http_server(place) as server, server.agent() as agent:
        await agent.collection("docs")
        made = await agent.connection("docs", config={"entities": 30, "page_size": 1, "rate": 20})
        job = await agent.ok("run_sync", connection_id=made["id"])
        place.home.rename(away)
        await agent.expect_refusal("create_collection", name="Lost", readable_id="lost")
        await wait_for_log(place, "removed or replaced")
        away.rename(place.home)
        await wait_for_status(server, 200)
        await agent.collection("kept")
        ended = await agent.job(job.data["id"])
        assert (ended["status"], ended["entities_inserted"]) == ("COMPLETED", 30)
    found = rows(place.database, "SELECT readable_id FROM collection ORDER BY no")
    assert found == [("docs",), ("kept",)]


async def test_lock_file_that_is_removed_is_made_anew(place: Place) -> None:
    async with connect_client(place, "auto") as agent:
        shutil.rmtree(place.home / "processes")
        await wait_for_log(place, "made anew")
        assert len(list((place.home / "processes").iterdir())) == 1
        await agent.collection("docs")
