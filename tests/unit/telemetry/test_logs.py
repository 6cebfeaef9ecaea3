"""Lines on stderr: what belongs to the request is on each of them, and on no other."""

import json
import logging
from collections.abc import Generator

import anyio
import anyio.lowlevel
import pytest

from weft.telemetry.logs import LogFormat, configure, log_context

logger = logging.getLogger("weft.test")
CANARY = "c4n4ry"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Generator[None]:  # pyright: ignore[reportUnusedFunction] (a fixture)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # The linter of the layers, run by another test, disables all loggers that it finds.
    for name in (logger.name, "httpcore.http11", "mcp.server.sse"):
        logging.getLogger(name).disabled = False
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("weft").setLevel(logging.NOTSET)


def test_text_lines_end_with_the_facts(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "text")
    with log_context(request_id="r1"), log_context(principal="key:ci"):
        logger.info("tool call", extra={"facts": {"tool": "search"}})
    logger.info("later")
    logger.debug("unheard")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("tool call request_id=r1 principal=key:ci tool=search")
    assert second.endswith("weft.test: later")


def test_json_lines_are_objects_even_with_line_ends_in_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("INFO", "json")
    with log_context(request_id="r1"):
        logger.warning("two\nlines %d", 7)
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert found["message"] == "two\nlines 7"
    assert (found["level"], found["logger"], found["request_id"]) == ("WARNING", "weft.test", "r1")
    assert found["at"].endswith("Z")


@pytest.mark.parametrize("style", ["text", "json"])
def test_exceptions_are_placed_but_not_quoted(
    capsys: pytest.CaptureFixture[str], style: LogFormat
) -> None:
    configure("INFO", style)
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as cause:
            raise ExceptionGroup(CANARY, [ValueError(CANARY)]) from cause
    except ExceptionGroup:
        logging.getLogger("mcp.server.sse").exception("Failed to parse message")
    said = capsys.readouterr().err
    assert CANARY not in said
    for name in ("ExceptionGroup", "ValueError", "KeyError", "test_logs.py"):
        assert name in said


def test_libraries_are_heard_from_warnings_on_and_on_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("DEBUG", "text")
    logger.debug("our own")
    logging.getLogger("httpcore.http11").debug("send_request_headers c4n4ry")
    logging.getLogger("mcp.server.sse").info("Received JSON: c4n4ry")
    logging.getLogger("mcp.server.sse").warning("Invalid session ID: x\n2026 ERROR forged")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("our own")
    assert second.endswith("Invalid session ID: x 2026 ERROR forged")


@pytest.mark.anyio
async def test_tasks_keep_their_own_facts(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json")

    async def request(name: str) -> None:
        with log_context(request_id=name):
            await anyio.lowlevel.checkpoint()
            logger.info("%s", name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(request, "a")
        tasks.start_soon(request, "b")
    for line in capsys.readouterr().err.splitlines():
        found = json.loads(line)
        assert found["message"] == found["request_id"]
