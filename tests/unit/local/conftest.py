"""Fixtures of the local backend's tests."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import pytest

from tests.support.local.fixed_keys import FixedKeys
from tests.support.local.harness import LocalHarness, open_harness
from tests.support.oauth.harness import CLIENT_ID, CLIENT_SECRET, OAuthHarness, open_oauth_harness
from tests.support.oauth.provider import OAuthProvider, serve_oauth_provider
from weft.local.engine import Engine
from weft.local.store.base import Store
from weft.local.vault.keys import KEY_BYTES
from weft.local.vault.vault import Vault
from weft.net.http_factory import HttpFactory
from weft.sources.base import SourceContext
from weft.testing.stub import stub_registry


@pytest.fixture
async def local(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[LocalHarness]:
    async with open_harness(tmp_path / "home") as harness:
        await harness.create_collection()
        yield harness


@pytest.fixture
def idle_engine() -> Engine:
    """An engine for what needs neither a store nor a network: to touch either is an error."""
    return Engine(
        store=cast("Store", None),
        registry=stub_registry(),
        vault=Vault(FixedKeys(bytes(KEY_BYTES))),
        context=SourceContext(http=cast("HttpFactory", None)),
    )


@pytest.fixture
async def harness(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[OAuthHarness]:
    async with open_oauth_harness(tmp_path / "home") as made:
        yield made


@pytest.fixture
async def provider(anyio_backend: str) -> AsyncGenerator[OAuthProvider]:
    async with serve_oauth_provider() as made:
        made.register(CLIENT_ID, CLIENT_SECRET)
        yield made
