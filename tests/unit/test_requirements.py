"""The locks in requirements/ hold what pyproject.toml asks for, each file with its hash."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = {"core": (), "image": ("otel", "sql"), "dev": ("dev",), "bench": ("dev", "bench")}


def read_entries(lock: str) -> list[str]:
    """Return one text per pinned version, its hashes included."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", "").splitlines()


def read_versions(lock: str) -> dict[str, list[str]]:
    """Return the versions that are locked for each package; there may be one per platform."""
    versions: dict[str, list[str]] = {}
    for entry in read_entries(lock):
        name, _, rest = entry.partition("==")
        versions.setdefault(canonicalize_name(name), []).append(re.split(r"[\s;]", rest)[0])
    return versions


def list_wanted(extras: tuple[str, ...]) -> list[Requirement]:
    """Return what pyproject.toml asks for with ``extras``, the extras of extras included."""
    lines = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    waiting = list(extras)
    while waiting:
        lines += PROJECT["project"]["optional-dependencies"][waiting.pop()]
        ours = [Requirement(line) for line in lines if line.startswith("weft-mcp[")]
        waiting += [extra for requirement in ours for extra in requirement.extras]
        lines = [line for line in lines if not line.startswith("weft-mcp[")]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("lock", EXTRAS)
def test_lock_has_a_fitting_version_of_every_dependency(lock: str) -> None:
    versions = read_versions(lock)
    missing = [
        str(wanted)
        for wanted in list_wanted(EXTRAS[lock])
        if not any(v in wanted.specifier for v in versions.get(canonicalize_name(wanted.name), ()))
    ]
    assert missing == [], "run `make lock`"


@pytest.mark.parametrize("lock", EXTRAS)
def test_every_version_has_hashes_and_no_address(lock: str) -> None:
    entries = read_entries(lock)
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert [entry for entry in entries if "://" in entry or "index" in entry] == []


def test_locks_agree_on_versions() -> None:
    widest = read_versions("bench")
    for lock in EXTRAS:
        assert {n: v for n, v in read_versions(lock).items() if v != widest.get(n)} == {}
