"""The catalogue says which way to authenticate works here, not only which a source knows."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.local.harness import START, open_harness
from weft.backend.catalogue import find_sources
from weft.errors import StorageFailed
from weft.local.store.authorizations import AuthProviderRow, OAuthClientRow
from weft.server.render.sources import source_text
from weft.sources.registry import OTHER_WAYS, SourceRegistry

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


async def test_accounts_at_auth_providers_are_named_to_their_organisation(tmp_path: Path) -> None:
    async with open_harness(tmp_path, registry=SourceRegistry()) as local:
        for owner, name in (("organization-1", "ours"), ("organization-2", "theirs")):
            row = AuthProviderRow(owner, name, "composio", {}, "sealed", START, ())
            await local.engine.store.auth_providers.insert(row)
        told = source_text(await local.backend.sources.get("notion"))
        assert "auth providers: composio, pipedream; provider_readable_id is one of: ours\n" in told
        assert "auth providers" not in source_text(await local.backend.sources.get("git"))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("my folder", "files"),
        ("a website", "web"),
        ("pull requests", "github"),
        ("gitea", "git"),
        ("mail", "imap"),
        ("postgres", "sql"),
        ("tickets", "zendesk"),
        ("our blog", "rss"),
        ("an s3 bucket", "objects"),
        ("push from a script", "ingest"),
    ],
)
async def test_words_that_people_use_find_the_built_in_sources(
    tmp_path: Path, words: str, found: str
) -> None:
    async with open_harness(tmp_path, registry=SourceRegistry()) as local:
        page = await find_sources(local.backend.sources, words)
        assert found in [source.short_name for source in page.items]
        assert page.total < 10, "words that many sources fit find none"


async def test_unknown_system_leads_to_other_ways(tmp_path: Path) -> None:
    async with open_harness(tmp_path, registry=SourceRegistry()) as local:
        page = await find_sources(local.backend.sources, "gitub")
        assert (page.total, page.next_cursor) == (0, None)
        assert page.note == f"Did you mean github? {OTHER_WAYS}"


async def test_database_that_fails_is_told_and_hides_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> Sequence[OAuthClientRow]:
        raise StorageFailed("The database is gone.")

    async with open_harness(tmp_path, registry=SourceRegistry()) as local:
        monkeypatch.setattr(local.engine.store.oauth_clients, "list", fail)
        with pytest.raises(StorageFailed):
            await local.backend.sources.list()
