"""Makes a listing go wrong at each of its places, to show that nothing is deleted because of it.

`SourceCase.faults` names the ways in which the listing of a source can go wrong: `HttpFaults` for
all that is read over the guarded client, `FolderFaults` for what is read from a disk, or an own
`ListingFaults`. `try_faults` counts, for each fault, the places where it was tried and where the
listing held.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import CursorExpired, WeftError
from weft.sources.base import (
    AnySource,
    Checkpoint,
    Complete,
    Deleted,
    Event,
    Failed,
    Incomplete,
    Skipped,
    SourceContext,
    Unchanged,
)


@dataclass
class StoredCopy:
    """The entities that a store would hold after the fetches so far; see `take`."""

    entities: dict[str, Entity] = field(default_factory=dict[str, Entity])
    cursor: Json | None = None

    @property
    def versions(self) -> dict[str, str]:
        """Versions by id, as the engine hands them to the next fetch."""
        return {i: e.version for i, e in self.entities.items() if e.version is not None}

    @property
    def texts(self) -> dict[str, str]:
        """Texts by id."""
        return {i: e.text for i, e in self.entities.items()}

    def copy(self) -> "StoredCopy":
        """Return a copy that later fetches do not change."""
        return StoredCopy(dict(self.entities), self.cursor)

    async def take(self, source: AnySource, cursor: Json | None = None) -> None:
        """Store what one fetch yields, as the engine does. Raises what the source raises."""
        seen: set[str] = set()
        complete: Complete | None = None
        gap, left = False, None
        async with aclosing(source.fetch(cursor)) as events:
            async for event in events:
                self._store(event, seen)
                if isinstance(event, Complete):
                    complete = event
                gap = gap or isinstance(event, Incomplete)
                if isinstance(event, Checkpoint):
                    left = event.cursor
        whole = complete if cursor is None and not gap else None
        if whole and whole.doubt and not self.entities.keys() <= seen:
            return  # The deletions are held, and the memory stays as it was.
        self.cursor = self.cursor if left is None else left
        if whole:
            self.entities = {i: e for i, e in self.entities.items() if i in seen}

    def _store(self, event: Event, seen: set[str]) -> None:
        match event:
            case Entity():
                self.entities[event.id] = event
                seen.add(event.id)
            case Unchanged() | Failed():
                seen.add(event.id)
            case Skipped() | Deleted():
                self.entities.pop(event.id, None)
            case _:
                pass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at one place, counted from 0 in the order in which a good listing comes by."""

    name: str
    place: int


Make = Callable[..., AnySource]
"""Makes the source with ``known`` versions, a ``last_cursor`` and a ``context``."""


class ListingFaults(ABC):
    """The ways in which a listing can go wrong. None of them takes real time."""

    @abstractmethod
    def record(self, context: SourceContext) -> AbstractAsyncContextManager[SourceContext]:
        """Watch a good listing in this block, in the context given here, to find the places."""

    @abstractmethod
    def plan(self) -> Collection[Fault]:
        """Return the faults at all places that the last recorded listing came by."""

    @abstractmethod
    def inject(
        self, fault: Fault, context: SourceContext
    ) -> AbstractAsyncContextManager[SourceContext]:
        """Let the fault happen to what reads in this block, in the context given here."""

    def mangle(
        self, seed: int, context: SourceContext
    ) -> AbstractAsyncContextManager[SourceContext] | None:
        """Give values of other types to what reads in this block; None where there are no types."""
        del seed, context
        return None

    def limit(
        self, seconds: int, context: SourceContext
    ) -> AbstractAsyncContextManager[SourceContext] | None:
        """Ask what reads in this block to wait so long; None where nobody can ask."""
        del seconds, context
        return None

    @property
    @abstractmethod
    def hit(self) -> bool:
        """Return whether the last injected fault has happened."""


@dataclass
class FaultTable:
    """Counts, by fault, of tries and of listings that held; and a line for each that broke."""

    tried: Counter[str] = field(default_factory=Counter[str])
    held: Counter[str] = field(default_factory=Counter[str])
    broken: list[str] = field(default_factory=list[str])

    @property
    def totals(self) -> str:
        """Return both numbers over all faults."""
        return f"{self.tried.total()} tried, {self.held.total()} held"

    def __str__(self) -> str:
        rows = [f"{name}: {n} tried, {self.held[name]} held" for name, n in self.tried.items()]
        return "\n".join([*rows, self.totals, *self.broken])


async def try_faults(
    make: Make, context: SourceContext, faults: ListingFaults, share: int = 1
) -> FaultTable:
    """Sync once, then list again with each fault at each place, and see what is lost.

    A ``share`` of 4 tries about each fourth of them; see `choose_faults`.

    Each is tried on a listing that knows versions and on one that reads all anew, and if the
    source goes on from cursors, from its last one. A listing holds if nothing is deleted, the
    source raises only our errors, and a good listing afterwards restores what the fault changed.
    """
    table = FaultTable()
    whole = StoredCopy()
    await whole.take(make(context=context))
    for start, (name, known, cursor) in enumerate(_ways(make(context=context), whole)):
        async with faults.record(context) as watched:
            source = make(
                known=known, stored=whole.entities, last_cursor=whole.cursor, context=watched
            )
            await whole.copy().take(source, cursor)
        for fault in choose_faults(faults.plan(), share, start):
            copy = whole.copy()
            trouble = None
            async with faults.inject(fault, context) as bad:
                source = make(
                    known=known, stored=copy.entities, last_cursor=copy.cursor, context=bad
                )
                trouble = await _take_badly(copy, source, cursor)
            if not faults.hit:
                continue
            table.tried[fault.name] += 1
            trouble = trouble or await _find_harm(make, context, whole, copy)
            if trouble is None:
                table.held[fault.name] += 1
            else:
                table.broken.append(f"{fault.name} at place {fault.place}, {name}: {trouble}")
    return table


def choose_faults(plan: Collection[Fault], share: int, start: int) -> list[Fault]:
    """Choose one of ``share`` faults, the same each time, and others for another ``start``.

    Each fault keeps a place at least, and where there are enough of them each place a fault.
    """
    places = Counter(fault.name for fault in plan)
    order = {name: number for number, name in enumerate(places, start)}
    return [
        fault
        for fault in plan
        if (order[fault.name] + fault.place) % min(share, places[fault.name]) == 0
    ]


def _ways(source: AnySource, whole: StoredCopy) -> list[tuple[str, Mapping[str, str], Json | None]]:
    ways: list[tuple[str, Mapping[str, str], Json | None]] = [
        ("known versions", whole.versions, None),
        ("all anew", {}, None),
    ]
    if source.supports_continuous:
        ways.append(("from the cursor", whole.versions, whole.cursor))
    return ways


async def _take_badly(copy: StoredCopy, source: AnySource, cursor: Json | None) -> str | None:
    try:
        try:
            await copy.take(source, cursor)
        except CursorExpired:
            await copy.take(source, None)
    except WeftError:
        return None
    except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
        return f"crashed with {type(error).__name__}"
    return None


async def _find_harm(
    make: Make, context: SourceContext, whole: StoredCopy, copy: StoredCopy
) -> str | None:
    lost = whole.entities.keys() - copy.entities.keys()
    if lost:
        return f"lost {len(lost)} of {len(whole.entities)}, such as {min(lost)}"
    if copy.texts != whole.texts or copy.cursor != whole.cursor:
        # What took the place of a page may be told from it only once both were seen.
        for _ in range(2):
            await copy.take(make(known=copy.versions, last_cursor=copy.cursor, context=context))
        if copy.texts != whole.texts:
            return "was not restored by good listings afterwards"
    return None
