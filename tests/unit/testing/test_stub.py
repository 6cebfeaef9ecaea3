"""The stub follows its script to the letter: other tests count on its numbers."""

import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from pydantic import SecretStr, ValidationError

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    CursorExpired,
    NotFound,
    RateLimited,
    SourceUnavailable,
)
from weft.sources.base import (
    Checkpoint,
    Deleted,
    Event,
    Expect,
    Failed,
    Incomplete,
    Skipped,
    SourceContext,
    Unchanged,
)
from weft.sources.registry import SourceRegistry
from weft.testing.source_contract import offline_context
from weft.testing.stub import (
    SecretStubCredentials,
    SecretStubSource,
    StubConfig,
    StubCredentials,
    StubSource,
    entity_id,
    expected_counts,
    stub_registry,
    write_stub_plugin,
)

pytestmark = pytest.mark.anyio


async def events(
    config: StubConfig, cursor: Json | None = None, context: SourceContext | None = None
) -> list[Event]:
    source = StubSource(config, StubCredentials(), context or offline_context())
    return [event async for event in source.fetch(cursor)]


def entities(found: list[Event]) -> list[Entity]:
    return [event for event in found if isinstance(event, Entity)]


def last_cursor(found: list[Event]) -> Json:
    return [event for event in found if isinstance(event, Checkpoint)][-1].cursor


async def test_listing_has_exactly_the_scripted_entities_and_pages() -> None:
    found = await events(StubConfig(entities=25, text_chars=300, page_size=10))
    assert [e.id for e in entities(found)] == [entity_id(n) for n in range(25)]
    assert {len(e.text) for e in entities(found)} == {300}
    cursors = [e.cursor["last_entity"] for e in found if isinstance(e, Checkpoint)]
    assert cursors == [9, 19, 24]
    assert found[0] == Expect(25)


@pytest.mark.parametrize(
    ("choice", "error"),
    [
        ("auth", AuthenticationFailed),
        ("access", AccessDenied),
        ("unavailable", SourceUnavailable),
        ("rate_limited", RateLimited),
        ("crash", RuntimeError),
    ],
)
async def test_scripted_error_comes_at_its_entity(choice: str, error: type[Exception]) -> None:
    config = StubConfig.model_validate({"entities": 10, "fail_at": 4, "error": choice})
    source = StubSource(config, StubCredentials(), offline_context())
    found: list[Event] = []
    with pytest.raises(error):
        await collect_into(source, found)
    assert [e.id for e in entities(found)] == [entity_id(n) for n in range(4)]


async def collect_into(source: StubSource, found: list[Event]) -> None:
    async for event in source.fetch(None):
        found.append(event)


async def test_failed_and_skipped_numbers_and_gap_are_told() -> None:
    found = await events(StubConfig(entities=12, failed_every=4, skipped_every=6, incomplete=True))
    assert [e.id for e in found if isinstance(e, Failed)] == ["stub-3", "stub-7", "stub-11"]
    assert [e.id for e in found if isinstance(e, Skipped)] == ["stub-5"]
    assert sum(isinstance(e, Incomplete) for e in found) == 1
    assert len(entities(found)) == 8


@pytest.mark.parametrize("change_every", [1, 3, 5, 40])
async def test_generations_differ_by_the_told_numbers(change_every: int) -> None:
    earlier = StubConfig(entities=20, change_every=change_every, generation=1)
    later = earlier.model_copy(update={"generation": 2})
    before = {e.id: e.text for e in entities(await events(earlier))}
    after = {e.id: e.text for e in entities(await events(later))}
    told = expected_counts(later, earlier_generation=1)
    assert told.deleted == len(before.keys() - after.keys())
    assert told.inserted == len(after.keys() - before.keys())
    kept = before.keys() & after.keys()
    assert told.updated == sum(before[key] != after[key] for key in kept)
    assert told.updated + told.unchanged == len(kept)


async def test_incremental_fetch_of_next_generation_gives_the_same_result_as_a_listing() -> None:
    earlier = StubConfig(entities=50, change_every=5, page_size=7)
    later = earlier.model_copy(update={"generation": 1})
    first = await events(earlier)
    state = {e.id: e.text for e in entities(first)}
    change = await events(later, last_cursor(first))
    for event in change:
        if isinstance(event, Deleted):
            del state[event.id]
        elif isinstance(event, Entity):
            state[event.id] = event.text
    assert state == {e.id: e.text for e in entities(await events(later))}
    told = expected_counts(later, earlier_generation=0)
    assert len(entities(change)) == told.inserted + told.updated
    assert sum(isinstance(e, Deleted) for e in change) == told.deleted


async def test_fetch_from_a_page_cursor_lists_only_the_rest() -> None:
    config = StubConfig(entities=30, page_size=10)
    checkpoint = next(e for e in await events(config) if isinstance(e, Checkpoint))
    rest = await events(config, checkpoint.cursor)
    assert [e.id for e in entities(rest)] == [entity_id(n) for n in range(10, 30)]
    assert entities(await events(config, last_cursor(rest))) == []


@pytest.mark.parametrize("cursor", [{"last_entity": "x"}, {"last_entity": 3, "generation": 9}, {}])
async def test_cursor_that_fits_nothing_is_expired(cursor: Json) -> None:
    with pytest.raises(CursorExpired):
        await events(StubConfig(), cursor)


async def test_expired_cursor_can_be_scripted() -> None:
    with pytest.raises(CursorExpired):
        await events(StubConfig(expire_cursor=True), {"last_entity": 3, "generation": 0})


async def test_versions_turn_known_entities_into_unchanged() -> None:
    config = StubConfig(entities=6, versions=True, change_every=3, generation=0)

    async def look_up(ids: Collection[str], /) -> Mapping[str, str]:
        return dict.fromkeys(ids, "0")

    later = config.model_copy(update={"generation": 1})
    found = await events(later, context=replace(offline_context(), known_versions=look_up))
    assert [e.id for e in found if isinstance(e, Unchanged)] == [
        "stub-2",
        "stub-4",
        "stub-5",
        "stub-7",
    ]
    assert [e.id for e in entities(found)] == ["stub-3", "stub-6"]


async def test_slow_script_can_be_cancelled() -> None:
    source = StubSource(StubConfig(seconds_per_entity=3600), StubCredentials(), offline_context())
    with anyio.move_on_after(0.01) as scope:
        await collect_into(source, [])
    assert scope.cancelled_caught


async def test_bad_token_is_refused_by_check_and_fetch() -> None:
    credentials = SecretStubCredentials(token=SecretStr("bad"))
    source = SecretStubSource(StubConfig(), credentials, offline_context())
    with pytest.raises(AuthenticationFailed):
        await source.check()
    with pytest.raises(AuthenticationFailed):
        await collect_into(source, [])


async def test_stub_with_a_good_token_is_reached() -> None:
    source = StubSource(StubConfig(entities=3), StubCredentials(), offline_context())
    assert await source.check() == "3 scripted entities"


async def test_stub_registry_adds_stubs_to_the_installed_sources() -> None:
    registry = stub_registry()
    assert registry.get("stub") is StubSource
    assert registry.get("secret_stub") is SecretStubSource
    assert {"files", "git"} <= set(registry.names())
    with pytest.raises(NotFound):
        SourceRegistry().get("stub")


def test_plugin_folder_gives_stubs_to_a_separate_process(tmp_path: Path) -> None:
    write_stub_plugin(tmp_path)
    code = "from weft.sources.registry import SourceRegistry as R; print(R().get('stub').name)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.strip() == "Stub"


def test_required_token_cannot_be_left_out() -> None:
    assert SecretStubSource.info().auth_required
    assert not StubSource.info().auth_required
    with pytest.raises(ValidationError):
        SecretStubCredentials.model_validate({})
