"""The catalogue says which way to authenticate works here, not only which a source knows."""

from pathlib import Path

import pytest

from tests.support.local.harness import START, open_harness
from weft.errors import StorageFailed
from weft.local.store.authorizations import OAuthClientRow
from weft.server.render.sources import source_text
from weft.sources.registry import SourceRegistry

pytestmark = pytest.mark.anyio


async def test_consent_without_a_client_is_offered_with_what_it_needs(tmp_path: Path) -> None:
    async with open_harness(tmp_path, registry=SourceRegistry()) as local:
        sources = local.backend.sources
        before = await sources.get("github")
        assert before.requires_byoc
        assert "`weft oauth-clients set github`" in source_text(before)
        assert not (await sources.get("git")).requires_byoc
        client = OAuthClientRow("github", "client-1", "https://github.com", "sealed", START)
        await local.engine.store.oauth_clients.put(client)
        after = await sources.get("github")
        assert not after.requires_byoc
        assert "oauth-clients" not in source_text(after)


async def test_database_that_fails_is_told_and_hides_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: str) -> OAuthClientRow | None:
        raise StorageFailed("The database is gone.")

    async with open_harness(tmp_path, registry=SourceRegistry()) as local:
        monkeypatch.setattr(local.engine.store.oauth_clients, "get", fail)
        with pytest.raises(StorageFailed):
            await local.backend.sources.list()
