"""Configurations that decide where a token goes, and the provider's own hosts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel, Field

from tests.support.local.harness import open_harness
from weft.domain.base import Json
from weft.errors import NotPermitted
from weft.local.auth.destinations import check_destination, config_decides_host
from weft.local.auth.oauth_clients import is_below
from weft.sources.base import ENDPOINT, AnySource
from weft.sources.github.source import GitHubSource
from weft.sources.registry import SourceRegistry
from weft.testing.stub import StubSource

pytestmark = pytest.mark.anyio


class SiteConfig(BaseModel):
    """Only the site decides."""

    project: str
    site: str = Field(default="https://api.example.com/", json_schema_extra=ENDPOINT)


class SiteSource(StubSource):
    """Its host has a default."""

    short_name = "site"
    Config = SiteConfig

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        return cast("SiteConfig", config).site


class TenantConfig(BaseModel):
    """The tenant decides, though nobody marked it."""

    tenant: str


class TenantSource(StubSource):
    """It has no host without its configuration."""

    short_name = "tenant"
    Config = TenantConfig

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        return f"https://{cast('TenantConfig', config).tenant}.example.com"


class SilentSource(SiteSource):
    """It does not say where its host is."""

    short_name = "silent"

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        return None


KINDS: tuple[type[AnySource], ...] = (SiteSource, TenantSource, SilentSource, GitHubSource)


@pytest.mark.parametrize(
    ("short_name", "config", "decided"),
    [
        ("site", {"project": "p"}, False),
        ("site", {"project": "p", "site": "HTTPS://api.example.com:443"}, False),
        ("site", {"project": "p", "site": "https://b.example"}, True),
        ("site", {"project": "p", "site": "https://api.example.com."}, True),
        ("tenant", {"tenant": "a"}, True),
        ("silent", {"project": "p"}, False),
        ("silent", {"project": "p", "site": "https://b.example"}, True),
        ("github", {"repo_name": "a/b"}, False),
    ],
)
async def test_a_configuration_decides_what_it_changes(
    tmp_path: Path, short_name: str, config: Json, decided: bool
) -> None:
    kinds = {kind.short_name: kind for kind in KINDS}
    async with open_harness(tmp_path, registry=SourceRegistry([], kinds)) as harness:
        assert config_decides_host(harness.engine, kinds[short_name], config) is decided


async def test_a_refused_host_is_audited_and_not_repeated(tmp_path: Path) -> None:
    kinds = {SiteSource.short_name: SiteSource}
    given: dict[str, Any] = {
        "lent": ("auth_provider", "one"),
        "command": "weft auth-providers add",
        "field": "auth",
    }
    config: Json = {"project": "p", "site": "https://canary.example"}
    async with open_harness(tmp_path, registry=SourceRegistry([], kinds)) as harness:
        allowed = ["https://canary.example"]
        await check_destination(harness.engine, "o", SiteSource, config, allowed=allowed, **given)
        allowed = ["https://b.example"]
        with pytest.raises(NotPermitted, match="--host") as caught:
            await check_destination(
                harness.engine, "o", SiteSource, config, allowed=allowed, **given
            )
        assert "operator" in caught.value.message
        assert "canary" not in f"{caught.value.message} {caught.value.hint}"
        (entry,) = await harness.engine.store.audit.list(connection_id=None, since=None, limit=10)
    assert (entry.target_kind, entry.target_id) == ("auth_provider", "one")


@pytest.mark.parametrize(
    ("endpoint", "provider", "below"),
    [
        ("https://example.com", "https://Example.com:443", True),
        ("https://api.example.com", "https://example.com", True),
        ("http://127.0.0.1:8", "http://127.0.0.1:8", True),
        ("http://127.0.0.1:9", "http://127.0.0.1:8", False),
        ("http://api.example.com", "https://example.com", False),
        ("https://api.example.com:8443", "https://example.com", False),
        ("https://api.example.com", "https://login.example.com", False),
        ("https://notexample.com", "https://example.com", False),
        ("https://b.example\\.example.com", "https://example.com", False),
        ("https://b.example?.example.com", "https://example.com", False),
        ("", "https://example.com", False),
    ],
)
def test_only_the_provider_and_what_is_below_its_host_are_its_own(
    endpoint: str, provider: str, below: bool
) -> None:
    assert is_below(endpoint, provider) is below
