"""`objects`: the files in a bucket of S3, a compatible store, Google Cloud Storage or Azure.

Each fetch lists the bucket page by page, and downloads only what has another tag than the stored
version. The listings are read here and not by a library of object stores: the one that was tried
(obstore 0.12) takes a page that says "more" without saying where, and any page in HTML, for the
end of the list, which would delete what is stored; and it fails for good at one key with `//`.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Final, TypeVar, TypeVarTuple, cast
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from pydantic import BaseModel

from weft.domain.base import Json
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    RateLimited,
    SourceMisconfigured,
    WeftError,
)
from weft.net.addresses import AddressRefused
from weft.net.urls import is_loopback
from weft.sources.base import (
    Complete,
    Event,
    Failed,
    Incomplete,
    Named,
    PreviewEvent,
    Skipped,
    Source,
    SourceContext,
)
from weft.sources.files.ignore import fits_one
from weft.sources.objects import azure, gcs, s3
from weft.sources.objects.choose import Choice, id_of, key_of
from weft.sources.objects.config import ObjectsConfig, ObjectsCredentials
from weft.sources.objects.places import Provider
from weft.sources.objects.reader import ObjectReader
from weft.sources.objects.store import PAGE_SIZE, Listed, Store, broken_list
from weft.sources.patterns import PatternWatch, locate_below, pin_patterns

OBJECTS_MAX: Final = 1_000_000
PAGES_MAX: Final = 20_000
AT_ONCE: Final = 4
FAILURES_IN_A_ROW_MAX: Final = 24
ASKED_AGAIN_MAX: Final = 20
_EVIDENCE: Final = "the last page of the listing names no next one"
# These travel as they are; of the others, only signatures do.
_TRAVELLING: Final = {"session_token", "service_account_key", "sas_token"}

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ObjectsSource(Source[ObjectsConfig, ObjectsCredentials]):
    """The files in one bucket, or in one folder of it."""

    short_name = "objects"
    name = "Object storage"
    description = "Files in a bucket: S3 (AWS, MinIO, R2 …), Google Cloud Storage, Azure Blob."
    Config = ObjectsConfig
    Credentials = ObjectsCredentials
    entity_types = ("file",)
    labels = ("documents", "cloud", "storage", "s3", "aws", "gcs", "azure", "minio")
    page_size: ClassVar[int] = PAGE_SIZE

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the origin of the store; AWS has one for all regions."""
        del options
        config = cast("ObjectsConfig", config)
        url = urlsplit(_CLOUDS[config.place.provider].endpoint_of(config))
        return f"{url.scheme}://{url.netloc}"

    @classmethod
    def credential_scope(cls, config: BaseModel) -> str:
        """Return the account and bucket: many people have theirs at one store."""
        config = cast("ObjectsConfig", config)
        path = urlsplit(config.endpoint or "").path
        return "/".join((config.account_name or "", path, config.place.bucket))

    @classmethod
    def pin(cls, config: BaseModel, context: SourceContext) -> Json:
        """Write the patterns from the configured folder on."""
        del context
        config = cast("ObjectsConfig", config)
        return {"url": config.url, **pin_patterns(config, locate_below(config.url))}

    async def check(self) -> str:
        """List the first name."""
        async with self._open_store() as store, aclosing(self._list_pages(store, 1)) as pages:
            async for page in pages:
                if page:
                    return f"{self.config.url} can be listed"
        return f"{self.config.url} can be listed, and holds nothing"

    async def preview(self) -> AsyncGenerator[PreviewEvent]:
        """Name what would be read by name and size, which may yet turn out to be binary."""
        config = self.config
        watch = PatternWatch({"include": config.include, "exclude": config.exclude}, fits_one)
        choice = Choice(config)
        async with self._open_store() as store:
            reader = ObjectReader(config, store)
            async for page in self._list_pages(store, type(self).page_size):
                for item in await _run_in_thread(choice.choose, page, watch):
                    if isinstance(item, Listed) and reader.explain_unread(item) is None:
                        yield Named(id_of(item.key), "file")
        for unmatched in await _run_in_thread(watch.list_unmatched):
            yield unmatched
        yield Complete(_EVIDENCE)

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield every object, in the order of the listing; there is no cursor."""
        del cursor
        choice = Choice(self.config)
        missing = set(await self.context.stored_ids(OBJECTS_MAX))
        async with self._open_store() as store:
            reading = _Reading(ObjectReader(self.config, store))
            count = 0
            async for page in self._list_pages(store, type(self).page_size):
                items = await _run_in_thread(choice.choose, page)
                missing.difference_update(_id_of_item(item) for item in items)
                count += len(items)
                if count > OBJECTS_MAX:
                    yield Incomplete(f"there are more than {OBJECTS_MAX:,} objects")
                    return
                known = await self.context.known_versions([_id_of_item(item) for item in items])
                async for event in reading.read_page(items, known):
                    yield event
            if gap := await _find_gap(store, choice, missing):
                yield Incomplete(gap)
        yield Complete(_EVIDENCE)

    @asynccontextmanager
    async def _open_store(self) -> AsyncGenerator[Store]:
        config, provider = self.config, self.config.place.provider
        self._refuse_foreign_credentials(provider)
        opened = _CLOUDS[provider].open(self.context.http, config, self.credentials)
        try:
            async with opened as store:
                yield store
        except AddressRefused as error:
            error.field = error.field or ("endpoint" if config.endpoint else "url")
            raise

    def _refuse_foreign_credentials(self, provider: Provider) -> None:
        given = {name for name, value in self.credentials if value is not None}
        if foreign := given - _CLOUDS[provider].credentials:
            field = min(foreign)
            scheme = self.config.url.partition(":")[0]
            raise AuthenticationFailed(
                f"{field} is no credential for {scheme}://.",
                hint=f"Give {' and '.join(sorted(_CLOUDS[provider].credentials))}, or none.",
            )
        url = urlsplit(self.config.endpoint or "https:")
        if given & _TRAVELLING and url.scheme == "http" and not is_loopback(url.hostname or ""):
            raise SourceMisconfigured(
                f"{min(given & _TRAVELLING)} must not travel without TLS.",
                field="endpoint",
                hint="Use https.",
            )

    async def _list_pages(self, store: Store, limit: int) -> AsyncGenerator[list[Listed]]:
        """Yield the pages of the configured folder, or the one object of that name."""
        prefix = self.config.place.prefix
        is_empty, following, before = True, None, None
        for _ in range(PAGES_MAX):
            page = await store.list_page(prefix and f"{prefix}/", following, limit)
            is_empty = is_empty and not page.objects
            yield page.objects
            before, following = following, page.following
            if following is None:
                break
            if following == before:
                raise broken_list("names the same page as the next one again")
        else:
            raise broken_list(f"has more than {PAGES_MAX:,} pages")
        if prefix and is_empty:
            # Keys are sorted, so the object of that very name comes before all that begin so.
            page = await store.list_page(prefix, None, 1)
            yield [listed for listed in page.objects if listed.key == prefix.encode()]


@dataclass(frozen=True, slots=True)
class _Cloud:
    """How a cloud's stores are opened, and which credentials it takes."""

    open: Callable[..., AbstractAsyncContextManager[Store]]
    endpoint_of: Callable[[ObjectsConfig], str]
    credentials: frozenset[str]


_CLOUDS: Final[dict[Provider, _Cloud]] = {
    "s3": _Cloud(
        s3.open_s3,
        s3.endpoint_of,
        frozenset({"access_key_id", "secret_access_key", "session_token"}),
    ),
    "gcs": _Cloud(gcs.open_gcs, gcs.endpoint_of, frozenset({"service_account_key"})),
    "azure": _Cloud(azure.open_azure, azure.endpoint_of, frozenset({"account_key", "sas_token"})),
}


class _Reading:
    """Reads pages, some objects at once, and gives up where nothing can be read."""

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader
        self._failures = 0

    async def read_page(
        self, items: Sequence[Listed | Skipped], known: Mapping[str, str]
    ) -> AsyncGenerator[Event]:
        """Yield one event for each item, in their order."""
        rest = iter(items)
        while batch := [self._judge(item, known) for item in islice(rest, AT_ONCE)]:
            outcomes = await self._read_batch([item for item in batch if isinstance(item, Listed)])
            for item in batch:
                yield self._event_of(item, outcomes[item.key]) if isinstance(item, Listed) else item

    def _judge(self, item: Listed | Skipped, known: Mapping[str, str]) -> Event | Listed:
        if isinstance(item, Skipped):
            return item
        return self._reader.explain_unread(item, known.get(id_of(item.key))) or item

    async def _read_batch(self, batch: Sequence[Listed]) -> dict[bytes, Event | WeftError]:
        found: dict[bytes, Event | WeftError] = {}

        async def load(listed: Listed) -> None:
            # Keep the error: raised here, it would be in an ExceptionGroup.
            try:
                found[listed.key] = await self._reader.read(listed)
            except WeftError as error:
                found[listed.key] = error

        async with anyio.create_task_group() as group:
            for listed in batch:
                group.start_soon(load, listed)
        return found

    def _event_of(self, listed: Listed, outcome: Event | WeftError) -> Event:
        """Return the event of one object. Raises errors that are about all of them."""
        if not isinstance(outcome, WeftError):
            self._failures = 0
            return outcome
        self._failures += 1
        if isinstance(outcome, AuthenticationFailed | RateLimited) or outcome.field:
            raise outcome
        if self._failures == FAILURES_IN_A_ROW_MAX:
            outcome.message = f"{self._failures} objects in a row failed. {outcome.message}"
            outcome.hint = f"{outcome.hint or ''} What is not to be read goes into exclude.".strip()
            raise outcome
        return Failed(id_of(listed.key), outcome.message)


async def _find_gap(store: Store, choice: Choice, missing: Collection[str]) -> str | None:
    """Ask for some of the objects that are stored, and not listed any more.

    A page that lost its entries looks like one that never had them, and nothing in it tells.
    """
    keys = await _run_in_thread(_choose_missing, choice, missing)
    try:
        for key in keys:
            if await store.has(key):
                return "the list left out objects that are there"
    except AccessDenied:
        return "objects that are not in the list any more could not be asked for"
    return None


def _choose_missing(choice: Choice, missing: Collection[str]) -> list[bytes]:
    """Return keys that the configuration still wants, from all over the bucket."""
    keys = sorted(key for i in missing if choice.wants(key := key_of(i)))
    step = max(1, len(keys) // ASKED_AGAIN_MAX)
    return keys[::step][:ASKED_AGAIN_MAX]


def _id_of_item(item: Listed | Skipped) -> str:
    return item.id if isinstance(item, Skipped) else id_of(item.key)


async def _run_in_thread(work: Callable[[*Ts], T], *args: *Ts) -> T:
    return await anyio.to_thread.run_sync(work, *args, abandon_on_cancel=True)
