"""`weft demo` as a newcomer runs it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
LIMIT_SECONDS = 240


def test_demo_verifies_every_step_and_keeps_nothing(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
    env |= {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "weft", "demo"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CANCELLED" in done.stdout
    assert "0 hits" in done.stdout
    assert "facts checked" in done.stdout
    assert list(tmp_path.iterdir()) == []
