"""Opens the store, and finds keys and secrets, as the settings say, without an engine."""

import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from weft.domain.access.principals import organization_id
from weft.domain.reading.ways import PACKAGED
from weft.local.auth.secret_refs import check_name, parse_origins
from weft.local.embedding.models import list_ways
from weft.local.embedding.packaged import name_packaged
from weft.local.engine import EngineLimits, MappedSecret, MappedSecrets, utc_now
from weft.local.exposure import find_exposed, refuse_exposed, repair_command
from weft.local.process_liveness import is_locked
from weft.local.store.base import Store
from weft.local.store.brake import DeletionBrake
from weft.local.store.sqlite.store import SqliteStore
from weft.local.vault.keys import KeySource, key_source
from weft.settings import Settings

KEYS_FOLDER_NAME = "keys"
EMBEDDER_LOCK_NAME = "embedder.lock"
EMBEDDER_TROUBLE_NAME = "embedder.trouble"
# A process that embeds needs no key, token or secret of Weft's, so it is given none.
_EMBEDDER_VARIABLES = frozenset(
    (
        *("WEFT_EMBEDDINGS", "HOME", "LANG", "LANGUAGE", "PATH", "SYSTEMROOT"),
        *("TEMP", "TMP", "TMPDIR", "SSL_CERT_DIR", "SSL_CERT_FILE"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONHOME", "PYTHONIOENCODING"),
        *("PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONPYCACHEPREFIX", "PYTHONUSERBASE"),
        *("PYTHONUTF8", "PYTHONWARNINGS"),
        *("COVERAGE_FILE", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START", "COVERAGE_RCFILE"),
    )
)
_EMBEDDER_PREFIXES = ("WEFT_EMBEDDINGS_", "WEFT_LOG_", "LC_")
# One thread each: what computes beside a sync must leave it a processor.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def key_source_of(settings: Settings) -> KeySource:
    """Return the place of the master key. Raises KeyUnavailable for a variable without a key."""
    variable = settings.master_key
    return key_source(
        settings.home / KEYS_FOLDER_NAME,
        file=settings.master_key_file,
        keyring=settings.keyring,
        variable=variable.get_secret_value() if variable else None,
    )


def parse_mapped_secrets(settings: Settings) -> MappedSecrets:
    """Parse the secrets of `config.toml`. Raises InvalidInput for a bad name or host."""
    mapped: dict[str, dict[str, MappedSecret]] = {}
    for name, found in settings.secrets.items():
        check_name(name)
        organization = mapped.setdefault(organization_id(found.organization), {})
        hosts = parse_origins(found.hosts)
        organization[name] = MappedSecret(found.env, found.file, found.sources, hosts)
    return mapped


def limits_of(settings: Settings) -> EngineLimits:
    """Return the limits of an engine."""
    return EngineLimits(
        syncs=settings.sync_concurrency,
        syncs_per_host=settings.syncs_per_host,
        lease=timedelta(seconds=settings.lease_seconds),
        retries=settings.sync_retries,
        kept_jobs=settings.keep_jobs,
        kept_changes=settings.keep_changes,
        kept_audit=timedelta(days=settings.audit_days),
        undo=timedelta(hours=settings.undo_hours),
        brake=DeletionBrake(share=settings.deletion_share, floor=settings.deletion_floor),
    )


def embedder_lock(settings: Settings) -> Path:
    """Return the file that the process locks that embeds what waits in the database."""
    return settings.home / EMBEDDER_LOCK_NAME


def embedder_trouble(settings: Settings) -> Path:
    """Return the file that says why nothing is embedded; there is none if all is well."""
    return settings.home / EMBEDDER_TROUBLE_NAME


def read_trouble(file: Path) -> str | None:
    """Return why nothing is embedded, as the file of `embedder_trouble` says; None if all is well.

    On a full disk it may have been written without its text.
    """
    try:
        why = file.read_text("utf-8", errors="replace")
    except OSError:
        return None
    return why.strip() or "The reason is unknown; Weft's log may have it."


def tell_standstill(settings: Settings) -> str | None:
    """Say why nothing is embedded for now, None if that is not so; reads files."""
    why = read_trouble(embedder_trouble(settings))
    try:
        # A process that embeds now is past what held up the one before it, or finds it again.
        return None if why is None or is_locked(embedder_lock(settings)) else why
    except OSError:
        return why


def embedder_environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment of a process that embeds by the same settings."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _EMBEDDER_VARIABLES or name.startswith(_EMBEDDER_PREFIXES)
    }
    return inherited | _ONE_THREAD | {"WEFT_HOME": str(settings.home)}


def models_of(settings: Settings) -> Mapping[str, str | None]:
    """Return the ways to embed that are set up, each with its model if that is known by now."""
    return {way: name_packaged() if way == PACKAGED else None for way in list_ways(settings)}


def tell_exposed_state(settings: Settings) -> Sequence[str]:
    """Say of the files and folders of Weft's state that other users can change how to end that."""
    return [
        f"Other users can change {path}: run `{repair_command(path)}`."
        for path in find_exposed(settings, settings.home / KEYS_FOLDER_NAME)
    ]


def private_paths(settings: Settings) -> tuple[Path, ...]:
    """List the paths that no source may read: Weft's own state, and files with keys or secrets."""
    files = [
        settings.master_key_file,
        settings.embeddings_key_file,
        *(found.file for found in settings.secrets.values()),
    ]
    return (settings.home, *(file for file in files if file is not None))


@asynccontextmanager
async def open_store(
    settings: Settings, clock: Callable[[], datetime] = utc_now
) -> AsyncGenerator[Store]:
    """Open the store that the settings name, until the end of the block. Raises StorageFailed."""
    refuse_exposed(settings, settings.home / KEYS_FOLDER_NAME)
    store = await SqliteStore.open(settings.database_path, clock)
    try:
        yield store
    finally:
        await store.close()
