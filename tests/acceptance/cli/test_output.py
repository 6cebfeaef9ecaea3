"""Output of the command line at a real terminal and in a real shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", [("sources",), ("search", "--help")])
def test_output_to_a_full_disk_is_one_line_and_not_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "weft", *arguments],
            env={**os.environ, "WEFT_HOME": str(tmp_path)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: The output cannot be written: its disk is full.\n"


@pytest.mark.parametrize(
    ("verb", "closed", "code"),
    [
        ("sources", ">&-", 0),
        ("sources", "<&- >&- 2>&-", 0),
        ("keys revoke nobody", "2>&-", 2),
        ("secret set main --source github --host api.github.com", "<&-", 2),
    ],
)
def test_closed_streams_are_no_failure(tmp_path: Path, verb: str, closed: str, code: int) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m weft {verb} {closed}', sys.executable],
        env={**os.environ, "WEFT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
