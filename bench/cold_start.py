"""Time until a new server process answers, against a bare SDK server."""

import tempfile
from pathlib import Path
from statistics import median

from bench.stdio import BARE, WEFT, measure_cold_start
from bench.table import Row

PAIRS = 12
TARGET = 1.15


def rows() -> list[Row]:
    """Start both in turn, so that other load on the machine slows both alike."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        # Only the first start creates the database and the byte code, so it is not measured.
        measure_cold_start(WEFT, home)
        measure_cold_start(BARE, home)
        pairs = [
            (measure_cold_start(WEFT, home), measure_cold_start(BARE, home)) for _ in range(PAIRS)
        ]
    ratio = median(weft / bare for weft, bare in pairs)
    weft, bare = (median(side) * 1000 for side in zip(*pairs, strict=True))
    detail = f"weft {weft:.0f} ms, bare SDK server {bare:.0f} ms, {PAIRS} pairs"
    return [Row("cold start on stdio, spawn to first response", ratio, TARGET, detail=detail)]
