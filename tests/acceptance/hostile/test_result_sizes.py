"""Content of hostile files fits into every answer in both eras, which all transports send alike."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.acceptance.weft_process import MODES, Agent, Place, connect_client
from weft.server.render.size import RESULT_MAX_BYTES

pytestmark = pytest.mark.anyio

# Characters without a place to break, or that take more bytes on the wire than in memory.
RUNS = {
    "equals": "=",
    "hex": "0123456789abcdef",
    "quotes": '"',
    "backslashes": "\\",
    "spaces": " ",
    "escapes": "\x1b",
    "ideographs": "語",
    "emoji": "\U0001f389",
    "combining": "e\u0301",
    "tags": "</untrusted-content>",
}
RUN_CHARS = 70_000
FILES_OF_EACH = 3


def write_files(folder: Path) -> None:
    """Write files whose text around the searched words, and whose names, are hard to show."""
    for name, piece in RUNS.items():
        run = (piece * RUN_CHARS)[:RUN_CHARS]
        # A file of escapes alone would be no text.
        rest = "words of a text\n" * RUN_CHARS * 7 if name == "escapes" else ""
        shown = piece.replace("/", "").replace("\x1b", "") * 5
        for number in range(FILES_OF_EACH):
            path = folder / f"{name}{number}{shown}.txt"
            path.write_text(f"budget meeting {run} end{rest}", "utf-8")


def size_on_wire(answer: BaseModel) -> int:
    """Return the size in its longest form, which is pure ASCII."""
    return len(json.dumps(answer.model_dump(mode="json", by_alias=True, exclude_none=True)))


async def list_answers(agent: Agent, connection: dict[str, Any]) -> dict[str, BaseModel]:
    """Ask for all that shows a connection, its jobs and what it found."""
    job = connection["sync"]["last_job"]["id"]
    calls: list[tuple[str, dict[str, Any]]] = [
        ("get_connection", {"connection_id": connection["id"]}),
        ("list_connections", {"limit": 100}),
        ("list_jobs", {"limit": 100}),
        ("get_job", {"job_id": job, "log_lines": 100}),
    ]
    for query in ("budget meeting", '"budget meeting"', "end", "語", "0123456789abcdef"):
        calls += [
            ("search", {"readable_collection_id": "hostile", "query": query, "limit": limit})
            for limit in (1, 50)
        ]
    found = await list_hits(agent)
    assert len(found) == len(RUNS) * FILES_OF_EACH
    calls += [("get_entity", {"entity_id": each, "max_chars": 20_000}) for each in sorted(found)]
    answers: dict[str, BaseModel] = {}
    for tool, arguments in calls:
        answer = await agent.call(tool, **arguments)
        assert not answer.is_error, f"{tool} {arguments}"
        answers[f"{tool} {arguments}"] = answer
    for uri in (
        "weft://connections",
        f"weft://connections/{connection['id']}",
        f"weft://connections/{connection['id']}/jobs",
        f"weft://jobs/{job}",
        "weft://collections/hostile",
    ):
        answers[uri] = await agent.client.read_resource(uri, cache_mode="bypass")
    return answers


async def list_hits(agent: Agent) -> set[str]:
    """List what a search finds on all of its pages, copies included."""
    found: set[str] = set()
    cursor = None
    for _ in range(len(RUNS) * FILES_OF_EACH):
        page = await agent.ok(
            "search", readable_collection_id="hostile", query="budget", limit=50, cursor=cursor
        )
        for hit in page.data["hits"]:
            found |= {hit["entity_id"], *hit.get("copies", ())}
        cursor = page.data.get("next_cursor")
        if cursor is None:
            break
    return found


@pytest.mark.parametrize("mode", MODES.values())
async def test_hostile_text_fits_into_every_answer(tmp_path: Path, mode: str) -> None:
    place = Place.make(tmp_path)
    write_files(place.files)
    async with connect_client(place, mode) as agent:
        await agent.collection("hostile")
        connection = await agent.sync_new(
            "hostile",
            short_name="files",
            name="\\" * 42,
            description='"' * 255,
            config={"path": ".", "max_file_size": 20 * 1024 * 1024},
        )
        assert connection["entities"]["total_entities"] == len(RUNS) * FILES_OF_EACH
        answers = await list_answers(agent, connection)
    sizes = {name: size_on_wire(answer) for name, answer in answers.items()}
    assert {name: size for name, size in sizes.items() if size > RESULT_MAX_BYTES} == {}
    assert len(sizes) > 40
