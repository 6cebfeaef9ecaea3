"""Frames that no server can serve: each is answered, and the next good one is served."""

from collections.abc import AsyncGenerator

import pytest

from tests.acceptance.frame_corpus import CANARY, FRAMES, INVALID_REQUEST, call, check_answer, frame
from tests.acceptance.weft_process import Place, RawServer, raw_server

pytestmark = pytest.mark.anyio

OVERSIZE = frame(
    call(b'{"query":"CANARY' + b"a" * 5_000_000 + b'"}'), "x", INVALID_REQUEST, says="4 MiB"
)


@pytest.fixture(scope="module", params=["legacy", "2026-07-28"])
async def server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,
) -> AsyncGenerator[RawServer]:
    """Run one process for all frames, so that damage by one frame shows in the next test."""
    place = Place.make(tmp_path_factory.mktemp("frames"))
    async with raw_server(place) as server:
        if request.param == "legacy":
            await server.initialize()
        yield server
        await server.close_stdin()
        assert await server.wait_for_exit() == 0
    said = place.stderr.read_text()
    assert "Traceback" not in said
    assert CANARY not in said


@pytest.mark.parametrize("name", [*FRAMES, "5 MB"])
async def test_bad_frame_is_answered_and_the_next_good_one_served(
    server: RawServer, name: str
) -> None:
    bad = FRAMES.get(name, OVERSIZE)
    await server.send(bad.of_era(is_modern=server.is_modern))
    check_answer(await server.receive(), bad)
    assert await answers_next(server)


async def test_blank_lines_and_stray_notifications_are_passed_over(server: RawServer) -> None:
    await server.send(b"")
    await server.send(b"   \r")
    await server.send(b'{"jsonrpc":"2.0","method":"notifications/nothing"}')
    await server.send(b'{"jsonrpc":"2.0","id":"nobody asked","result":{}}')
    assert await answers_next(server)


async def answers_next(server: RawServer) -> bool:
    """Send a good request; return whether its answer is the next frame."""
    request_id = await server.start("tools/call", {"name": "list_collections", "arguments": {}})
    answer = await server.receive()
    return answer["id"] == request_id and answer["result"]["structuredContent"]["items"] == []
