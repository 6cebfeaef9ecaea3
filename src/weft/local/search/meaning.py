"""Ranks entities by what they mean: their vectors beside the query's."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import anyio.to_thread

from weft.domain.reading.ways import ENDPOINT, PACKAGED
from weft.errors import WeftError
from weft.local.embedding.codes import binarize, quantize
from weft.local.embedding.encoder import Encoder, Models
from weft.local.store.base import Store
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import Ranked
from weft.local.store.vectors import Coverage, Vector

CANDIDATES: Final = 100
"""The entities of each ranking that are joined."""

_OTHER_MODEL: Final = "What is embedded was so by another model; it waits to be embedded anew."


class Meaning(NamedTuple):
    """Rankings by meaning, one for each model, and the note that an incomplete one needs.

    ``strong`` are those that are near enough to be about the same thing.
    """

    rankings: Sequence[Sequence[Ranked]] = ()
    strong: frozenset[int] = frozenset()
    note: str = ""

    @property
    def is_any(self) -> bool:
        """Tell whether anything was compared by meaning."""
        return bool(self.rankings)

    def with_note(self, note: str) -> "Meaning":
        """Return the same with another note behind its own."""
        return self._replace(note=" ".join(filter(None, (self.note, note))))


async def rank_by_meaning(
    store: Store,
    models: Models,
    scope: Scope,
    query: str,
    wanted: EntityFilter,
    tell_standstill: Callable[[], str | None],
    *,
    with_far: bool = False,
) -> Meaning:
    """Rank what is embedded. A model that cannot be had is told in the note, not raised.

    What has nothing in common with the query is left out, unless it is wanted ``with_far``.
    """
    covered = await store.vectors.measure(scope)
    rankings: list[Sequence[Ranked]] = []
    strong: set[int] = set()
    notes: list[str] = []
    for each in covered:
        if not each.embedded or each.model is None:
            continue
        try:
            encoder = await anyio.to_thread.run_sync(_load, models, each.way)
            if encoder.model != each.model:
                notes.append(_OTHER_MODEL)
                continue
            vector = await anyio.to_thread.run_sync(_encode, encoder, query)
        except WeftError as error:
            notes.append(str(error))
            continue
        found = await store.vectors.nearest(scope, each.model, vector, wanted, limit=CANDIDATES)
        rankings.append(_scale(found, encoder, with_far=with_far))
        strong.update(one.no for one in found if one.score >= encoder.strong)
        if each.way != PACKAGED:
            was_sent = ", to which the query was sent" if each.way == ENDPOINT else ""
            notes.append(f"Found by meaning with {each.model}{was_sent}.")
    coverage = _tell_coverage(covered)
    why = await anyio.to_thread.run_sync(tell_standstill) if coverage else None
    if why and why not in notes:
        coverage += f" For now it stands still: {why}"
    return Meaning(rankings, frozenset(strong), " ".join(filter(None, [coverage, *notes])))


def _scale(found: Sequence[Ranked], encoder: Encoder, *, with_far: bool) -> Sequence[Ranked]:
    """Make scores of cosines: 1 for the best, and less for it where nothing is near."""
    best = max((each.score for each in found), default=0.0)
    span = encoder.strong - encoder.floor
    # Measured with the packaged model: little is lost below, and something likely is above.
    nothing, likely = encoder.floor - span / 7, encoder.floor + span / 2
    least = 0.0 if with_far else encoder.floor
    return [
        Ranked(no, (cosine - nothing) / (max(best, likely) - nothing))
        for no, cosine in found
        if cosine > least
    ]


def _load(models: Models, way: str) -> Encoder:
    """Return an encoder that knows its model, which that of an endpoint has to ask for."""
    encoder = models.encoder(way)
    _ = encoder.model
    return encoder


def _encode(encoder: Encoder, query: str) -> Vector:
    rows = encoder.encode_query(query)[None]
    return Vector(binarize(rows).tobytes(), quantize(rows).tobytes())


def _tell_coverage(covered: Sequence[Coverage]) -> str:
    embedded, total = sum(each.embedded for each in covered), sum(each.total for each in covered)
    if embedded == total:
        return ""
    return (
        f"{embedded:,} of {total:,} entities can be found by meaning so far, the others by their"
        " words."
    )
