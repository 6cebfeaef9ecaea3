"""The layers that pyproject.toml declares hold, and a breach of each contract is caught."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "pyproject.toml"
CONTRACTS: list[dict[str, Any]] = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"

# A contract by its containers or type; a module, the line that is added to it, and the complaint.
BREACHES = [
    ("weft", "errors", "import weft.settings", "weft.errors -> weft.settings"),
    ("weft", "server/app", "import weft.local.engine", "weft.server.app -> weft.local.engine"),
    ("weft", "newroom/__init__", "", "not listed as layers:\n\n- weft.newroom"),
    ("weft.local", "local/vault/__init__", "import weft.local.auth", "vault -> weft.local.auth"),
    ("weft.local", "local/newroom/__init__", "", "not listed as layers:\n\n- weft.local.newroom"),
    ("weft.remote", "remote/api/client", "import weft.remote.state.notes", "-> weft.remote.state"),
    ("weft.server", "server/render/__init__", "import weft.server.app", "-> weft.server.app"),
    ("weft.web", "web/gate/__init__", "import weft.web.rest", "weft.web.gate -> weft.web.rest"),
    ("weft.cli", "cli/terminal/text", "import weft.cli.verbs.jobs", "-> weft.cli.verbs.jobs"),
    ("acyclic_siblings", "sources/base", "import weft.sources.registry", "in weft.sources."),
    ("forbidden", "domain/jobs", "import httpx", "weft.domain.jobs -> httpx"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter in a process of its own: it sets up logging for everybody."""
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def name_of(contract: str) -> str:
    """Find the name of a contract by its container or its type."""
    (name,) = [
        item["name"]
        for item in CONTRACTS
        if contract in (item["type"], *item.get("containers", ()))
    ]
    return name


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Plant all breaches in a copy of the tree; returns the complaints by contract."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(CONFIG, folder)
    package = folder / "weft"
    shutil.copytree(ROOT / "src" / "weft", package, ignore=shutil.ignore_patterns("__pycache__"))
    for _, module, line, _ in BREACHES:
        file = package / f"{module}.py"
        file.parent.mkdir(exist_ok=True)
        with file.open("a", encoding="utf-8") as text:
            text.write(f"\n{line}\n")
    linted = lint(folder)
    assert linted.returncode == 1, linted.stdout + linted.stderr
    broken = linted.stdout.partition("Broken contracts")[2]
    _, *parts = re.split(r"^(.+)\n-{10,}\n", broken, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_layers_hold_as_declared() -> None:
    linted = lint(ROOT)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("contract", "complaint"), [(contract, complaint) for contract, _, _, complaint in BREACHES]
)
def test_breach_is_caught_by_its_contract(
    complaints: dict[str, str], contract: str, complaint: str
) -> None:
    assert complaint in complaints[name_of(contract)]


def test_every_contract_has_a_breach(complaints: dict[str, str]) -> None:
    names = {name_of(contract) for contract, *_ in BREACHES}
    assert names == complaints.keys()
    assert names == {contract["name"] for contract in CONTRACTS}
