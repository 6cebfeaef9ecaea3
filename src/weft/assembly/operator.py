"""Opens what only verbs of the operator use, so that no server imports it at its start."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from weft.assembly.backends import open_engine
from weft.errors import StorageFailed, Unsupported
from weft.local.api_keys import LocalKeys
from weft.local.audit import LocalAudit
from weft.local.auth.named_secrets import NamedSecrets
from weft.local.auth.oauth_clients import LocalOAuthClients
from weft.local.auth.providers import LocalAuthProviders
from weft.local.embedding_ways import EmbeddingWays
from weft.local.from_settings import KEYS_FOLDER_NAME, key_source_of, open_store
from weft.local.store.sqlite.report import DatabaseReport, report
from weft.local.store.vault import DataKeyStore
from weft.local.vault.keys import KeySource
from weft.local.vault.rotation import Rotation, forget_lost, rotate
from weft.local.vault.vault import Vault
from weft.settings import Settings

ROTATION_LOCK_NAME = "rotation.lock"


@asynccontextmanager
async def open_keys(settings: Settings) -> AsyncGenerator[LocalKeys]:
    """Open the API keys, without an engine."""
    async with open_store(settings) as store:
        yield LocalKeys(store.keys)


@asynccontextmanager
async def open_secrets(settings: Settings, organization_id: str) -> AsyncGenerator[NamedSecrets]:
    """Open the secrets that an organisation's operator named. Raises StorageFailed."""
    async with open_engine(settings, run_jobs=False) as opened:
        yield NamedSecrets(opened.engine, organization_id, any_source=settings.api_url is not None)


@asynccontextmanager
async def open_oauth_clients(settings: Settings) -> AsyncGenerator[LocalOAuthClients]:
    """Open the operator's OAuth clients. Raises StorageFailed."""
    async with open_engine(settings, run_jobs=False) as opened:
        yield LocalOAuthClients(opened.engine)


@asynccontextmanager
async def open_auth_providers(settings: Settings) -> AsyncGenerator[LocalAuthProviders]:
    """Open the accounts at services that keep credentials. Raises StorageFailed."""
    async with open_engine(settings, run_jobs=False) as opened:
        yield LocalAuthProviders(opened.engine)


@asynccontextmanager
async def open_audit(settings: Settings) -> AsyncGenerator[LocalAudit]:
    """Open the audit, without an engine."""
    async with open_store(settings) as store:
        yield LocalAudit(store)


@asynccontextmanager
async def open_embedding_ways(settings: Settings) -> AsyncGenerator[EmbeddingWays]:
    """Open the ways to embed. Raises Unsupported where an API has the collections."""
    if settings.api_url is not None:
        raise Unsupported(
            "Collections of an API are embedded as that decides.",
            hint="Unset WEFT_API_URL to decide for those of this machine.",
        )
    async with open_store(settings) as store:
        yield EmbeddingWays(store, settings)


async def rotate_master(settings: Settings) -> Rotation:
    """Replace the master key; see `rotate`."""
    async with _open_data_keys(settings) as (source, store, lock):
        return await rotate(source, store, lock)


async def forget_lost_keys(settings: Settings) -> int:
    """Drop the data keys that only a lost master key opens; see `forget_lost`."""
    async with _open_data_keys(settings) as (source, store, lock):
        return await forget_lost(source, store, lock)


@asynccontextmanager
async def _open_data_keys(
    settings: Settings,
) -> AsyncGenerator[tuple[KeySource, DataKeyStore, Path]]:
    source = key_source_of(settings)
    async with open_store(settings) as store:
        yield source, store.data_keys, settings.home / KEYS_FOLDER_NAME / ROTATION_LOCK_NAME


async def inspect_database(settings: Settings) -> DatabaseReport:
    """Report on the database and the key to its credentials, without changing either."""
    found = await report(settings.database_path)
    try:
        vault = Vault.over(key_source_of(settings))
        if found.sealed_with is not None:
            await vault.require(found.sealed_with)
    except StorageFailed as error:
        return found.model_copy(update={"problems": (*found.problems, str(error))})
    return found
