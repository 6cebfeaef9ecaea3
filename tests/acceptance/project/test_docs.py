"""README.md, docs/, ARCHITECTURE.md and manifest.json say what is true."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from weft import __version__
from weft.local.from_settings import parse_mapped_secrets
from weft.settings import CONFIG_FILE_NAME, Settings, load_settings
from weft.settings.faults import ENV_PREFIX
from weft.sources.rest.definition import read_definition

ROOT = Path(__file__).parents[3]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
README_LINES_MAX = 120
ARCHITECTURE_LINES_MAX = 150


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def read_blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", read(path), re.DOTALL)


def read_manifest() -> dict[str, Any]:
    return json.loads(read(ROOT / "manifest.json"))


def list_variables() -> set[str]:
    return {f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields}


def run_script(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_generated_blocks_are_fresh() -> None:
    done = run_script("scripts/reference.py", "--check")
    assert done.returncode == 0, done.stderr


def test_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = run_script(
        *("-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)),
        NO_MKDOCS_2_WARNING="1",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built = list(tmp_path.rglob("*.html"))
    assert len(built) > len(PAGES)
    loaded = re.compile(r"<(?:script|img|iframe|link rel=\"?stylesheet)[^>]*(?:src|href)=\"?http")
    assert [page.name for page in built if loaded.search(read(page))] == []


def test_links_of_the_documents_beside_the_site_lead_somewhere() -> None:
    for path in ROOT.glob("*.md"):
        links: list[str] = re.findall(r"\]\(([^)]+)\)", read(path))
        targets = [urlsplit(link) for link in links]
        here = [t.path for t in targets if not t.scheme and t.path and "advisories" not in t.path]
        assert [name for name in here if not (ROOT / name).exists()] == [], path.name


def test_readme_and_map_are_short() -> None:
    assert len(read(README).splitlines()) <= README_LINES_MAX
    assert len(read(ROOT / "ARCHITECTURE.md").splitlines()) <= ARCHITECTURE_LINES_MAX


@pytest.mark.parametrize(("page", "count"), [(README, 1), (ROOT / "docs/quick-start.md", 3)])
def test_client_configurations_are_json_and_start_the_server(page: Path, count: int) -> None:
    snippets = [json.loads(text) for text in read_blocks(page, "json")]
    assert len(snippets) == count
    for snippet in snippets:
        (servers,) = snippet.values()
        assert servers["weft"]["command"] == "uvx"
        assert servers["weft"]["args"] == ["weft-mcp", "serve"]
        assert set(servers["weft"]["env"]) <= list_variables()


def test_configuration_file_of_the_reference_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = read_blocks(ROOT / "docs/reference/settings.md", "toml")
    (tmp_path / CONFIG_FILE_NAME).write_text(text, encoding="utf-8")
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))
    settings = load_settings()
    assert settings.files_roots
    assert list(parse_mapped_secrets(settings).values())


def test_service_of_the_guide_is_short_and_its_test_is_python() -> None:
    code, test = read_blocks(ROOT / "docs/sources/writing.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) < 60
    exec(compile(test, "writing.md", "exec"), {})


def test_definition_of_the_guide_is_taken() -> None:
    (text,) = read_blocks(ROOT / "docs/sources/rest_api.md", "yaml")
    assert [row.name for row in read_definition(text).streams] == ["note", "comment"]


def test_every_file_of_the_map_exists() -> None:
    text = read(ROOT / "ARCHITECTURE.md").partition("## Code map")[2].partition("\n## ")[0]
    first = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = [name for cell in first for name in re.findall(r"`([^`]+)`", cell)]
    assert len(named) > 40
    assert [
        n for n in named if not all((ROOT / "src/weft" / f).exists() for f in spell_out(n))
    ] == []


def test_every_path_that_the_map_names_in_passing_exists() -> None:
    text = read(ROOT / "ARCHITECTURE.md")
    roots = (ROOT, ROOT / "src/weft")
    words: list[str] = re.findall(r"`([\w./]+)`", text)
    # Methods of the protocol have slashes too, but begin with no folder of ours.
    paths = [w for w in words if "/" in w and any((r / w.split("/")[0]).exists() for r in roots)]
    assert len(paths) > 40
    assert [p for p in paths if not any((root / p).exists() for root in roots)] == []


def spell_out(name: str) -> list[str]:
    """`a{b,c}d` as abd and acd."""
    head, _, rest = name.partition("{")
    inner, _, tail = rest.partition("}")
    return [f"{head}{part}{tail}" for part in inner.split(",")]


def test_every_setting_that_the_documents_name_exists() -> None:
    for page in (*ROOT.glob("*.md"), *PAGES):
        named = set(re.findall(r"\bWEFT_[A-Z_]*[A-Z]\b", read(page)))
        assert {n for n in named if not n.startswith("WEFT_TESTS_")} <= list_variables(), page.name


def test_manifest_sets_only_settings_that_exist() -> None:
    assert set(read_manifest()["server"]["mcp_config"]["env"]) <= list_variables()


def test_manifest_asks_for_all_that_it_passes_on() -> None:
    passed = set(re.findall(r"\$\{user_config\.(\w+)\}", json.dumps(read_manifest()["server"])))
    assert passed == set(read_manifest()["user_config"])


def test_manifest_has_a_value_for_whatever_a_person_leaves_out() -> None:
    # A host passes `${user_config.NAME}` on as it stands when the field has no value.
    fields = read_manifest()["user_config"].values()
    assert [f["title"] for f in fields if not f["required"] and "default" not in f] == []


def test_manifest_has_the_version_of_the_package() -> None:
    assert read_manifest()["version"] == __version__


def test_changelog_has_a_section_for_the_version() -> None:
    first = re.search(r"^## (\S+)", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert first is not None
    assert first[1] == __version__
