"""What a server syncs is found by meaning, as it comes out of the box."""

import anyio
import pytest

from tests.acceptance.weft_process import ANSWER_SECONDS, Place, RawServer, raw_server

pytestmark = pytest.mark.anyio

TEXTS = {
    "car": "The automobile needs a new engine and fresh tires.",
    "bread": "Knead the dough, let it rise, and bake it in the oven.",
    "court": "The judge heard the witness before the jury.",
}


async def wait_until_embedded(server: RawServer, connection: str) -> None:
    with anyio.fail_after(ANSWER_SECONDS):
        while True:
            found = await server.data("get_connection", connection_id=connection)
            if "not_embedded" not in found["entities"]:
                return


async def test_text_is_found_that_has_no_word_of_the_query(place: Place) -> None:
    for name, text in TEXTS.items():
        (place.files / f"{name}.txt").write_text(text)
    async with raw_server(place, WEFT_EMBEDDINGS="true") as server:
        made = await server.data(
            "create_connection", short_name="files", config={"path": str(place.files)}
        )
        job = made["sync"]["last_job"]["id"]
        done = await server.data("get_job", job_id=job, wait_seconds=ANSWER_SECONDS)
        assert done["status"] == "COMPLETED"
        await wait_until_embedded(server, made["id"])
        found = await server.data("search", query="vehicle repair", mode="meaning")
        assert "car.txt" in found["hits"][0]["untrusted"]["title"]
        await server.close_stdin()
        assert await server.wait_for_exit() == 0
    assert list((place.home / "processes").iterdir()) == []
    assert place.stderr.read_text() == ""
