"""Embeds what waits, in a process that does nothing else: see `embedder`."""

import logging
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from time import monotonic
from typing import Final, TypeVar, TypeVarTuple

import anyio.to_thread
import numpy as np

from weft.errors import InvalidInput, WeftError
from weft.local.embedding.codes import binarize, quantize
from weft.local.embedding.encoder import Encoder, Models
from weft.local.embedding.static import passage_of
from weft.local.jobs.embedder import Caution, Said
from weft.local.store.base import Store
from weft.local.store.vectors import Vector, Waiting

IDLE_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 60.0
UNHEARD_MAX: Final = 5
BATCH_FIRST: Final = 32
BATCH_MAX: Final = 512
# A batch should take about this long, so that progress is seen and an end is soon.
BATCH_SECONDS: Final = 1.0
HARMLESS: Final = "Weft"

logger = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Embedding:
    """Embeds what waits in a store, with an encoder for each of its ``ways`` to embed.

    ``tell`` passes on what it is about to do, and what became of it, in the words of `Said`.
    """

    def __init__(
        self,
        store: Store,
        ways: Sequence[str],
        models: Models,
        caution: Caution,
        tell: Callable[[str], None],
        *,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._store = store
        self._ways = ways
        self._models = models
        self._encoders: dict[str, Encoder] = {}
        self._caution = caution
        self._tell = tell
        self._idle_seconds = idle_seconds
        self._size = BATCH_FIRST
        self._unheard = 0
        # By way, when to try it again and why it does not work now.
        self._stuck: dict[str, tuple[float, str]] = {}

    async def run(self, *, adopt: bool) -> str | None:
        """Embed until nothing has waited for a while; return why something waits still, if so.

        With ``adopt``, what other models have embedded is embedded anew; without, it stays, and so
        does what waits for them: two processes with different models would never come to an end.
        """
        for way in await self._store.vectors.ways() if adopt else ():
            if way in self._ways:
                await self._prepare(way, adopt=True)
        seen = 0
        until = monotonic() + self._idle_seconds
        while True:
            if waiting := await self._store.vectors.take(self._find_ways(), self._size):
                for way, group in groupby(self._be_careful(waiting), attrgetter("way")):
                    await self._embed(way, list(group))
                until = monotonic() + self._idle_seconds
            elif self._stuck:
                return " ".join(dict.fromkeys(why for _, why in self._stuck.values()))
            elif (left := until - monotonic()) > 0:
                seen = await self._store.wait_for_change(seen, left)
            else:
                return None

    def _find_ways(self) -> Sequence[str]:
        """Return the ways to embed that work, or that it is time to try again."""
        now = monotonic()
        self._stuck = {way: held for way, held in self._stuck.items() if held[0] > now}
        return [way for way in self._ways if way not in self._stuck]

    def _be_careful(self, waiting: Sequence[Waiting]) -> Sequence[Waiting]:
        """Take fewer at once where a process died."""
        is_suspect = any(each.ticket <= self._caution.through for each in waiting)
        return waiting[: self._caution.size] if is_suspect else waiting

    async def _embed(self, way: str, waiting: Sequence[Waiting]) -> None:
        encoder = await self._prepare(way, adopt=False)
        if encoder is None:
            return
        tickets = [each.ticket for each in waiting]
        self._tell(f"{Said.TRYING} {tickets[0]} {max(tickets)} {len(tickets)}")
        began = monotonic()
        left_out = [each for each in waiting if each.ticket in self._caution.passed_over]
        try:
            vectors = await _in_thread(
                self._encode, encoder, [each for each in waiting if each not in left_out]
            )
        except WeftError as error:
            self._hold(way, str(error))
            return
        vectors |= {each.ticket: _nothing(encoder) for each in left_out}
        if heard := await self._store.vectors.put(encoder.model, vectors):
            self._tell(f"{Said.KEPT} {heard}")
            self._unheard = 0
            self._fit_size(monotonic() - began, len(tickets))
            return
        # All of them were changed meanwhile, or another process has set the way another model.
        del self._encoders[way]
        self._unheard += 1
        if self._unheard > UNHEARD_MAX:
            self._hold(way, "What was embedded had changed meanwhile.")

    async def _prepare(self, way: str, *, adopt: bool) -> Encoder | None:
        """Return the encoder of a way, None if it cannot be used now."""
        if way in self._encoders:
            return self._encoders[way]
        try:
            encoder = await _in_thread(self._models.encoder, way)
            model = await _in_thread(lambda: encoder.model)
        except WeftError as error:
            self._hold(way, str(error))
            return None
        present = (await self._store.vectors.ways()).get(way)
        if present != model:
            if present is not None and not adopt:
                self._hold(way, f"Another Weft embeds here by the model {present}, not {model}.")
                return None
            await self._store.vectors.use_models({way: model})
        self._encoders[way] = encoder
        return encoder

    def _hold(self, way: str, why: str) -> None:
        self._stuck[way] = (monotonic() + RETRY_SECONDS, why)

    def _fit_size(self, seconds: float, count: int) -> None:
        if seconds > BATCH_SECONDS:
            self._size = max(1, self._size // 2)
        elif seconds < BATCH_SECONDS / 2 and count == self._size:
            self._size = min(BATCH_MAX, self._size * 2)

    def _encode(self, encoder: Encoder, waiting: Sequence[Waiting]) -> dict[int, Vector]:
        """Embed texts. One that the encoder refuses gets a vector that is near to nothing.

        Raises WeftError if it is not the texts for which the encoder fails.
        """
        if not waiting:
            return {}
        try:
            found = _call(encoder, [passage_of(each.title, each.text) for each in waiting])
        except _Refused as refused:
            if len(waiting) > 1:
                half = len(waiting) // 2
                return self._encode(encoder, waiting[:half]) | self._encode(encoder, waiting[half:])
            _prove_sound(encoder)
            ticket = waiting[0].ticket
            logger.warning("passing over ticket %d: %s", ticket, refused)
            return {ticket: _nothing(encoder)}
        return {each.ticket: vector for each, vector in zip(waiting, found, strict=True)}


async def _in_thread(call: Callable[[*Ts], T], *args: *Ts) -> T:
    # An endpoint answers after seconds; and the end of the parent must be heard meanwhile.
    return await anyio.to_thread.run_sync(call, *args, abandon_on_cancel=True)


class _Refused(Exception):
    """The encoder does not take these texts, or not together."""


def _call(encoder: Encoder, texts: Sequence[str]) -> Sequence[Vector]:
    try:
        found = encoder.encode(texts)
    except InvalidInput as error:
        raise _Refused(str(error)) from None
    except WeftError:
        raise
    except Exception as error:  # noqa: BLE001 (an encoder is foreign code: any text may break it)
        raise _Refused(f"the encoder fails with {type(error).__name__}") from None
    if found.shape != (len(texts), encoder.dimensions) or not np.isfinite(found).all():
        raise _Refused("the encoder returns no vector")
    codes, rows = binarize(found), quantize(found)
    return [Vector(code.tobytes(), row.tobytes()) for code, row in zip(codes, rows, strict=True)]


def _prove_sound(encoder: Encoder) -> None:
    """Raise WeftError unless the encoder can embed a harmless text."""
    try:
        _call(encoder, [HARMLESS])
    except _Refused as refused:
        why = str(refused).rstrip(".")
        raise WeftError(f"The model {encoder.model} does not work: {why}.") from None


def _nothing(encoder: Encoder) -> Vector:
    zeros = np.zeros((1, encoder.dimensions), dtype=np.float32)
    return Vector(binarize(zeros)[0].tobytes(), quantize(zeros)[0].tobytes())
