"""Release a version: check, set it everywhere, test, build and tag. It publishes nothing.

    python scripts/release.py 0.2.0 [--dry-run]

Pushing the tag starts the workflow that publishes. With --dry-run nothing is changed.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION_FILE = ROOT / "src/weft/_version.py"
CHANGELOG = ROOT / "CHANGELOG.md"
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)((a|b|rc)\d+)?")


def run(*command: str) -> str:
    """Run a command in the root. Raises SystemExit with what it printed if it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def find_problems(version: str) -> list[str]:
    """Return all that stands in the way of releasing ``version``."""
    problems: list[str] = []
    if not VERSION.fullmatch(version):
        problems.append(f"'{version}' is no version such as 0.2.0 or 0.2.0rc1")
    if run("git", "status", "--porcelain"):
        problems.append("the tree is not clean: commit or stash first")
    if run("git", "tag", "--list", f"v{version}"):
        problems.append(f"the tag v{version} exists already")
    if not read_changes(version):
        problems.append(f"CHANGELOG.md says nothing below a heading '## {version}' at its top")
    return problems


def read_changes(version: str) -> str:
    """Return the changelog's text on ``version``, which must be its first section; else ''."""
    sections = re.split(r"^## ", CHANGELOG.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    heading, _, text = sections[0].partition("\n") if sections else ("", "", "")
    return text.strip() if heading.split(" ")[0] == version else ""


def build_edits(version: str) -> dict[Path, str]:
    """Return the text of each file that states the version, with ``version`` in it."""
    edits: dict[Path, str] = {}
    text = VERSION_FILE.read_text(encoding="utf-8")
    edits[VERSION_FILE] = re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', text)
    for name in ("manifest.json", "server.json"):
        text = (ROOT / name).read_text(encoding="utf-8")
        # Not written anew from JSON: that would lay the whole file out differently.
        edits[ROOT / name] = re.sub(r'("version": )"[^"]*"', rf'\g<1>"{version}"', text)
        json.loads(edits[ROOT / name])
    text = CHANGELOG.read_text(encoding="utf-8")
    edits[CHANGELOG] = text.replace(f"## {version} (unreleased)\n", f"## {version}\n", 1)
    return {path: text for path, text in edits.items() if path.read_text("utf-8") != text}


def release(version: str, *, dry_run: bool) -> None:
    """Do it all, or with ``dry_run`` say what would be done."""
    if problems := find_problems(version):
        raise SystemExit("\n".join(f"cannot release: {problem}" for problem in problems))
    edits = build_edits(version)
    names = [str(path.relative_to(ROOT)) for path in edits]
    steps = ["make check test", "build dist/*.tar.gz and dist/*.whl", f"tag v{version}"]
    if edits:
        steps = [f"set {version} in {', '.join(names)}", *steps[:2], "commit", steps[2]]
    for step in steps:
        print(f"{'would ' if dry_run else ''}{step}", flush=True)
    if dry_run:
        return
    for path, text in edits.items():
        path.write_text(text, encoding="utf-8")
    tested = subprocess.run(
        [os.environ.get("MAKE", "make"), "check", "test"], cwd=ROOT, check=False
    )
    if tested.returncode != 0:
        if names:
            run("git", "checkout", "--quiet", "--", *names)
        raise SystemExit("Nothing was released: `make check test` failed.")
    run(sys.executable, "-m", "hatchling", "build", "-d", "dist", "-t", "sdist", "-t", "wheel")
    if edits:
        run("git", "commit", "--quiet", "--message", f"Release {version}", *names)
    run("git", "tag", "--annotate", f"v{version}", "--message", f"Weft {version}")
    print(f"Tagged v{version}. `git push --follow-tags` publishes it.")


def main(arguments: Sequence[str]) -> None:
    """Read the command line and release."""
    versions = [argument for argument in arguments if not argument.startswith("--")]
    if len(versions) != 1 or set(arguments) - {*versions, "--dry-run"}:
        raise SystemExit("usage: make release VERSION=0.2.0 [DRY_RUN=1]")
    release(versions[0], dry_run="--dry-run" in arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
