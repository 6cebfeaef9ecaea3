"""Time of a call on stdio, against the echo of a bare SDK server, and while a sync runs."""

import tempfile
from pathlib import Path
from statistics import median

from bench.stdio import BARE, WEFT, Server, serve
from bench.table import Row, percentile

WARM_UP_CALLS = 50
ROUNDS = 20
CALLS_A_ROUND = 25
CALLS_DURING_SYNC = 400
TARGET_P50 = 1.5
TARGET_P95_DURING_SYNC = 5.0
# More entities than can be stored while the calls are made.
BUSY = {"entities": 2_000_000, "text_chars": 1000}


def rows() -> list[Row]:
    """Measure both servers in turn, then Weft again while a sync of the stub runs."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with serve(WEFT, home / "weft") as weft, serve(BARE, home / "bare") as bare:
            weft.initialize()
            bare.initialize()
            quiet, busy = _create_connections(weft)
            idle, floor = _measure_in_turn(weft, bare, quiet)
            during = _measure_during_sync(weft, quiet, busy)
    p50, p50_floor = median(idle) * 1000, median(floor) * 1000
    p95, p95_during = percentile(idle, 95) * 1000, percentile(during, 95) * 1000
    return [
        Row(
            "get_connection on stdio, p50",
            p50 / p50_floor,
            TARGET_P50,
            detail=f"get_connection {p50:.2f} ms, bare echo {p50_floor:.2f} ms",
        ),
        Row(
            "get_connection during a sync, p95 against idle",
            p95_during / p95,
            TARGET_P95_DURING_SYNC,
            detail=f"idle {p95:.2f} ms, during a sync {p95_during:.2f} ms",
        ),
    ]


def _create_connections(weft: Server) -> tuple[str, str]:
    weft.call("create_collection", name="Bench", readable_id="bench")
    new = {"short_name": "stub", "readable_collection_id": "bench", "sync_immediately": False}
    quiet = weft.call_for_data("create_connection", **new, config={"entities": 100})["id"]
    weft.call("run_sync", connection_id=quiet, wait_seconds=45)
    busy = weft.call_for_data("create_connection", **new, config=BUSY)["id"]
    return quiet, busy


def _measure_in_turn(
    weft: Server, bare: Server, connection: str
) -> tuple[list[float], list[float]]:
    for _ in range(WARM_UP_CALLS):
        weft.time_call("get_connection", connection_id=connection)
        bare.time_call("echo", text=connection)
    idle: list[float] = []
    floor: list[float] = []
    for _ in range(ROUNDS):
        idle += [
            weft.time_call("get_connection", connection_id=connection) for _ in range(CALLS_A_ROUND)
        ]
        floor += [bare.time_call("echo", text=connection) for _ in range(CALLS_A_ROUND)]
    return idle, floor


def _measure_during_sync(weft: Server, quiet: str, busy: str) -> list[float]:
    job = weft.call_for_data("run_sync", connection_id=busy)["id"]
    while not weft.call_for_data("get_job", job_id=job)["entities_inserted"]:
        pass
    during = [
        weft.time_call("get_connection", connection_id=quiet) for _ in range(CALLS_DURING_SYNC)
    ]
    assert weft.call_for_data("get_job", job_id=job)["status"] == "RUNNING"
    weft.call("cancel_job", job_id=job)
    weft.call("get_job", job_id=job, wait_seconds=45)
    return during
