"""`weft export`: whole texts in bounded steps, and no file that looks complete and is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import FakeSearch
from tests.support.terminal import Terminal
from weft.backend import Backend
from weft.cli.verbs.content.reading import WINDOW_CHARS
from weft.domain.entities import StoredEntity
from weft.domain.reading.browsing import EntityList, ListedEntity

TEXT = 'Zug nach "Köln" 🚆\n' * 40_000


def make_entity(text: str = TEXT, **more: Any) -> StoredEntity:
    facts: dict[str, Any] = {
        "id": "7",
        "source_entity_id": "docs/a.md",
        "connection_id": "con-1",
        "connection_name": "My notes",
        "readable_collection_id": "docs",
        "type": "file",
        "title": "a.md",
        "text": text,
        "offset": 0,
        "total_chars": len(text),
        "metadata": {"author": "Ada"},
    }
    return StoredEntity(**facts | more)


@pytest.fixture(autouse=True)
def _stored(terminal: Terminal) -> None:
    terminal.backend.entity = make_entity()
    shared = {"source_entity_id", "connection_id", "connection_name", "type", "title"}
    listed = ListedEntity(
        id="7", size=9, media_type="text/markdown", **make_entity().model_dump(include=shared)
    )
    terminal.backend.entities = EntityList(items=(listed,), by_type={"file": 1})


class ChangingSearch(FakeSearch):
    """Other texts after the first window."""

    async def entity(self, entity: str, **window: Any) -> StoredEntity:
        if window["offset"]:
            self.state.entity = make_entity(TEXT + "more")
        return await super().entity(entity, **window)


def test_line_has_the_whole_text_and_the_metadata(terminal: Terminal) -> None:
    result = terminal.run("export", "--collection", "docs", "--type", "markdown")
    assert result.exit_code == 0
    [asked] = terminal.backend.calls_of("entities")
    assert (asked.readable_collection_id, asked.entity_type) == ("docs", "markdown")
    [line] = result.stdout.splitlines()
    found = json.loads(line)
    assert found["text"] == TEXT
    assert (found["source_entity_id"], found["metadata"]) == ("docs/a.md", {"author": "Ada"})
    assert found["media_type"] == "text/markdown"
    assert "Exported 1 entity." in result.stderr


def test_text_is_read_in_bounded_windows(terminal: Terminal) -> None:
    terminal.run("export")
    offsets = [offset for _, _, offset in terminal.backend.calls_of("entity")]
    assert offsets == list(range(0, len(TEXT), WINDOW_CHARS))
    assert len(offsets) > 1


def test_file_is_replaced_when_the_export_is_complete(terminal: Terminal, tmp_path: Path) -> None:
    target = tmp_path / "all.jsonl"
    target.write_text("old", encoding="utf-8")
    result = terminal.run("export", "-o", str(target))
    assert result.exit_code == 0
    assert json.loads(target.read_text(encoding="utf-8"))["text"] == TEXT
    assert [path.name for path in tmp_path.glob("*all*")] == ["all.jsonl"]
    assert target.stat().st_mode & 0o077 == 0


def test_cut_export_leaves_the_old_file_and_fails(terminal: Terminal, tmp_path: Path) -> None:
    terminal.backend.search = ChangingSearch(terminal.backend)
    target = tmp_path / "all.jsonl"
    target.write_text("old", encoding="utf-8")
    result = terminal.run("export", "-o", str(target))
    assert result.exit_code == 1
    assert "Exported" not in result.output
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.glob("*all*")] == ["all.jsonl"]


def test_cut_export_to_a_pipe_is_an_error(terminal: Terminal) -> None:
    terminal.backend.search = ChangingSearch(terminal.backend)
    result = terminal.run("export")
    assert result.exit_code == 1
    assert "Exported" not in result.stderr


def test_entity_that_a_sync_removed_meanwhile_is_counted(terminal: Terminal) -> None:
    terminal.backend.entity = None
    result = terminal.run("export")
    assert result.exit_code == 0
    assert "Exported 0 entities. A sync removed 1 more meanwhile." in result.stderr


@pytest.mark.parametrize("output", [".", "/dev/null", "nowhere/all.jsonl"])
def test_output_that_can_be_no_file_is_refused_before_reading(
    terminal: Terminal, output: str
) -> None:
    assert terminal.run("export", "-o", output).exit_code == 2
    assert terminal.backend.calls == []


def test_backend_without_lists_says_why_it_cannot(terminal: Terminal) -> None:
    backend: Backend = terminal.backend
    backend.browse = None
    result = terminal.run("export")
    assert result.exit_code == 2
    assert "has no list of what it stored" in result.stderr
    assert result.stdout == ""
