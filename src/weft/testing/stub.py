"""A source that follows a script: slow, failing, changing or incomplete, as its config says.

It is not in the catalogue. A test that builds its own engine passes `stub_registry`; a test that
starts a separate process puts the folder of `write_stub_plugin` on that process's PYTHONPATH,
which adds the stubs by entry point, exactly as a third party's package would.
"""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import anyio
import anyio.lowlevel
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    CursorExpired,
    RateLimited,
    SourceUnavailable,
    Unsupported,
)
from weft.sources.base import (
    AnySource,
    Checkpoint,
    Complete,
    Deleted,
    Event,
    Expect,
    Failed,
    Incomplete,
    Named,
    Omitted,
    PreviewEvent,
    Skipped,
    Source,
    Unchanged,
)
from weft.sources.registry import ENTRY_POINT_GROUP, SourceRegistry

BAD_TOKEN = "bad"  # noqa: S105 (the value that the stub refuses)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

TURN_EVERY = 64

ErrorChoice = Literal["auth", "access", "unavailable", "rate_limited", "crash"]


Omission = Literal["limit", "older", "dead_links"]


class StubConfig(BaseModel):
    """The script. Entities are numbered from 0; generation 0 lists the numbers 0 to entities-1."""

    model_config = ConfigDict(extra="forbid")

    entities: int = Field(default=10, ge=0, description="How many entities there are.")
    text_chars: int = Field(default=200, ge=0, description="Length of each text, in characters.")
    seconds_per_entity: float = Field(default=0, ge=0, description="Pause before each entity.")
    rate: float | None = Field(
        default=None, gt=0, description="Entities per second, instead of seconds_per_entity."
    )
    page_size: int = Field(default=100, ge=1, description="Entities between two checkpoints.")
    fail_at: int | None = Field(
        default=None, ge=0, description="The entity number at which the error is raised."
    )
    error: ErrorChoice = Field(default="unavailable", description="What is raised at fail_at.")
    retry_after: float | None = Field(default=None, description="Seconds that rate_limited names.")
    failed_every: int = Field(default=0, ge=0, description="Each such number fails; 0 for none.")
    skipped_every: int = Field(default=0, ge=0, description="Each such is skipped; 0 for none.")
    incomplete: bool = Field(default=False, description="Say that the listing has a gap.")
    beyond: int | None = Field(default=None, description="Omit so many; -1: an unknown number.")
    omission: Omission = Field(default="limit", description="How what is omitted is told.")
    generation: int = Field(default=0, ge=0, description="The upstream's age, in changes.")
    change_every: int = Field(
        default=0,
        ge=0,
        description="With N: each generation changes every Nth entity, drops the first "
        "entities // N and adds as many at the end. 0: generations change nothing.",
    )
    versions: bool = Field(default=False, description="Give versions, and yield Unchanged.")
    expire_cursor: bool = Field(default=False, description="Refuse every cursor as expired.")
    previews: bool = Field(default=False, description="Tell before a sync what it would read.")


class StubCredentials(BaseModel):
    """An optional token; the value "bad" is refused."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr | None = Field(default=None, description="Any value but the bad one.")


class SecretStubCredentials(BaseModel):
    """A required token; the value "bad" is refused."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr = Field(description="Any value but the bad one.")


class StubSource(Source[StubConfig, StubCredentials | SecretStubCredentials]):
    """Yields numbered entities as its configuration scripts them."""

    short_name = "stub"
    name = "Stub"
    description = "Scripted entities for tests: slow, failing, changing or incomplete as configured"
    Config = StubConfig
    Credentials = StubCredentials
    supports_continuous = True
    cursor_fields = ("last_entity",)
    entity_types = ("note",)
    labels = ("testing",)

    async def check(self) -> str:
        """Refuse the bad token, accept everything else."""
        await anyio.lowlevel.checkpoint()
        self._refuse_bad_token()
        return f"{self.config.entities} scripted entities"

    async def preview(self) -> AsyncGenerator[PreviewEvent]:
        """Name what a full sync would store, without pause or error."""
        config = self.config
        if not config.previews:
            raise Unsupported("The script has no preview.")
        for number in _numbers(config):
            if not (_hits(number, config.failed_every) or _hits(number, config.skipped_every)):
                yield Named(entity_id(number), "note")
        if config.incomplete:
            yield Incomplete("the script says that the listing has a gap")
        yield Complete("the script's numbers are all named")

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Follow the script from the cursor on."""
        config = self.config
        self._refuse_bad_token()
        seen = _Position.parse(cursor, config)
        yield Expect(sum(1 for _ in _numbers_to_list(config, seen)))
        for number in _numbers_to_delete(config, seen):
            yield Deleted(entity_id(number))
        for position, number in enumerate(_numbers_to_list(config, seen), start=1):
            await self._pause(position)
            yield await self._event(number)
            if position % config.page_size == 0:
                yield _checkpoint(config, number)
        if config.incomplete:
            yield Incomplete("the script says that the listing has a gap")
        if config.beyond is not None:
            count = config.beyond if config.beyond >= 0 else None
            yield Omitted(FindingKind(config.omission), count, "entities")
        yield _checkpoint(config, _numbers(config).stop - 1)
        yield Complete("the script's numbers are all named")

    async def _pause(self, position: int) -> None:
        rate, seconds = self.config.rate, self.config.seconds_per_entity
        pause = 1 / rate if rate else seconds
        # Without a pause, still give the event loop a turn, but not often enough to cost time.
        if pause or position % TURN_EVERY == 0:
            await anyio.sleep(pause)

    async def _event(self, number: int) -> Event:
        config = self.config
        if number == config.fail_at:
            raise self._error()
        if _hits(number, config.failed_every):
            return Failed(entity_id(number), "scripted failure")
        if _hits(number, config.skipped_every):
            return Skipped(entity_id(number), "scripted skip")
        entity = stub_entity(config, number)
        if entity.version is not None:
            known = await self.context.known_versions([entity.id])
            if known.get(entity.id) == entity.version:
                return Unchanged(entity.id)
        return entity

    def _error(self) -> Exception:
        match self.config.error:
            case "auth":
                return AuthenticationFailed("The stub's token was refused.")
            case "access":
                return AccessDenied("The stub's token does not reach this.")
            case "unavailable":
                return SourceUnavailable("The stub is not available.")
            case "rate_limited":
                return RateLimited("The stub is busy.", retry_after=self.config.retry_after)
            case "crash":
                # A careless source may put a secret into its exception; nothing may show it.
                token = self.credentials.token
                return RuntimeError(f"crashed with {token.get_secret_value() if token else None}")

    def _refuse_bad_token(self) -> None:
        token = self.credentials.token
        if token is not None and token.get_secret_value() == BAD_TOKEN:
            raise AuthenticationFailed("The stub's token was refused.", hint="Give another token.")


class SecretStubSource(StubSource):
    """The same script behind a token that must be given."""

    short_name = "secret_stub"
    name = "Secret Stub"
    description = "Scripted entities for tests, behind a token that is required"
    Credentials = SecretStubCredentials


@dataclass(frozen=True, slots=True)
class ExpectedCounts:
    """The counts that a sync of a later generation reports, without failed or skipped numbers."""

    inserted: int
    updated: int
    deleted: int
    unchanged: int


def expected_counts(config: StubConfig, earlier_generation: int) -> ExpectedCounts:
    """Count what a sync reports after a complete one of an earlier generation."""
    before = _numbers(config.model_copy(update={"generation": earlier_generation}))
    after = _numbers(config)
    kept = range(after.start, max(after.start, min(before.stop, after.stop)))
    changed = earlier_generation != config.generation
    updated = sum(_changes(config, n) for n in kept) if changed else 0
    return ExpectedCounts(
        inserted=len(after) - len(kept),
        updated=updated,
        deleted=len(before) - len(kept),
        unchanged=len(kept) - updated,
    )


def expected_texts(config: StubConfig) -> dict[str, str]:
    """Return the texts by id that are stored after a complete sync."""
    return {entity_id(n): stub_entity(config, n).text for n in _numbers(config)}


def entity_id(number: int) -> str:
    """Return the id of the entity with this number."""
    return f"stub-{number}"


def stub_entity(config: StubConfig, number: int) -> Entity:
    """Build the entity with this number as scripted; the word ``entity<N>`` is in it."""
    revision = config.generation if _changes(config, number) else 0
    words = f"entity{number} revision{revision} "
    filler = "the quick brown fox jumps over the lazy dog "
    repeats = max(0, config.text_chars - len(words)) // len(filler) + 1
    return Entity(
        id=entity_id(number),
        type="note",
        title=f"Note {number}",
        text=(words + filler * repeats)[: config.text_chars],
        url=f"https://stub.invalid/notes/{number}",
        updated_at=EPOCH + timedelta(seconds=number + revision),
        metadata={"number": number, "revision": revision},
        breadcrumbs=("stub",),
        version=f"{revision}" if config.versions else None,
    )


def stub_registry() -> SourceRegistry:
    """Return the installed sources and the stubs."""
    return SourceRegistry(extra={source.short_name: source for source in _stubs()})


def write_stub_plugin(folder: Path) -> Path:
    """Make ``folder`` an installed package that adds the stubs by entry point.

    With the folder on PYTHONPATH, a separate process of the unchanged program has the stubs.
    """
    info = folder / "weft_stub-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weft-stub\nVersion: 1.0\n")
    points = "".join(
        f"{source.short_name} = {source.__module__}:{source.__name__}\n" for source in _stubs()
    )
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{points}")
    return folder


def _stubs() -> tuple[type[AnySource], ...]:
    # Imported here because these load the HTTP stack.
    from weft.testing.oauth_stub import OAuth1StubSource, OAuthStubSource

    return StubSource, SecretStubSource, OAuthStubSource, OAuth1StubSource


@dataclass(frozen=True, slots=True)
class _Position:
    """The place that an earlier fetch reached: a number (-1 for none) and its generation."""

    last: int
    generation: int

    @classmethod
    def parse(cls, cursor: Json | None, config: StubConfig) -> "_Position":
        if cursor is None:
            return cls(last=-1, generation=config.generation)
        last, generation = cursor.get("last_entity"), cursor.get("generation", 0)
        if not isinstance(last, int) or not isinstance(generation, int) or config.expire_cursor:
            raise CursorExpired("The stub's cursor is no longer valid.")
        if generation > config.generation:
            raise CursorExpired("The stub's cursor is ahead of its generation.")
        return cls(last, generation)


def _numbers(config: StubConfig) -> range:
    step = config.entities // config.change_every if config.change_every else 0
    start = step * config.generation
    return range(start, start + config.entities)


def _numbers_to_delete(config: StubConfig, seen: _Position) -> Iterator[int]:
    before = _numbers(config.model_copy(update={"generation": seen.generation}))
    stop = min(_numbers(config).start, seen.last + 1)
    yield from range(before.start, max(before.start, stop))


def _numbers_to_list(config: StubConfig, seen: _Position) -> Iterator[int]:
    changed = seen.generation != config.generation
    for number in _numbers(config):
        if number > seen.last or (changed and _changes(config, number)):
            yield number


def _changes(config: StubConfig, number: int) -> bool:
    return config.change_every > 0 and number % config.change_every == 0


def _hits(number: int, every: int) -> bool:
    return every > 0 and (number + 1) % every == 0


def _checkpoint(config: StubConfig, last: int) -> Checkpoint:
    return Checkpoint({"last_entity": last, "generation": config.generation})
