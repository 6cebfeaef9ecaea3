"""A definition of one's own is tried from the command line, and nothing is stored."""

from pathlib import Path

import anyio.to_thread
import pytest
from click.testing import Result

from tests.support.sources.rest import FakeService
from tests.support.terminal import Shell
from weft.testing.scripted_http import serve

NOTES = [{"id": number, "title": f"Note \x1b{number}", "body": "about tea"} for number in range(5)]


async def try_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, *options: str, stdin: str = "{}"
) -> Result:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WEFT_ALLOW_HOSTS", "127.0.0.1")
    service = FakeService("link", {"/notes": NOTES}, objects={"/me": {"name": "Ada"}})
    async with serve(service) as site:
        file = tmp_path / "notes.yaml"
        file.write_text(f"base_url: {site.url}\n{text}", encoding="utf-8")
        arguments = ("sources", "try", str(file), "--credentials-stdin", *options)

        def run() -> Result:
            return Shell(tmp_path).run(*arguments, stdin=stdin)

        return await anyio.to_thread.run_sync(run)


DEFINITION = """
auth: bearer
check: {path: /me, shows: name}
streams:
  - {name: note, path: /notes, paging: {kind: next_url}, title: title, text: body}
"""
TOKEN = '{"token": "correct-horse"}'


@pytest.mark.anyio
async def test_first_records_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = await try_definition(tmp_path, monkeypatch, DEFINITION, "--count", "3", stdin=TOKEN)
    assert result.exit_code == 0, result.output
    assert "REST API as Ada." in result.output
    assert "note:2  Note 2" in result.output
    assert "about tea" in result.output
    assert "note:3" not in result.output
    assert "The first 3 records. Nothing was stored." in result.output
    assert not (tmp_path / "home" / "weft.db").exists()


@pytest.mark.anyio
async def test_all_records_are_said_to_be_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = await try_definition(tmp_path, monkeypatch, DEFINITION, stdin=TOKEN)
    assert "That is all: 5 records." in result.output


@pytest.mark.anyio
async def test_refused_token_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = '{"token": "battery-staple"}'
    result = await try_definition(tmp_path, monkeypatch, DEFINITION, stdin=stdin)
    assert result.exit_code != 0
    assert "401" in str(result.exception) + result.output
    assert "battery" not in str(result.exception) + result.output


@pytest.mark.anyio
async def test_wrong_field_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = DEFINITION.replace("path: /notes", "paths: /notes")
    result = await try_definition(tmp_path, monkeypatch, text)
    assert result.exit_code != 0
    assert "streams.0" in str(result.exception) + result.output
