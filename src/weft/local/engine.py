"""The engine that the local backend's parts share: store, sources, vault, clock, change signals."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
from pydantic import BaseModel

from weft.domain.base import Json
from weft.local.audit import Refusals
from weft.local.embedding.encoder import Models
from weft.local.job_holds import JobHolds
from weft.local.origins import normal_origin
from weft.local.store.base import Store
from weft.local.store.brake import BRAKE_DEFAULTS, DeletionBrake
from weft.local.store.records import KEPT_NAMES
from weft.local.validate import validate
from weft.local.vault.vault import Vault
from weft.sources.base import AnySource, SourceContext
from weft.sources.registry import SourceRegistry


def utc_now() -> datetime:
    """Read the wall clock."""
    return datetime.now(UTC)


class Signal:
    """Wakes tasks of this process that wait for a change.

    Take a `mark`, look at the state, then `wait` for that mark, so that no change is missed.
    """

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._wanted = anyio.Event()
        self._waiting = 0

    def announce(self) -> None:
        """Wake all waiting tasks: something changed."""
        event, self._event = self._event, anyio.Event()
        event.set()

    def mark(self) -> anyio.Event:
        """Return a mark of this moment, for `wait`."""
        return self._event

    async def wait(self, mark: anyio.Event, seconds: float) -> None:
        """Wait until something has changed since ``mark``, but at most ``seconds``."""
        self._waiting += 1
        self._wanted.set()
        try:
            with anyio.move_on_after(seconds):
                await mark.wait()
        finally:
            self._waiting -= 1

    async def wait_until_wanted(self) -> None:
        """Wait until some task waits; until then nobody needs to look for changes."""
        while not self._waiting:
            self._wanted = anyio.Event()
            await self._wanted.wait()


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """The operator's limits on what this process does at once, and for how long."""

    syncs: int = 2
    syncs_per_host: int = 2
    lease: timedelta = timedelta(seconds=30)
    retries: int = 3
    kept_jobs: int = 100
    kept_changes: int = KEPT_NAMES
    kept_audit: timedelta = timedelta(days=365)
    undo: timedelta = timedelta(hours=72)
    brake: DeletionBrake = BRAKE_DEFAULTS


@dataclass(frozen=True, slots=True)
class MappedSecret:
    """A secret that `config.toml` maps, with the place of its value and where it may go."""

    env: str | None
    file: Path | None
    sources: tuple[str, ...]
    hosts: tuple[str, ...]


MappedSecrets = Mapping[str, Mapping[str, MappedSecret]]
"""By organisation and name."""


@dataclass(frozen=True)
class Engine:
    """Everything that the local backend's parts share; one in each process.

    ``pages`` opens the pages for people if need be and returns their base URL; it is None in a
    process that shows none. Without ``runs_jobs`` this process only queues them. ``owner`` is the
    name under which it holds jobs. Without ``models``, search is by words alone; if what waits to
    be embedded stands still, ``tell_standstill`` reads why.
    """

    store: Store
    registry: SourceRegistry
    vault: Vault
    context: SourceContext
    clock: Callable[[], datetime] = utc_now
    limits: EngineLimits = EngineLimits()
    changes: Signal = field(default_factory=Signal)
    work: Signal = field(default_factory=Signal)
    pages: Callable[[], Awaitable[str]] | None = None
    refusals: Refusals = field(default_factory=Refusals)
    holds: JobHolds = field(default_factory=JobHolds)
    runs_jobs: bool = True
    owner: str = field(default_factory=lambda: str(uuid.uuid4()))
    models: Models | None = None
    tell_standstill: Callable[[], str | None] = lambda: None
    mapped_secrets: MappedSecrets = field(default_factory=dict[str, Mapping[str, MappedSecret]])

    def open_source(
        self,
        short_name: str,
        config: Json,
        credentials: Json,
        context: SourceContext | None = None,
    ) -> AnySource:
        """Create a source, ready to check or fetch. Raises InvalidInput naming the bad field."""
        kind = self.registry.get(short_name)
        settings = validate(kind.Config, config, field="config")
        secrets = self.parse_credentials(kind, credentials)
        return kind(settings, secrets, context or self.context)

    async def pin(self, kind: type[AnySource], config: Json) -> Json:
        """Return the configuration to store; see `Source.pin`. Raises InvalidInput."""
        settings = validate(kind.Config, config, field="config")
        return config | await anyio.to_thread.run_sync(kind.pin, settings, self.context)

    def parse_credentials(self, kind: type[AnySource], credentials: Json) -> BaseModel:
        """Parse credentials into the source's model. Raises InvalidInput, naming fields only."""
        return validate(kind.Credentials, credentials, field="auth.direct.credentials", secret=True)

    def endpoint(self, short_name: str, config: Json) -> str:
        """Return the normalised origin that receives the credentials; empty without a network."""
        kind = self.registry.get(short_name)
        settings = validate(kind.Config, config, field="config")
        return normal_origin(kind.endpoint(settings, self.context.options) or "")

    async def seal(
        self, organization_id: str, connection_id: str, endpoint: str, credentials: Json
    ) -> str:
        """Encrypt credentials for one endpoint and one connection or other owner.

        `DataKeyStore.drop` removes the owner's data key; deleting a connection removes its own.
        """
        bound_to = ("credentials", endpoint)
        return await self.vault.seal(
            self.store.data_keys, organization_id, connection_id, credentials, bound_to
        )

    async def is_lost(self, organization_id: str, owner: str, sealed: str | None) -> bool:
        """Tell whether the data key of a sealed text is gone, so that the secret is lost."""
        return sealed is not None and await self.vault.is_lost(
            self.store.data_keys, organization_id, owner, sealed
        )

    async def unseal(
        self, organization_id: str, connection_id: str, endpoint: str, sealed: str | None
    ) -> Json:
        """Decrypt. Raises AuthenticationFailed if it was sealed for another owner or endpoint."""
        if sealed is None:
            return {}
        bound_to = ("credentials", endpoint)
        return await self.vault.unseal(
            self.store.data_keys, organization_id, connection_id, sealed, bound_to
        )
