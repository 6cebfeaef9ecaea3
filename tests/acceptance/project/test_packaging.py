"""Distributed files: the bundle for desktop clients, the registry's entry, the agent's skill."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.acceptance.built_wheel import install_wheel
from tests.acceptance.weft_process import TOOLS, Place
from tests.support.optional import is_required, node_program, skip_without
from weft import __version__
from weft.settings import Settings
from weft.settings.faults import ENV_PREFIX

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
PACKAGE = "@anthropic-ai/mcpb"
VERSION = "2.1.2"
PACK_SECONDS = 120
INSTALL_SECONDS = 240
# Most of it is the model that search by meaning comes with.
BUNDLE_BYTES_MAX = 12 * 1024 * 1024


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def mcpb(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = node_program(PACKAGE, VERSION, "dist/cli/cli.js")
    return subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PACK_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed bundle."""
    packed = tmp_path_factory.mktemp("bundle") / "weft.mcpb"
    done = mcpb("pack", ".", str(packed))
    assert done.returncode == 0, done.stdout + done.stderr
    return packed


def test_manifest_is_valid() -> None:
    done = mcpb("validate", "manifest.json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_bundle_holds_the_program_and_nothing_of_the_checkout(bundle: Path) -> None:
    names = zipfile.ZipFile(bundle).namelist()
    assert {"manifest.json", "pyproject.toml", "src/weft/__main__.py"} <= set(names)
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "src").rglob("*.sql")}
    assert sources
    assert sources <= set(names)
    assert not [name for name in names if name.startswith((".", "tests", "bench"))]
    assert bundle.stat().st_size < BUNDLE_BYTES_MAX


async def test_unpacked_bundle_starts_as_its_manifest_says(bundle: Path, place: Place) -> None:
    if not is_required("pip"):
        pytest.skip("the bundle fetches its dependencies anew; CI runs this")
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        skip_without("pip", "uv is not installed")
    unpacked = place.folder / "unpacked"
    zipfile.ZipFile(bundle).extractall(unpacked)
    started = json.loads(read("manifest.json"))["server"]["mcp_config"]
    values = {"__dirname": str(unpacked), "user_config.files_roots": str(place.files)}
    arguments = [fill(argument, values) for argument in started["args"]]
    environment = {name: fill(value, values) for name, value in started["env"].items()}
    # What the person's own environment gives; the rest of it is not the test's.
    environment |= {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    environment |= {n: os.environ[n] for n in ("SSL_CERT_FILE", "PIP_CERT") if n in os.environ}
    environment.setdefault("SSL_CERT_FILE", environment.get("PIP_CERT", ""))
    environment["WEFT_HOME"] = str(place.home)
    with anyio.fail_after(INSTALL_SECONDS):
        asked = [uv, "run", "--directory", str(unpacked), "weft", "--version"]
        installed = await anyio.run_process(asked, env=environment, check=False)
    assert installed.returncode == 0, installed.stderr.decode()
    server = StdioServerParameters(command=uv, args=arguments, env=environment)
    async with Client(stdio_client(server)) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == list(TOOLS)


def fill(text: str, values: dict[str, str]) -> str:
    """``text`` as a client fills it in; what nobody gave is empty."""
    return re.sub(r"\$\{([\w.]+)\}", lambda found: values.get(found[1], ""), text)


def test_secrets_of_the_manifest_are_marked_as_such() -> None:
    config: dict[str, Any] = json.loads(read("manifest.json"))["user_config"]
    assert config["api_key"]["sensitive"] is True


def test_registry_entry_names_this_version_and_settings_that_exist() -> None:
    entry = json.loads(read("server.json"))
    (package,) = entry["packages"]
    assert entry["version"] == package["version"] == __version__
    assert (package["registryType"], package["identifier"]) == ("pypi", "weft-mcp")
    assert len(entry["description"]) <= 100
    known = {f"{ENV_PREFIX}{name}".upper(): field for name, field in Settings.model_fields.items()}
    for variable in package["environmentVariables"]:
        secret = "SecretStr" in str(known[variable["name"]].annotation)
        assert variable.get("isSecret", False) is secret
    assert f"<!-- mcp-name: {entry['name']} -->" in read("README.md")


def test_nobody_is_told_to_run_the_package_that_is_called_weft() -> None:
    # On the public package index `weft` is a stranger's program: ours is `weft-mcp`.
    stranger = re.compile(
        r"(?:\buvx|\bpipx (?:run|install)|\bpip3? install|\buv (?:pip|tool|add|run --with)\b)"
        r"[^\n|&;#]*?[\s'\"]weft(?![\w./-])"
    )
    assert stranger.search("uvx weft serve")
    assert stranger.search("pip install -U 'weft[otel]'")
    assert not stranger.search("uvx weft-mcp serve")
    read_by_people = [*ROOT.glob("*.md"), *ROOT.glob("*.json"), ROOT / "Dockerfile"]
    read_by_people += [*ROOT.glob("docs/**/*.md"), *ROOT.glob("skills/**/*.md")]
    read_by_people += ROOT.glob(".github/**/*.*")
    found = {
        str(path.relative_to(ROOT)): hit[0]
        for path in read_by_people
        if (hit := stranger.search(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_wheel_has_the_command_by_both_names() -> None:
    site = Path(install_wheel())
    for name in ("weft", "weft-mcp"):
        done = subprocess.run(
            [sys.executable, str(site / "bin" / name), "--version"],
            env=os.environ | {"PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout.strip() == f"weft {__version__}", done.stderr


def test_skill_names_only_tools_and_arguments_that_exist() -> None:
    text = read("skills/weft/SKILL.md")
    front = text.split("---")[1]
    assert re.search(r"^name: weft$", front, re.MULTILINE)
    called = set(re.findall(r"`([a-z]+_[a-z_]+)(?:\(|`)", text))
    fields = {"readable_collection_id", "expected_version", "untrusted"}
    assert {"create_connection", "get_job", "delete_connection"} <= called
    assert called <= {*TOOLS, *fields}


def test_image_starts_the_installed_program_as_an_ordinary_user() -> None:
    lines = read("Dockerfile").splitlines()
    assert 'ENTRYPOINT ["weft"]' in lines
    assert lines.index("USER weft") < lines.index('ENTRYPOINT ["weft"]')
    copied = [line.removeprefix("!") for line in read(".dockerignore").splitlines()]
    assert {"pyproject.toml", "requirements/image.txt", "src"} <= set(copied)


def test_image_has_its_base_by_digest() -> None:
    bases = re.findall(r"^FROM (\S+)", read("Dockerfile"), re.MULTILINE)
    assert bases
    assert [base for base in bases if not re.search(r"@sha256:[0-9a-f]{64}$", base)] == []
