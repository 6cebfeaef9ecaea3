"""The wheel that is handed out, built and unpacked once a session.

Acceptance tests run what users install: a file that the build leaves out is missing here too.
"""

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD_SECONDS = 120


@lru_cache(maxsize=1)
def install_wheel() -> str:
    """A folder that holds the installed wheel and nothing else, to be first on PYTHONPATH."""
    folder = Path(tempfile.mkdtemp(prefix="weft-wheel-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    _run(*pip, "install", "--no-deps", "--no-index", "--target", str(folder / "site"), str(wheel))
    return str(folder / "site")


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
