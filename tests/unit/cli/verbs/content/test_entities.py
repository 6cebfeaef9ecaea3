"""`weft entities` and `weft show`."""

from datetime import UTC, datetime

import pytest

from tests.support.terminal import Terminal
from weft.domain.entities import StoredEntity
from weft.domain.reading.browsing import (
    Change,
    ChangeKind,
    ChangeList,
    ChangeQuery,
    ChangeTotals,
    EntityList,
    EntityOrder,
    EntityQuery,
    ListedEntity,
)

NOON = datetime(2026, 5, 2, 12, tzinfo=UTC)


def test_entities_are_a_table_with_their_counts(terminal: Terminal) -> None:
    terminal.backend.entities = EntityList(
        items=(
            ListedEntity(
                id="7",
                source_entity_id="docs/\x1b[31ma.md",
                connection_id="con-1",
                connection_name="My notes",
                type="file",
                title="a.md",
                size=5,
                media_type="text/markdown",
            ),
        ),
        by_type={"file": 12},
    )
    result = terminal.run("entities", "docs/", "--newest", "--since", "2026-05-02")
    assert result.exit_code == 0
    assert "text bytes" in result.stdout
    assert "text/markdown" in result.stdout
    assert "\x1b[31m" not in result.stdout
    assert "Stored in all: 12 (file 12)." in result.stdout
    [(_, asked)] = terminal.backend.calls
    assert isinstance(asked, EntityQuery)
    assert (asked.path, asked.order) == ("docs/", EntityOrder.NEWEST)
    preview = terminal.run("connections", "delete", "My notes", typed="\n").stderr
    assert "The largest documents: docs/ [31ma.md (5 bytes of text)." in preview


def test_changes_say_how_many_names_are_not_kept(terminal: Terminal) -> None:
    change = Change(
        kind=ChangeKind.SKIPPED,
        name="a.bin",
        reason="binary",
        job_id="job-1",
        connection_id="con-1",
        connection_name="My notes",
        at=NOON,
    )
    totals = ChangeTotals(jobs=1, counts={ChangeKind.SKIPPED: 9}, names=1)
    terminal.backend.changed = ChangeList(items=(change,), totals=totals)
    result = terminal.run("entities", "--changes", "skipped", "--since", "7d")
    assert result.exit_code == 0
    assert "binary" in result.stdout
    assert "In all: 9 skipped. The names of 8 are not kept." in result.stdout
    [(_, asked)] = terminal.backend.calls
    assert isinstance(asked, ChangeQuery)
    assert asked.kind is ChangeKind.SKIPPED


@pytest.mark.parametrize(
    "arguments", [("a", "--job", "x"), ("--since", "yesterday"), ("--changes", "any", "--newest")]
)
def test_what_does_not_fit_together_is_refused(
    terminal: Terminal, arguments: tuple[str, ...]
) -> None:
    result = terminal.run("entities", *arguments)
    assert result.exit_code == 2
    assert terminal.backend.calls == []


def test_show_prints_the_whole_text(terminal: Terminal) -> None:
    text = "line\n" * 9_000
    terminal.backend.entity = StoredEntity(
        id="7",
        source_entity_id="a.md",
        connection_id="con-1",
        connection_name="My notes",
        readable_collection_id="docs",
        type="file",
        title="a.md",
        text=text,
        offset=0,
        total_chars=len(text),
    )
    result = terminal.run("show", "a.md", "--connection", "My notes")
    assert result.stdout == text + "\n"
