"""A credential that is given in any shape is never seen again, in any encoding."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.weft_process import ANSWER_SECONDS, Place, RawServer, Structured, raw_server

pytestmark = pytest.mark.anyio

CANARY = "Zq7XwK2vLpM9tRbN4cJdHs6FgYe3"
RUN_CHARS = 6

AUTH_SHAPES: tuple[object, ...] = (
    {"direct": {"credentials": {"token": CANARY}}},
    {"direct": {"credentials": {"tokn": CANARY}}},
    {"direct": {"credentials": {CANARY: "x"}}},
    {"direct": {"credentials": CANARY}},
    {"direct": {"credentials": [CANARY]}},
    {"direct": {"credentials": {"token": {"value": CANARY}}}},
    {"direct": {"credentials": {"token": [CANARY]}}},
    {"direct": {CANARY: {"token": "x"}}},
    {"direct": CANARY},
    {CANARY: {"credentials": {"token": "x"}}},
    {"token": CANARY},
    {"credentials": {"token": CANARY, "colour": "blue"}},
    {"oauth_token": {"access_token": CANARY, "expires_at": CANARY}},
    {"oauth_browser": {"client_id": "a", "client_secret": CANARY, "x": 1}},
    {"auth_provider": {"provider_readable_id": [CANARY]}},
    CANARY,
    [CANARY],
    '{"direct": {"credentials": {"token": "' + CANARY + '"',
)
WRONG_PLACES: tuple[Structured, ...] = (
    {"config": {"token": CANARY}},
    {"config": {CANARY: 1}},
    {"config": {"entities": CANARY}},
    {"config": {"error": CANARY}},
    {"config": CANARY},
    {"schedule": {"cron": CANARY}},
    {"schedule": {"cron": f"0 2 * * {CANARY}"}},
    {"schedule": {"cron": "0 2 * * *", "timezone": CANARY}},
    {"schedule": {"continuous": True, "cursor_field": CANARY}},
    {"sync_immediately": CANARY},
    {CANARY: "x"},
    {"token": CANARY},
    {"short_name": CANARY},
    {"readable_collection_id": CANARY},
)


@pytest.mark.parametrize("level", ["WARNING", "DEBUG"])
async def test_credentials_are_never_seen_again(place: Place, level: str) -> None:
    async with raw_server(place, WEFT_LOG_LEVEL=level) as server:
        await server.initialize()
        await server.data("create_collection", name="Secret ones", readable_id="secret")
        await give_in_every_shape(server)
        for error in ("auth", "access", "rate_limited", "crash"):
            await fail_with_a_good_token(server, error)
        await server.call("list_connections")
        await server.call("list_jobs")
        await server.ask("resources/read", {"uri": "weft://connections"})
        assert_unseen(place.home)
        await server.close_stdin()
        assert await server.wait_for_exit() == 0
        assert server.lines
        for line in server.lines:
            assert not has_secret(line), line
    logged = place.stderr.read_bytes()
    assert not has_secret(logged), logged[-3000:]
    assert "crashed" in logged.decode()
    assert_unseen(place.home)


def test_the_search_for_the_secret_finds_it_in_every_encoding() -> None:
    for hidden in (
        CANARY[3:9].encode(),
        CANARY.encode().hex().encode(),
        CANARY.encode().hex().upper().encode(),
        base64.b64encode(CANARY.encode()),
        base64.b64encode(b"token:" + CANARY.encode()),
        base64.urlsafe_b64encode(b"a" + CANARY.encode()),
        CANARY.encode("utf-16-le"),
    ):
        assert has_secret(b"before " + hidden + b" after")
    assert not has_secret(b"before and after")


async def give_in_every_shape(server: RawServer) -> None:
    """Pass the secret to every tool that takes credentials, rightly and wrongly."""
    target: Structured = {"short_name": "secret_stub", "readable_collection_id": "secret"}
    waiting = await server.data("create_connection", **target)
    for auth in AUTH_SHAPES:
        await server.call("create_connection", **target, auth=auth)
        await server.call("authorize_connection", connection_id=waiting["id"], auth=auth)
        await server.call("update_connection", connection_id=waiting["id"], auth=auth)
    for wrong in WRONG_PLACES:
        await server.call("create_connection", **(target | wrong))
        await server.call("update_connection", **({"connection_id": waiting["id"]} | wrong))
    for tool in ("get_connection", "run_sync", "delete_connection", "check_connection"):
        await server.call(tool, connection_id=CANARY)
        await server.call(tool, connection_id=waiting["id"], **{CANARY: 1})
    for tool in ("get_job", "cancel_job"):
        await server.call(tool, job_id=CANARY)
    await server.call("delete_connection", connection_id=waiting["id"], confirmation_token=CANARY)


async def fail_with_a_good_token(server: RawServer, error: str) -> None:
    """Store a credential, and run a sync that fails with it."""
    made = await server.data(
        "create_connection",
        short_name="secret_stub",
        readable_collection_id="secret",
        config={"entities": 3, "fail_at": 1, "error": error, "retry_after": 4000},
        auth={"direct": {"credentials": {"token": CANARY}}},
    )
    job = made["sync"]["last_job"]["id"]
    failed = await server.data("get_job", job_id=job, wait_seconds=ANSWER_SECONDS, log_lines=100)
    assert failed["status"] == "FAILED"
    await server.data("check_connection", connection_id=made["id"])
    await server.data("get_connection", connection_id=made["id"])


def assert_unseen(folder: Path) -> None:
    """Assert that no file below holds the secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert not has_secret(path.read_bytes()), path


def has_secret(data: bytes) -> bool:
    """Return whether the data holds any RUN_CHARS characters of the secret, in any encoding."""
    folded = data.lower()
    return any(run in data for run in _runs()) or any(run in folded for run in _hex_runs())


def _runs() -> Iterator[bytes]:
    raw = CANARY.encode()
    for start in range(len(raw) - RUN_CHARS + 1):
        run = raw[start : start + RUN_CHARS]
        yield run
        yield run.decode().encode("utf-16-le")
        # The characters of base64 that depend on these bytes alone, at each of three alignments.
        for shift in range(3):
            skipped = -(-shift * 4 // 3)
            coded = base64.b64encode(bytes(shift) + run)
            kept = (len(run) + shift) // 3 * 4
            yield coded[skipped:kept]


def _hex_runs() -> Iterator[bytes]:
    raw = CANARY.encode()
    for start in range(len(raw) - RUN_CHARS + 1):
        yield raw[start : start + RUN_CHARS].hex().encode()
