"""Real processes on one database."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import anyio
import pytest

from tests.support.process.workers import NobodyHere, Onlooker, Workers
from tests.support.store.open import open_store
from weft.assembly.backends import source_context
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.local.backend import LocalBackend
from weft.local.engine import Engine
from weft.local.from_settings import KEYS_FOLDER_NAME
from weft.local.jobs.housekeeping import watch_for_changes
from weft.local.vault.vault import Vault
from weft.settings import Settings
from weft.testing.stub import stub_registry


@pytest.fixture
def workers(tmp_path: Path) -> Generator[Workers]:
    made = Workers(tmp_path / "home")
    yield made
    made.stop()


@pytest.fixture
async def onlooker(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[Onlooker]:
    settings = Settings(home=tmp_path / "home")
    store = await open_store(settings.database_path)
    engine = Engine(
        store=store,
        registry=stub_registry(),
        vault=Vault.open(settings.home / KEYS_FOLDER_NAME),
        context=source_context(settings),
    )
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(watch_for_changes, engine)
            yield Onlooker(LocalBackend(engine, NobodyHere(), LOCAL_ORGANIZATION_ID), engine)
            group.cancel_scope.cancel()
    finally:
        await store.close()
