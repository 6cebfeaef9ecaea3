"""The process that embeds: what it is given, when it ends, and what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_SECONDS, wait_until
from weft import __version__
from weft.assembly.backends import EMBEDDER_ARGUMENTS, open_engine
from weft.domain.access.principals import LOCAL_PRINCIPAL
from weft.domain.collections import NewCollection
from weft.domain.reading.ways import PACKAGED
from weft.local.embedding.packaged import name_packaged
from weft.local.from_settings import embedder_environment, embedder_lock
from weft.local.jobs.embedder import End
from weft.local.process_liveness import try_to_lock
from weft.settings import Settings

WITH_NUMPY = """
import sys, types
sys.modules["numpy"] = {numpy}
from weft.assembly.embedder import main
sys.exit(main(sys.argv[1:]))
"""


def run(
    home: Path, *start: str, version: str = __version__, folder: Path | None = None
) -> tuple[int, str]:
    """Run it in a folder until it ends by itself, and return its exit code and what it said."""
    command = [sys.executable, *(start or EMBEDDER_ARGUMENTS), "--version", version]
    environment = dict(embedder_environment(Settings(home=home)))
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        return process.wait(PATIENCE_SECONDS), process.stdout.read()


def test_one_of_another_version_leaves_the_database_alone(tmp_path: Path) -> None:
    assert run(tmp_path, version="0.0.1") == (End.OTHER_VERSION, "")
    assert list(tmp_path.iterdir()) == []


def test_no_module_of_the_present_folder_is_run(tmp_path: Path) -> None:
    for name in ("weft", "argparse", "anyio"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(99)")
    home = tmp_path / "home"
    home.mkdir()
    assert run(home, version="0.0.1", folder=tmp_path) == (End.OTHER_VERSION, "")


def test_second_one_ends(tmp_path: Path) -> None:
    with try_to_lock(embedder_lock(Settings(home=tmp_path))):
        assert run(tmp_path) == (End.BUSY, "")


@pytest.mark.parametrize(
    ("numpy", "problem"),
    [("None", "is not installed"), ("types.ModuleType('numpy')", "is too old")],
)
def test_one_without_a_numpy_that_works_says_so(tmp_path: Path, numpy: str, problem: str) -> None:
    code, said = run(tmp_path, "-c", WITH_NUMPY.format(numpy=numpy))
    assert code == End.TROUBLE
    assert said.startswith(f"trouble Search by meaning needs numpy, which {problem}")


def test_no_key_or_token_is_given_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    of_weft = ("WEFT_MASTER_KEY", "WEFT_TOKEN")
    of_others = ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "LANGSMITH_API_KEY", "PATHWAY_KEY")
    alike = ("HOMEBREW_GITHUB_API_TOKEN", "PYTHONANYWHERE_TOKEN", "TMPFILES_KEY", "COVERAGE_TOKEN")
    for name in (*of_weft, *of_others, *alike):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("WEFT_EMBEDDINGS_URL", "http://localhost:11434/v1")
    given = embedder_environment(settings)
    assert "secret" not in given.values()
    assert given["WEFT_EMBEDDINGS_URL"] == "http://localhost:11434/v1"
    assert given["LC_ALL"] == given["LANG"] == "C.UTF-8"
    assert given["PATH"] == os.environ["PATH"]
    assert given["WEFT_HOME"] == str(tmp_path)


@pytest.mark.anyio
async def test_new_model_takes_the_place_of_the_former_one_at_once(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, embeddings=True)
    async with open_engine(settings, run_jobs=False) as opened:
        vectors = opened.engine.store.vectors
        backend = opened.backend_for(LOCAL_PRINCIPAL)
        await backend.collections.create(NewCollection(name="Docs"))
        await vectors.use_models({PACKAGED: "former-1"})
    async with open_engine(settings) as opened:
        vectors = opened.engine.store.vectors

        async def is_taken_over() -> bool:
            return await vectors.ways() == {PACKAGED: name_packaged()}

        await wait_until(is_taken_over)
