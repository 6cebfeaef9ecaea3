"""`weft collections embed`, on a real database: by what a collection is searched by meaning."""

import json
from pathlib import Path

import pytest

from tests.support.http import SECRET
from tests.support.local.embeddings import handler, in_thread
from tests.support.terminal import Shell
from weft.testing.scripted_http import HttpReply, serve

MODELS = Path(__file__).parents[3] / "fixtures" / "models"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))
    made = Shell(tmp_path)
    assert made.run("collections", "create", "Team Docs").exit_code == 0
    return made


def ways(shell: Shell) -> list[str | None]:
    """The ways of all collections, None where it is not shown."""
    return [each.get("embedded_by") for each in shell.list_items("collections")]


def test_model_in_a_folder_is_named_and_the_way_is_shown_and_recorded(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ways(shell) == [None]
    assert "embedded by" not in shell.run("collections").stdout
    monkeypatch.setenv("WEFT_EMBEDDINGS_FOLDER", str(MODELS / "embeds"))
    done = shell.run("collections", "embed", "team-docs", "--by", "folder")
    assert done.exit_code == 0, done.output
    assert "The collection 'team-docs' is embedded by embeds " in done.stdout
    assert "0 entities wait" in done.stdout
    assert ways(shell) == ["folder"]
    report = json.loads(shell.run("doctor", "--json").stdout)
    assert "entities embedded by embeds " in report["meaning"]["folder"]
    assert "embedded by" in shell.run("collections").stdout
    entry = shell.list_items("audit")[0]
    assert (entry["action"], entry["operation"]) == ("embed", "collections embed")
    assert shell.run("collections", "embed", "team-docs", "--by", "packaged").exit_code == 0
    assert ways(shell) == [None]


@pytest.mark.parametrize(
    ("way", "setting"),
    [("endpoint", "WEFT_EMBEDDINGS_URL"), ("folder", "WEFT_EMBEDDINGS_FOLDER")],
)
def test_way_without_its_setting_is_refused_by_name(shell: Shell, way: str, setting: str) -> None:
    refused = shell.run("collections", "embed", "team-docs", "--by", way, "--yes")
    assert refused.exit_code == 2
    assert setting in refused.stderr
    assert ways(shell) == [None]


def test_collection_that_is_not_there_is_told(shell: Shell) -> None:
    assert shell.run("collections", "embed", "nobody", "--by", "packaged").exit_code == 2


def test_collections_of_an_api_are_not_decided_here(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_API_URL", "https://api.example.com")
    monkeypatch.setenv("WEFT_API_KEY", SECRET)
    refused = shell.run("collections", "embed", "team-docs", "--by", "packaged")
    assert refused.exit_code == 2
    assert "WEFT_API_URL" in refused.stderr


@pytest.mark.anyio
async def test_texts_are_sent_only_if_somebody_agrees(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(handler()) as site:
        monkeypatch.setenv("WEFT_EMBEDDINGS_URL", f"{site.url}/v1")
        monkeypatch.setenv("WEFT_EMBEDDINGS_MODEL", "m")
        monkeypatch.setenv("WEFT_EMBEDDINGS_KEY", SECRET)
        arguments = ("collections", "embed", "team-docs", "--by", "endpoint")
        refused = await in_thread(lambda: shell.run(*arguments))
        assert refused.exit_code == 2
        assert f"to 127.0.0.1:{site.port}" in refused.stderr
        assert not site.requests
        done = await in_thread(lambda: shell.run(*arguments, "--yes", "--json"))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["model"] == "m 64"
    assert SECRET not in done.output
    assert await in_thread(lambda: ways(shell)) == ["endpoint"]


@pytest.mark.anyio
async def test_model_that_does_not_work_is_not_chosen(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(handler(lambda _: HttpReply(401))) as site:
        monkeypatch.setenv("WEFT_EMBEDDINGS_URL", f"{site.url}/v1")
        monkeypatch.setenv("WEFT_EMBEDDINGS_MODEL", "m")
        arguments = ("collections", "embed", "team-docs", "--by", "endpoint", "--yes")
        refused = await in_thread(lambda: shell.run(*arguments))
    assert refused.exit_code != 0
    assert "wants a key" in refused.stderr
    assert "WEFT_EMBEDDINGS_KEY" in refused.stderr
    assert await in_thread(lambda: ways(shell)) == [None]
