"""Write requirements/*.txt: the version of every dependency, with its hashes.

An existing lock keeps its versions; `--upgrade` takes the newest that pyproject.toml allows.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The largest comes first: the others take their versions from it.
LOCKS = {
    "bench": ("dev", "bench"),
    "dev": ("dev",),
    "image": ("otel", "sql"),
    "core": (),
}


def write_lock(name: str, extras: tuple[str, ...], upgrade: bool) -> None:
    """Resolve the project with ``extras``, and what builds it, for all platforms and Pythons."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "-"]
    command += [part for extra in extras for part in ("--extra", extra)]
    command += ["--universal", "--generate-hashes", "--no-annotate", "--quiet"]
    command += ["--python-version", project["project"]["requires-python"].removeprefix(">=")]
    command += [
        "--custom-compile-command",
        "make lock",
        "--output-file",
        f"requirements/{name}.txt",
    ]
    first = next(iter(LOCKS))
    if name != first:
        command += ["--constraint", f"requirements/{first}.txt"]
    if upgrade:
        command += ["--upgrade"]
    build = "\n".join(project["build-system"]["requires"])
    subprocess.run(command, cwd=ROOT, input=build, text=True, check=True)


def main() -> None:
    """Write all locks."""
    for name, extras in LOCKS.items():
        write_lock(name, extras, upgrade="--upgrade" in sys.argv)


if __name__ == "__main__":
    main()
