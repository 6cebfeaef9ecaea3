"""`make release` sets one version everywhere, builds and tags, or changes nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ("scripts/release.py", "pyproject.toml", "manifest.json", "server.json", "README.md")


def run_git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def run_release(folder: Path, *arguments: str, make: str = "true") -> tuple[int, str]:
    named = {
        f"GIT_{who}_{what}": "t@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        [sys.executable, "scripts/release.py", *arguments],
        cwd=folder,
        env=os.environ | named | {"MAKE": make},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with this project's manifests, ready for 9.8.7."""
    for name in (*FILES, "LICENSE", "NOTICE"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    package = tmp_path / "src/weft"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "_version.py").write_text('__version__ = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 9.8.7 (unreleased)\n\nNews.\n")
    run_git(tmp_path, "init", "--quiet")
    run_git(tmp_path, "add", "--all")
    run_git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def test_release_sets_the_version_everywhere_builds_and_tags(project: Path) -> None:
    code, said = run_release(project, "9.8.7")
    assert code == 0, said
    assert json.loads((project / "manifest.json").read_text())["version"] == "9.8.7"
    entry = json.loads((project / "server.json").read_text())
    assert entry["version"] == entry["packages"][0]["version"] == "9.8.7"
    assert "## 9.8.7\n" in (project / "CHANGELOG.md").read_text()
    built = sorted(path.name for path in (project / "dist").iterdir())
    assert built == ["weft_mcp-9.8.7-py3-none-any.whl", "weft_mcp-9.8.7.tar.gz"]
    assert run_git(project, "describe", "--exact-match") == "v9.8.7"
    assert run_git(project, "log", "-1", "--format=%s") == "Release 9.8.7"


def test_dry_run_changes_nothing(project: Path) -> None:
    code, said = run_release(project, "9.8.7", "--dry-run")
    assert code == 0, said
    assert "would tag v9.8.7" in said
    assert run_git(project, "status", "--porcelain") == ""
    assert run_git(project, "tag") == ""


def test_failed_tests_release_nothing(project: Path) -> None:
    code, said = run_release(project, "9.8.7", make="false")
    assert code == 1
    assert "Nothing was released" in said
    assert run_git(project, "status", "--porcelain") == ""
    assert run_git(project, "tag") == ""


def test_whatever_stands_in_the_way_is_named(project: Path) -> None:
    run_git(project, "tag", "v1.2")
    (project / "stray").write_text("")
    code, said = run_release(project, "1.2", "--dry-run")
    assert code == 1
    assert "no version such as" in said
    assert "not clean" in said
    assert "exists already" in said
    assert "CHANGELOG.md" in said
