"""SECURITY.md names each promise once, with tests that are there and numbers that are run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
PROMISES = [*(f"R{n}" for n in range(1, 11)), *(f"S{n}" for n in range(1, 17))]
ROW = re.compile(r"^\| ([RS]\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
REFERENCE = re.compile(r"`([^`]+)`")

# The number that a promise gives, the module with its default, and the setting of `make torture`.
COUNTS = {
    "R1": ("integration/deaths/test_kill.py", "TORTURE_KILLS"),
    "R8": ("integration/deaths/test_state_machine.py", "TORTURE_EXAMPLES"),
    "R10": ("integration/hostile/test_honest_texts.py", "TORTURE_EXAMPLES"),
    "S2": ("integration/hostile/test_fuzz.py", "TORTURE_CALLS"),
}
SHARES = {
    "R2": ("integration/faults/test_storage_faults.py", "POINTS"),
    "R4": ("integration/deaths/test_schedules.py", "KILLS"),
    "R6": ("integration/faults/test_storage_faults.py", "POINTS"),
}


def read_rows() -> list[tuple[str, str, str]]:
    return ROW.findall((ROOT / "SECURITY.md").read_text(encoding="utf-8"))


def read_promise(promise: str) -> str:
    (text,) = [text for name, text, _ in read_rows() if name == promise]
    return text


def read_torture(setting: str) -> int:
    """Read what `make torture` sets."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (value,) = re.findall(rf"\b{setting}=(\d+)", makefile)
    return int(value)


def test_every_promise_stands_once_with_the_tests_that_show_it() -> None:
    rows = read_rows()
    assert [name for name, *_ in rows] == PROMISES
    assert [name for name, _, shown_by in rows if not REFERENCE.findall(shown_by)] == []


def test_every_test_that_is_named_exists_and_runs() -> None:
    named = {name for *_, shown_by in read_rows() for name in REFERENCE.findall(shown_by)}
    missing = [name for name in named if not (TESTS / name.partition("::")[0]).exists()]
    assert missing == []
    # A name that nothing is collected for is an error of pytest.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *sorted(named)],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    for name in named:
        assert f"{name}" in done.stdout, f"{name} holds no test"


@pytest.mark.parametrize("promise", COUNTS)
def test_counts_are_those_that_are_run(promise: str) -> None:
    module, setting = COUNTS[promise]
    code = (TESTS / module).read_text(encoding="utf-8")
    (usual,) = re.findall(rf'"{setting}", "(\d+)"', code)
    assert f"{int(usual):,} " in read_promise(promise)
    assert f"({read_torture(setting):,})" in read_promise(promise)


@pytest.mark.parametrize("promise", SHARES)
def test_shares_of_the_kills_are_those_that_are_run(promise: str) -> None:
    module, name = SHARES[promise]
    code = (TESTS / module).read_text(encoding="utf-8")
    found = re.search(rf"^{name} = max\((\d+), .+ // (\d+)\)$", code, re.MULTILINE)
    assert found is not None
    assert f"{found[1]} " in read_promise(promise)
    assert f"({read_torture('TORTURE_KILLS') // int(found[2])})" in read_promise(promise)
