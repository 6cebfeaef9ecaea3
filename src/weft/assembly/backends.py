"""Opens what the settings describe: the engine, the remote API, or a part of the engine."""

import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from weft import __version__
from weft.backend import Backend
from weft.domain.access.principals import LOCAL_PRINCIPAL, Principal
from weft.domain.reading.ways import PACKAGED
from weft.errors import WeftError
from weft.local.api_keys import LocalKeys
from weft.local.arrays import require_numpy
from weft.local.backend import LocalBackend
from weft.local.backend.auth_sessions import LocalAuthSessions
from weft.local.embedding.models import SettingsModels
from weft.local.engine import Engine, utc_now
from weft.local.from_settings import (
    embedder_environment,
    embedder_lock,
    embedder_trouble,
    key_source_of,
    limits_of,
    models_of,
    open_store,
    parse_mapped_secrets,
    private_paths,
    tell_standstill,
)
from weft.local.jobs.housekeeping import keep_house, watch_files, watch_for_changes
from weft.local.jobs.runner import EmbeddedRunner
from weft.local.jobs.scheduler import run_scheduler
from weft.local.process_liveness import ProcessLock
from weft.local.store.base import Store
from weft.local.vault.vault import Vault
from weft.net.addresses import AllowList
from weft.net.http_factory import HttpFactory
from weft.settings import Settings
from weft.sources.base import SourceContext
from weft.sources.registry import SourceRegistry
from weft.web.pages.loopback import LoopbackPages

if TYPE_CHECKING:
    import httpx

    from weft.assembly.remote import OpenRemote
    from weft.web.gate.operator_token import Authenticate

_logger = logging.getLogger(__name__)

PROCESSES_FOLDER_NAME = "processes"
EMBEDDER_AFTER_SECONDS = 1.0
# Without -P, Python would look for modules in the present folder first, which is anybody's.
EMBEDDER_ARGUMENTS = ("-P", "-m", "weft.assembly.embedder")

PagesUrl = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class OpenEngine:
    """An open engine, and views of it for principals."""

    engine: Engine
    runner: EmbeddedRunner

    def backend_for(self, principal: Principal) -> Backend:
        """Return the principal's view of the engine; cheap."""
        return LocalBackend(self.engine, self.runner, principal.organization_id)

    async def record_refusal(self, principal: Principal, tool: str) -> None:
        """Write to the audit that a ceiling or a role kept the principal from calling a tool."""
        store, refusals = self.engine.store.audit, self.engine.refusals
        await refusals.record(store, principal.organization_id, "tool", tool, "not permitted")

    @property
    def auth_sessions(self) -> LocalAuthSessions:
        """The authorisations that people carry out in a browser."""
        return LocalAuthSessions(self.engine, self.runner)

    @property
    def keys(self) -> LocalKeys:
        """The API keys that admit principals over HTTP."""
        return LocalKeys(self.engine.store.keys, self.engine.clock)

    @property
    def authenticators(self) -> Sequence["Authenticate"]:
        """The checks of tokens over HTTP, besides the check of the operator's token."""
        return (self.keys.find_principal,)

    async def job_counts(self) -> Mapping[str, int]:
        """Count the jobs by status."""
        return await self.engine.store.keys.job_counts()

    async def verify(self) -> None:
        """Raise StorageFailed while the database cannot be used."""
        await self.engine.store.verify()


@asynccontextmanager
async def open_backend(
    settings: Settings,
    *,
    registry: SourceRegistry | None = None,
    run_jobs: bool = True,
    clock: Callable[[], datetime] = utc_now,
) -> AsyncGenerator[Backend]:
    """Open the backend for the person who started this process; see `open_any`."""
    async with open_any(settings, registry=registry, run_jobs=run_jobs, clock=clock) as opened:
        yield opened.backend_for(LOCAL_PRINCIPAL)


def open_any(
    settings: Settings,
    *,
    registry: SourceRegistry | None = None,
    run_jobs: bool = True,
    clock: Callable[[], datetime] = utc_now,
    pages: PagesUrl | None = None,
) -> AbstractAsyncContextManager["OpenEngine | OpenRemote"]:
    """Open the remote API if the settings name one, else the engine with its database."""
    if settings.api_url is None:
        return open_engine(settings, registry=registry, run_jobs=run_jobs, clock=clock, pages=pages)
    return _open_api(settings, watch=run_jobs, clock=clock, pages=pages)


@asynccontextmanager
async def _open_api(
    settings: Settings,
    *,
    watch: bool,
    clock: Callable[[], datetime],
    pages: PagesUrl | None,
) -> AsyncGenerator["OpenRemote"]:
    """Open the remote API, with the local store for what must outlive this process; with ``watch``
    complete the authorisations that began here.
    """
    # Imported here because the HTTP stack costs start-up time that a local engine need not pay.
    from weft.assembly.remote import open_remote

    async with (
        _open_parts(settings, SourceRegistry(), clock, pages, False) as (engine, loopback),
        open_remote(settings, engine) as opened,
        anyio.create_task_group() as group,
    ):
        group.start_soon(loopback.run, opened.auth_sessions)
        if watch:
            group.start_soon(opened.backend.claims.watch)
        yield opened
        group.cancel_scope.cancel()


@asynccontextmanager
async def _open_parts(
    settings: Settings,
    registry: SourceRegistry,
    clock: Callable[[], datetime],
    pages: PagesUrl | None,
    runs_jobs: bool,
) -> AsyncGenerator[tuple[Engine, LoopbackPages]]:
    """Open store and vault; ``pages`` are the loopback listener's by default."""
    vault = Vault.over(key_source_of(settings))
    loopback = LoopbackPages(settings.callback_port)
    async with open_store(settings, clock) as store:
        await vault.verify(store.data_keys)
        yield (
            Engine(
                store=store,
                registry=registry,
                vault=vault,
                context=source_context(settings),
                clock=clock,
                limits=limits_of(settings),
                mapped_secrets=parse_mapped_secrets(settings),
                pages=pages or loopback.open,
                runs_jobs=runs_jobs,
                models=SettingsModels(settings) if settings.embeddings else None,
                tell_standstill=partial(tell_standstill, settings),
            ),
            loopback,
        )


@asynccontextmanager
async def open_engine(
    settings: Settings,
    *,
    registry: SourceRegistry | None = None,
    run_jobs: bool = True,
    clock: Callable[[], datetime] = utc_now,
    pages: PagesUrl | None = None,
) -> AsyncGenerator[OpenEngine]:
    """Open the engine that the settings ask for, and run its jobs in this process while it is open.

    Without ``run_jobs`` syncs are only queued, for another process. ``pages`` returns the base URL
    of the pages for people; without it a loopback listener opens when they are needed.

    Raises StorageFailed when the database or the key file cannot be opened.
    """
    AllowList.parse(settings.allow_hosts)  # Refuse a bad list at the start.
    async with _open_parts(settings, registry or SourceRegistry(), clock, pages, run_jobs) as parts:
        engine, loopback = parts
        store = engine.store
        lock = ProcessLock(settings.home / PROCESSES_FOLDER_NAME, engine.owner)
        # Without jobs to run there is nobody whose end others must notice.
        with nullcontext() if store.read_only else lock:
            runner = EmbeddedRunner(engine, lock, engine.owner)
            async with anyio.create_task_group() as group:
                if run_jobs and store.read_only:
                    _logger.warning("%s is read-only: no sync runs here", settings.database_path)
                elif run_jobs:
                    group.start_soon(runner.run)
                    group.start_soon(run_scheduler, engine)
                    group.start_soon(keep_house, engine, lock)
                    if settings.embeddings:
                        group.start_soon(_keep_embedder, settings, store)
                group.start_soon(watch_for_changes, engine)
                group.start_soon(watch_files, engine, lock)
                opened = OpenEngine(engine, runner)
                group.start_soon(loopback.run, opened.auth_sessions)
                yield opened
                group.cancel_scope.cancel()


async def _keep_embedder(settings: Settings, store: Store) -> None:
    trouble = embedder_trouble(settings)
    with suppress(OSError):
        # What another process lacked, this one may have.
        trouble.unlink(missing_ok=True)
    models = models_of(settings)
    with suppress(WeftError):
        # At once, as a `weft sync` that finds all embedded by a former model would end.
        await _take_over(store, models[PACKAGED])
    # Nothing else is there to embed yet, and the first answers must not wait for the import.
    await anyio.sleep(EMBEDDER_AFTER_SECONDS)
    from weft.local.jobs.embedder import Embedder, EmbedderKeeper

    command = (sys.executable, *EMBEDDER_ARGUMENTS, "--version", __version__)
    environment, lock = embedder_environment(settings), embedder_lock(settings)
    embedder = Embedder(command, environment, lock=lock, trouble=trouble)
    await EmbedderKeeper(store, embedder, models).run()


async def _take_over(store: Store, model: str | None) -> None:
    """Have what a former packaged model embedded embedded anew, if this process can."""
    present = (await store.vectors.ways()).get(PACKAGED)
    if model and present not in (None, model):
        await anyio.to_thread.run_sync(require_numpy)
        await store.vectors.use_models({PACKAGED: model})


def source_context(settings: Settings) -> SourceContext:
    """Build the context of sources, all of which the operator decides."""
    return SourceContext(
        http=_lazy_http_factory(settings.allow_hosts),
        files_roots=settings.files_roots,
        private_paths=private_paths(settings),
        allow_hosts=settings.allow_hosts,
        options={
            "github_api_url": settings.github_api_url,
            **{f"{name}_api_url": url for name, url in settings.source_urls.items()},
        },
    )


def _lazy_http_factory(allow_hosts: frozenset[str]) -> HttpFactory:
    def make(**options: Any) -> AbstractAsyncContextManager["httpx.AsyncClient"]:
        # Imported late: a server without network sources starts faster without the HTTP stack.
        from weft.net.client import http_factory

        return http_factory(allow_hosts)(**options)

    return make
