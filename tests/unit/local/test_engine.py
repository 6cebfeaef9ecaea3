"""The engine: no missed wake-up, and credentials bound to where they were given for."""

from dataclasses import replace
from datetime import timedelta

import anyio
import anyio.lowlevel
import pytest

from tests.support.local.harness import LocalHarness
from tests.support.patience import PATIENCE_SECONDS
from weft.errors import AuthenticationFailed, InvalidInput, NotFound
from weft.local.engine import Engine, Signal, utc_now
from weft.testing.stub import StubConfig, StubCredentials, StubSource

pytestmark = pytest.mark.anyio

LONG_SECONDS = 3600.0
CANARY = "s3cr3t-canary"


async def test_change_between_mark_and_wait_is_not_missed() -> None:
    changes = Signal()
    mark = changes.mark()
    changes.announce()
    with anyio.fail_after(PATIENCE_SECONDS):
        await changes.wait(mark, LONG_SECONDS)


async def test_change_before_the_mark_wakes_nobody() -> None:
    changes = Signal()
    changes.announce()
    mark = changes.mark()
    woken = False

    async def wait() -> None:
        nonlocal woken
        await changes.wait(mark, LONG_SECONDS)
        woken = True

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert not woken
        changes.announce()
    assert woken


async def test_one_change_wakes_everyone_who_waits() -> None:
    changes = Signal()
    woken: list[int] = []

    async def wait(number: int) -> None:
        await changes.wait(changes.mark(), LONG_SECONDS)
        woken.append(number)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(wait, number)
            await anyio.wait_all_tasks_blocked()
            changes.announce()
    assert sorted(woken) == list(range(5))


async def test_wait_ends_without_a_change_too() -> None:
    changes = Signal()
    with anyio.fail_after(PATIENCE_SECONDS):
        await changes.wait(changes.mark(), 0.001)


async def test_follower_sees_the_last_state_however_changes_fall() -> None:
    changes, state, seen = Signal(), 0, 0

    async def change() -> None:
        nonlocal state
        for _ in range(200):
            state += 1
            changes.announce()
            if state % 3:
                await anyio.lowlevel.checkpoint()

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(change)
            while seen < 200:
                mark = changes.mark()
                if seen == state:
                    await changes.wait(mark, LONG_SECONDS)
                seen = state
                await anyio.lowlevel.checkpoint()
    assert seen == 200


async def test_watcher_is_told_when_someone_waits_and_not_before() -> None:
    changes = Signal()
    told = anyio.Event()

    async def watch() -> None:
        await changes.wait_until_wanted()
        told.set()

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            await anyio.wait_all_tasks_blocked()
            assert not told.is_set()
            group.start_soon(changes.wait, changes.mark(), LONG_SECONDS)
            await told.wait()
            changes.announce()
    with anyio.move_on_after(0.01) as scope:
        await changes.wait_until_wanted()
    assert scope.cancelled_caught, "nobody waits any more"


def test_clock_tells_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)


async def test_source_is_opened_with_validated_fields_and_the_operators_context(
    idle_engine: Engine,
) -> None:
    source = idle_engine.open_source("stub", {"entities": 3}, {"token": CANARY})
    assert isinstance(source, StubSource)
    assert source.config == StubConfig(entities=3)
    assert source.credentials == StubCredentials.model_validate({"token": CANARY})
    assert source.context is idle_engine.context


async def test_source_that_cannot_be_opened_names_the_field_and_no_secret(
    idle_engine: Engine,
) -> None:
    with pytest.raises(NotFound):
        idle_engine.open_source("nope", {}, {})
    with pytest.raises(InvalidInput) as caught:
        idle_engine.open_source("stub", {"entities": "many"}, {})
    assert caught.value.field == "config.entities"
    with pytest.raises(InvalidInput) as caught:
        idle_engine.open_source("stub", {}, {CANARY: CANARY})
    assert CANARY not in str(caught.value)


async def test_source_without_network_has_an_empty_endpoint(idle_engine: Engine) -> None:
    assert idle_engine.endpoint("stub", {}) == ""
    with pytest.raises(InvalidInput):
        idle_engine.endpoint("stub", {"nope": 1})


async def test_credentials_open_only_for_their_organization_connection_and_endpoint(
    local: LocalHarness,
) -> None:
    engine = local.engine
    place = ("organization", "connection", "https://a.example")
    sealed = await engine.seal(*place, {"token": CANARY})
    assert CANARY not in sealed
    assert await engine.unseal(*place, sealed) == {"token": CANARY}
    for other in (
        ("somebody", place[1], place[2]),
        (place[0], "another", place[2]),
        (place[0], place[1], "https://b.example"),
        (place[0], place[1], ""),
    ):
        with pytest.raises(AuthenticationFailed):
            await engine.unseal(*other, sealed)


async def test_connection_without_credentials_has_none(idle_engine: Engine) -> None:
    assert await idle_engine.unseal("o", "c", "", None) == {}


async def test_engines_share_no_news(idle_engine: Engine) -> None:
    assert idle_engine.changes is not idle_engine.work
    other = Engine(
        store=idle_engine.store,
        registry=idle_engine.registry,
        vault=idle_engine.vault,
        context=idle_engine.context,
    )
    assert other.changes is not idle_engine.changes
    assert replace(idle_engine).changes is idle_engine.changes
