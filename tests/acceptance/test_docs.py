"""README.md, ARCHITECTURE.md and manifest.json say what is true."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weft import __version__
from weft.local.from_settings import parse_mapped_secrets
from weft.settings import CONFIG_FILE_NAME, ENV_PREFIX, Settings, load_settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def manifest() -> dict[str, Any]:
    return json.loads((ROOT / "manifest.json").read_text(encoding="utf-8"))


def variables() -> set[str]:
    return {f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields}


def test_tables_of_the_readme_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "readme.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_client_configurations_are_json_and_start_the_server() -> None:
    snippets = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", README, re.DOTALL)]
    assert len(snippets) == 3
    for snippet in snippets:
        (servers,) = snippet.values()
        assert servers["weft"]["args"] == ["serve"]
        assert set(servers["weft"]["env"]) <= variables()


def test_configuration_file_of_the_readme_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / CONFIG_FILE_NAME).write_text(text, encoding="utf-8")
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))
    settings = load_settings()
    assert settings.files_roots
    assert list(parse_mapped_secrets(settings).values())


def test_every_file_of_the_map_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    first = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = [name for cell in first for name in re.findall(r"`([^`]+)`", cell)]
    assert len(named) > 40
    assert [n for n in named if not all((ROOT / "src/weft" / f).exists() for f in spelt(n))] == []


def spelt(name: str) -> list[str]:
    """`a{b,c}d` as abd and acd."""
    head, _, rest = name.partition("{")
    inner, _, tail = rest.partition("}")
    return [f"{head}{part}{tail}" for part in inner.split(",")]


def test_every_setting_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"\bWEFT_[A-Z_]+\b", README))
    assert named
    assert named <= variables()


def test_manifest_sets_only_settings_that_exist() -> None:
    assert set(manifest()["server"]["mcp_config"]["env"]) <= variables()


def test_manifest_asks_for_all_that_it_passes_on() -> None:
    passed = set(re.findall(r"\$\{user_config\.(\w+)\}", json.dumps(manifest()["server"])))
    assert passed == set(manifest()["user_config"])


def test_manifest_has_a_value_for_whatever_a_person_leaves_out() -> None:
    # A host passes `${user_config.NAME}` on as it stands when the field has no value.
    fields = manifest()["user_config"].values()
    assert [f["title"] for f in fields if not f["required"] and "default" not in f] == []


def test_manifest_has_the_version_of_the_package() -> None:
    assert manifest()["version"] == __version__
