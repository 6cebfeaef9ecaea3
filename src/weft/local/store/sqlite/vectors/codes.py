"""The codes of a model's vectors in memory, to find those that differ from another in few bits.

What is here may be gone from the tables: an entity that is known anew is added once more.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.tables.rows import read_value

CHUNK: Final = 32_768
FETCHED: Final = 512
GARBAGE_MIN: Final = 10_000
"""So many codes of what is gone are kept, and a quarter of the others."""
WORD_BYTES: Final = 8
TABLE_MAX: Final = 50_000_000
_UNDATED: Final = -(2**63)
_LATEST: Final = 2**63 - 1

Integers: TypeAlias = NDArray[np.int64]
Distances: TypeAlias = NDArray[np.uint16]

_NO_NUMBERS: Final[Integers] = np.empty(0, np.int64)
_NO_DISTANCES: Final[Distances] = np.empty(0, np.uint16)


class Wanted(NamedTuple):
    """The entities to choose from: of these connections, of a type, and of a time.

    Those whose ids have an ending have its media type, if it stands for one: ``of_ending``.
    """

    owners: frozenset[int]
    of_ending: str | None
    type: str | None
    media_type: str | None
    since: int | None
    until: int | None


class CodeIndex:
    """All codes of a model that have one size, in bytes."""

    def __init__(self, model_no: int, size: int) -> None:
        self.model_no = model_no
        self._values = {"model_no": model_no, "size": size}
        self._words = size // WORD_BYTES
        self._chunks: list[_Chunk] = []
        # Connection, type and media type: one number for each three that occur.
        self._groups: dict[tuple[int, str, str | None], int] = {}
        self._last = 0
        self.count = self._counted = 0
        self._is_worn = False

    def read_on(self, db: Session) -> None:
        """Read what was embedded since the last time."""
        last = read_value(db, "embedding_last")
        if last <= self._last:
            return
        values = self._values | {"after": self._last}
        found = iter(db.execute(queries()["embedding_codes"], values))
        while part := list(islice(found, FETCHED)):
            self._add(part)
            self._last = part[-1][0]
        self._last = last

    def _add(self, found: Sequence[tuple[Any, ...]]) -> None:
        _, nos, owners, types, media_types, times, codes = zip(*found, strict=True)
        keys = zip(owners, types, media_types, strict=True)
        groups = [self._groups.setdefault(key, len(self._groups)) for key in keys]
        times = [_UNDATED if each is None else each for each in times]
        words = np.frombuffer(b"".join(codes), np.uint64).reshape(-1, self._words)
        done = 0
        while done < len(nos):
            if not self._chunks or self._chunks[-1].filled == CHUNK:
                self._chunks.append(_Chunk(self._words))
            part = slice(done, done + CHUNK - self._chunks[-1].filled)
            self._chunks[-1].add(nos[part], groups[part], times[part], words[part])
            done = part.stop
        self.count += len(nos)

    def is_bloated(self, db: Session) -> bool:
        """Return whether there is too much here of what is gone."""
        if self._is_worn:
            return True
        if self.count <= _most(self._counted):
            return False
        self._counted = read_value(db, "embedding_count", self._values)
        return self.count > _most(self._counted)

    def note_gone(self, count: int, among: int) -> None:
        """Take into account that so many are gone among some that were found."""
        self._is_worn |= 4 * count > among

    def select(self, code: bytes, wanted: Wanted) -> "Selection":
        """Compare all that are wanted with a code."""
        words = np.frombuffer(code, np.uint64)
        chosen = Selection(8 * len(code))
        # In this order: while another thread adds codes, the groups of those that it has added are
        # known.
        parts = [(chunk, chunk.filled) for chunk in tuple(self._chunks)]
        allowed = np.fromiter((_is_in(key, wanted) for key in tuple(self._groups)), np.bool_)
        for chunk, count in parts:
            mask = chunk.mask(count, allowed, wanted)
            if mask is None:
                chosen.add(chunk.nos[:count], _measure(chunk.codes[:, :count], words))
                continue
            places = np.flatnonzero(mask)
            if len(places):
                chosen.add(chunk.nos[places], _measure(chunk.codes[:, places], words))
        return chosen


class Selection:
    """Entities in the order of their distances, of which the nearest are taken first."""

    def __init__(self, most: int) -> None:
        self._taken = 0
        self._parts: list[tuple[Integers, Distances]] = []
        self._counts: Integers = np.zeros(most + 1, np.int64)

    @property
    def left(self) -> int:
        """Return how many were not taken yet."""
        return int(self._counts.sum()) - self._taken

    def add(self, nos: Integers, distances: Distances) -> None:
        """Add entities with their distances."""
        self._parts.append((nos, distances))
        self._counts += np.bincount(distances, minlength=len(self._counts))

    def narrow(self, nos: Integers | None) -> bool:
        """Begin anew with those that are among some others; False if nobody knows which."""
        if nos is None:
            return False
        parts, self._parts, self._taken = self._parts, [], 0
        self._counts[:] = 0
        first, last = (int(nos.min()), int(nos.max())) if len(nos) else (0, 0)
        # A table is many times faster than a search in each part; its ends stand for all beyond.
        table = np.zeros(last - first + 3, np.bool_) if last - first < TABLE_MAX else None
        if table is not None:
            table[nos - first + 1] = True
        for part, distances in parts:
            if table is None:
                mask = np.isin(part, nos)
            else:
                mask = table.take(part - first + 1, mode="clip")
            self.add(part[mask], distances[mask])
        return True

    def take(self, count: int) -> Integers:
        """Return the nearest that were not taken yet, until so many are."""
        farthest = np.searchsorted(self._counts.cumsum(), count)
        near = [(nos, distances, distances <= farthest) for nos, distances in self._parts]
        nos = np.concatenate([_NO_NUMBERS, *(nos[mask] for nos, _, mask in near)])
        order = np.concatenate([_NO_DISTANCES, *(d[mask] for _, d, mask in near)])
        nearest = nos[np.argsort(order, kind="stable")[self._taken : count]]
        self._taken += len(nearest)
        return nearest


class _Chunk:
    """Room for some codes, a row for each of their words, and what they are filtered by."""

    def __init__(self, words: int) -> None:
        self.filled = 0
        self.codes = np.empty((words, CHUNK), np.uint64)
        self.nos = np.empty(CHUNK, np.int64)
        self.groups = np.empty(CHUNK, np.int32)
        self.times = np.empty(CHUNK, np.int64)

    def add(
        self,
        nos: Sequence[int],
        groups: Sequence[int],
        times: Sequence[int],
        words: NDArray[np.uint64],
    ) -> None:
        place = slice(self.filled, self.filled + len(nos))
        self.nos[place], self.groups[place], self.times[place] = nos, groups, times
        self.codes[:, place] = words.T
        # Last, as another thread may be reading up to here.
        self.filled = place.stop

    def mask(
        self, count: int, allowed: NDArray[np.bool_], wanted: Wanted
    ) -> NDArray[np.bool_] | None:
        """Return which of the first ``count`` are wanted; None if all of them are."""
        masks: list[NDArray[np.bool_]] = []
        if not allowed.all():
            masks.append(allowed.take(self.groups[:count]))
        if wanted.since is not None or wanted.until is not None:
            times = self.times[:count]
            since = _UNDATED + 1 if wanted.since is None else wanted.since
            masks.append(times >= since)
            masks.append(times < (_LATEST if wanted.until is None else wanted.until))
        return np.logical_and.reduce(masks) if masks else None


def _is_in(key: tuple[int, str, str | None], wanted: Wanted) -> bool:
    owner, kind, media_type = key
    if owner not in wanted.owners or wanted.of_ending not in (None, media_type):
        return False
    return (
        wanted.type is None
        or kind == wanted.type
        or (media_type is not None and media_type == wanted.media_type)
    )


def _measure(codes: NDArray[np.uint64], words: NDArray[np.uint64]) -> Distances:
    """Count the bits in which each code differs."""
    distances = np.zeros(codes.shape[1], np.uint16)
    for row, word in zip(codes, words, strict=True):
        distances += np.bitwise_count(row ^ word)
    return distances


def _most(count: int) -> int:
    return count + max(GARBAGE_MIN, count // 4)
