"""The part of a store that keeps vectors of entities, and finds the nearest; see `base`.

An entity whose content is new waits to be embedded: the batch that writes it puts it into a queue,
in its own transaction, and takes away the vector of what it was. A vector goes with its entity.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from weft.domain.collections import Collection
from weft.domain.reading import ways
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import Ranked

PACKAGED: Final = ways.PACKAGED
"""The way to embed that a collection has unless somebody decided otherwise."""
EMBEDDED_MAX_CHARS: Final = 8_000
"""No more of a text is handed out to be embedded."""


class Waiting(NamedTuple):
    """An entity that waits to be embedded.

    ``ticket`` is that of its present content: whoever brings a vector of former content is not
    heard. ``way`` is its collection's way to embed.
    """

    ticket: int
    way: str
    title: str
    text: str


class Vector(NamedTuple):
    """A vector of unit length: one bit and one signed byte for each of its dimensions.

    The cosine of two is that of their ``row``; bits that agree stand for it where there are many.
    """

    code: bytes
    row: bytes


class Coverage(NamedTuple):
    """How many of the entities in a scope have a vector, for one way to embed and its model.

    ``model`` is None until `use_models` has named it. ``total`` counts those that wait, too.
    """

    way: str
    model: str | None
    embedded: int
    total: int


class VectorStore(Protocol):
    """Vectors of entities."""

    async def take(self, ways: Sequence[str], limit: int) -> Sequence[Waiting]:
        """Return entities that wait to be embedded in one of these ways, the oldest first.

        Nothing is reserved: what is not put comes again. Those of deleted connections wait until
        they are restored or purged.
        """
        ...

    async def put(self, model: str, vectors: Mapping[int, Vector]) -> int:
        """Store the vectors of these tickets, and end their waiting; return how many were heard.

        A ticket is passed over if its entity is gone or has other content by now, or if its way has
        another model than this one.
        """
        ...

    async def ways(self) -> Mapping[str, str | None]:
        """Return the ways to embed that collections have, each with its present model, if any."""
        ...

    async def use_models(self, models: Mapping[str, str]) -> int:
        """Say which model each way to embed has now; return how many entities wait for it anew.

        Vectors of another model than their way's are never compared.
        """
        ...

    async def set_way(self, collection: Collection, way: str) -> int | None:
        """Embed a collection in another way; return how many entities wait then.

        None if the collection is gone.
        """
        ...

    async def measure(self, scope: Scope) -> Sequence[Coverage]:
        """Count what is embedded in a scope, for each way to embed in it; cheap at any size."""
        ...

    async def nearest(
        self, scope: Scope, model: str, vector: Vector, wanted: EntityFilter, *, limit: int
    ) -> Sequence[Ranked]:
        """Find the entities whose vectors are nearest, best first; the score is the cosine.

        Those that were deleted are never found, and what was embedded since is.
        """
        ...
