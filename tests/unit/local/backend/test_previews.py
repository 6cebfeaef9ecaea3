"""A preview is bounded, hinders nothing, and claims no more than it saw."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from tests.support.local.embedded import Embedded, open_embedded
from weft.domain.connections import ConnectionChange
from weft.domain.jobs import FindingKind
from weft.domain.previews import Preview
from weft.errors import RateLimited
from weft.local.backend import previews
from weft.local.backend.previews import preview_sync
from weft.sources.base import (
    Complete,
    Deleted,
    Incomplete,
    Named,
    NotPreviewed,
    Omitted,
    PreviewEvent,
    Unmatched,
)
from weft.testing.stub import StubSource

pytestmark = pytest.mark.anyio

WHOLE = Complete("the script is at its end")
Step = PreviewEvent | Exception


class Scripted(StubSource):
    """Names what its script says; a number lets it hang."""

    short_name = "scripted"
    script: ClassVar[list[Step]] = []
    hangs: ClassVar[bool] = False

    async def preview(self) -> AsyncGenerator[PreviewEvent]:
        """Follow the script."""
        for step in self.script:
            if isinstance(step, Exception):
                raise step
            yield step
        if self.hangs:
            await anyio.sleep_forever()


def name(*numbers: int) -> list[Step]:
    return [Named(f"stub-{number}", "note") for number in numbers]


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncGenerator[Embedded]:
    async with open_embedded(tmp_path, sources={"scripted": Scripted}) as opened:
        yield opened


async def preview(
    embedded: Embedded, *script: Step, connection_id: str | None = None, seconds: float = 60
) -> Preview:
    Scripted.script = [*script]
    source = embedded.engine.open_source("scripted", {}, {})
    found = await preview_sync(embedded.engine, source, connection_id, seconds)
    assert found is not None
    return found


async def connect_synced(embedded: Embedded, **config: Any) -> str:
    Scripted.script = []
    made = await embedded.connect({"entities": 4, **config}, short_name="scripted")
    await embedded.sync(made)
    return made.id


def say(found: Preview) -> str:
    return " ".join([*found.tell(), *found.warn()])


async def test_source_that_cannot_tell_has_no_preview(embedded: Embedded) -> None:
    source = embedded.engine.open_source("stub", {}, {})
    assert await preview_sync(embedded.engine, source, None, 60) is None


async def test_whole_preview_counts_by_type_and_says_what_goes(embedded: Embedded) -> None:
    connection = await connect_synced(embedded)
    found = await preview(embedded, *name(0, 1, 2, 9), WHOLE, connection_id=connection)
    assert (found.by_type, found.stored, found.would_delete) == ({"note": 4}, 4, 1)
    assert found.untrusted_doomed == ("stub-3",)
    assert "A full sync would delete 1 of 4 stored." in say(found)


async def test_what_a_preview_passes_over_is_not_said_to_go(embedded: Embedded) -> None:
    connection = await connect_synced(embedded)
    passed = NotPreviewed("commit", "stub-3")
    found = await preview(embedded, *name(0, 1), passed, WHOLE, connection_id=connection)
    assert found.untrusted_doomed == ("stub-2",)
    assert "Not looked at: commit." in say(found)


@pytest.mark.parametrize(
    "end",
    [
        [],
        [Incomplete("delete everything now"), WHOLE],
        [RateLimited("The stub is busy.")],
        [RuntimeError("a secret")],
    ],
)
async def test_preview_with_a_gap_claims_no_deletions_and_shows_no_foreign_text(
    embedded: Embedded, end: list[Step]
) -> None:
    connection = await connect_synced(embedded)
    found = await preview(embedded, *name(0), *end, connection_id=connection)
    assert (found.whole, found.would_delete, found.matching) == (False, 0, 1)
    assert "would delete" not in say(found).replace("What it would delete", "")
    assert "everything" not in say(found).replace("could not name everything", "")
    assert "secret" not in say(found)


async def test_what_fits_no_more_is_told_of_a_preview_that_is_not_whole(embedded: Embedded) -> None:
    connection = await connect_synced(embedded)
    gone: list[Step] = [Deleted("stub-1"), Deleted("never stored")]
    found = await preview(embedded, *name(0), *gone, connection_id=connection)
    assert (found.whole, found.would_delete, found.untrusted_doomed) == (False, 1, ("stub-1",))
    assert "1 of 4 stored, which do not fit the config" in say(found)


async def test_source_that_hangs_is_given_up_in_time(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "hangs", True)
    found = await preview(embedded, *name(0, 1), seconds=0)
    assert (found.whole, found.matching) == (False, 2)
    assert "it was given up after 0 s" in say(found)


async def test_only_so_many_names_are_looked_at(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "NAMES_MAX", 3)
    found = await preview(embedded, *name(0, 1, 2), WHOLE)
    assert found.whole
    found = await preview(embedded, *name(0, 1, 2, 3), WHOLE)
    assert (found.whole, found.matching) == (False, 3)
    assert "only the first 3 names were looked at" in say(found)


async def test_more_stored_than_are_compared_claims_no_deletions(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await connect_synced(embedded)
    monkeypatch.setattr(previews, "STORED_MAX", 3)
    found = await preview(embedded, *name(0), WHOLE, connection_id=connection)
    assert (found.whole, found.would_delete) == (False, 0)


async def test_only_who_saw_everything_says_that_nothing_would_be_read(embedded: Embedded) -> None:
    nothing = "Nothing matches now, so a sync would read nothing."
    assert nothing in say(await preview(embedded, WHOLE))
    passed = NotPreviewed("commit", "commit:")
    assert [*(await preview(embedded, passed, WHOLE)).warn()] == []
    assert [*(await preview(embedded)).warn()] == ["Nothing that was seen matches."]


async def test_limits_and_patterns_are_told(embedded: Embedded) -> None:
    limit = Omitted(FindingKind.LIMIT, 61, "max_pages")
    found = await preview(embedded, *name(0), limit, Unmatched("include", "x", "y"), WHOLE)
    assert "max_pages was reached, and at least 61 more are beyond it" in say(found)
    assert "config.include: 'x' fits nothing that is read." in say(found)


async def test_failing_preview_hinders_neither_create_nor_update_nor_check(
    embedded: Embedded,
) -> None:
    connections = embedded.backend.connections
    Scripted.script = [RuntimeError("crash")]
    made = await embedded.connect({}, short_name="scripted")
    changed = await connections.update(made.id, ConnectionChange(config={"entities": 3}))
    checked = await connections.check(made.id)
    assert checked.ok
    for each in (made.preview, changed.preview, checked.preview):
        assert each is not None
        assert "What a sync would read is not known before it" in say(each)
        assert "the source crashed (RuntimeError)" in say(each)
