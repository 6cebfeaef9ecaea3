"""What waits is embedded, whatever a text, an encoder or another process does."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from weft.errors import InvalidInput, SourceUnavailable
from weft.local.embedding.encoder import Encoder, Models, Reranker
from weft.local.jobs import embedding
from weft.local.jobs.embedder import Caution
from weft.local.jobs.embedding import Embedding
from weft.local.store.base import Store
from weft.local.store.vectors import PACKAGED, Vector, Waiting

pytestmark = pytest.mark.anyio

DIMENSIONS = 64
ENDPOINT = "endpoint"


class FakeVectors:
    """What waits, by ticket, and what was put."""

    def __init__(self, *waiting: Waiting) -> None:
        self.waiting = {each.ticket: each for each in waiting}
        self.found: dict[int, Vector] = {}
        self.models: dict[str, str | None] = {}
        self.sizes: list[int] = []
        self.hears = True

    async def take(self, ways: Sequence[str], limit: int) -> Sequence[Waiting]:
        return [each for each in self.waiting.values() if each.way in ways][:limit]

    async def put(self, model: str, vectors: Mapping[int, Vector]) -> int:
        if not self.hears:
            return 0
        assert model in self.models.values()
        self.sizes.append(len(vectors))
        self.found |= vectors
        self.waiting = {k: v for k, v in self.waiting.items() if k not in vectors}
        return len(vectors)

    async def ways(self) -> Mapping[str, str | None]:
        return {PACKAGED: None, ENDPOINT: None} | self.models

    async def use_models(self, models: Mapping[str, str]) -> int:
        self.models |= models
        return 0


class FakeStore:
    def __init__(self, *waiting: Waiting) -> None:
        self.vectors = FakeVectors(*waiting)

    async def wait_for_change(self, seen: int, seconds: float) -> int:
        del seconds
        return seen


class FakeEncoder(Encoder):
    """Embeds a text as ones, and does with some what ``faults`` say."""

    def __init__(
        self, model: str = "m1", faults: Mapping[str, BaseException | float] | None = None
    ) -> None:
        self._model = model
        self._faults = faults or {}

    @property
    def model(self) -> str:
        return self._model

    @property
    def dimensions(self) -> int:
        return DIMENSIONS

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        found = np.full((len(texts), DIMENSIONS), DIMENSIONS**-0.5, np.float32)
        for text in texts:
            for part, fault in self._faults.items():
                if part in text:
                    if isinstance(fault, BaseException):
                        raise fault
                    found[:] = fault
        return found


class FakeModels(Models):
    """Opens encoders as a test wants it."""

    def __init__(self, open_encoder: Callable[[str], Encoder]) -> None:
        self._open = open_encoder

    def encoder(self, way: str) -> Encoder:
        return self._open(way)

    def reranker(self) -> Reranker | None:
        return None


def wait(count: int, way: str = PACKAGED, first: int = 1) -> list[Waiting]:
    return [Waiting(no, way, f"title {no}", f"text {no}.") for no in range(first, first + count)]


async def embed(
    store: FakeStore,
    open_encoder: Callable[[str], Encoder],
    caution: Caution | None = None,
    *,
    adopt: bool = False,
) -> tuple[str | None, list[str]]:
    said: list[str] = []
    models = FakeModels(open_encoder)
    work = Embedding(
        cast("Store", store),
        (PACKAGED, ENDPOINT),
        models,
        caution or Caution(),
        said.append,
        idle_seconds=0,
    )
    return await work.run(adopt=adopt), said


def is_nothing(vector: Vector) -> bool:
    return not any(vector.row)


async def test_all_that_waits_is_embedded_and_told() -> None:
    store = FakeStore(*wait(100))
    trouble, said = await embed(store, lambda _: FakeEncoder())
    assert trouble is None
    assert sorted(store.vectors.found) == list(range(1, 101))
    assert said[:2] == ["trying 1 32 32", "kept 32"]
    assert not any(map(is_nothing, store.vectors.found.values()))


@pytest.mark.parametrize("fault", [ValueError("secret"), InvalidInput("Too long."), np.nan])
async def test_text_that_the_encoder_refuses_is_passed_over_and_named(
    fault: Exception | float, caplog: pytest.LogCaptureFixture
) -> None:
    store = FakeStore(*wait(40))
    trouble, _ = await embed(store, lambda _: FakeEncoder(faults={"text 7.": fault}))
    assert trouble is None
    assert sorted(store.vectors.found) == list(range(1, 41))
    assert [ticket for ticket, v in store.vectors.found.items() if is_nothing(v)] == [7]
    assert "passing over ticket 7" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("fault", "why"),
    [(ValueError(), "the encoder fails with ValueError"), (InvalidInput("Too long."), "Too long")],
)
async def test_encoder_that_refuses_every_text_passes_over_none(fault: Exception, why: str) -> None:
    store = FakeStore(*wait(3))
    trouble, _ = await embed(store, lambda _: FakeEncoder(faults={"": fault}))
    assert trouble == f"The model m1 does not work: {why}."
    assert store.vectors.found == {}


async def test_way_that_does_not_work_keeps_no_other_from_working() -> None:
    def open_encoder(way: str) -> Encoder:
        down = {"": SourceUnavailable("The endpoint does not answer.")}
        return FakeEncoder("e", down) if way == ENDPOINT else FakeEncoder()

    store = FakeStore(*wait(3, ENDPOINT), *wait(3, first=4))
    trouble, _ = await embed(store, open_encoder)
    assert trouble == "The endpoint does not answer."
    assert sorted(store.vectors.found) == [4, 5, 6]


async def test_texts_around_a_death_are_taken_few_at_a_time() -> None:
    store = FakeStore(*wait(40))
    await embed(store, lambda _: FakeEncoder(), Caution(through=6, size=3))
    assert store.vectors.sizes == [3, 3, 32, 2]


async def test_text_on_which_processes_died_is_not_encoded() -> None:
    store = FakeStore(*wait(3))
    kills = FakeEncoder(faults={"text 2.": SystemExit()})
    trouble, _ = await embed(store, lambda _: kills, Caution(passed_over=[2]))
    assert trouble is None
    assert [is_nothing(store.vectors.found[ticket]) for ticket in (1, 2, 3)] == [False, True, False]


async def test_model_of_another_process_is_left_alone_unless_told_to_adopt() -> None:
    store = FakeStore(*wait(2))
    store.vectors.models[PACKAGED] = "m2"
    trouble, _ = await embed(store, lambda _: FakeEncoder())
    assert trouble == "Another Weft embeds here by the model m2, not m1."
    assert store.vectors.found == {}
    trouble, _ = await embed(store, lambda _: FakeEncoder(), adopt=True)
    assert trouble is None
    assert (store.vectors.models[PACKAGED], len(store.vectors.found)) == ("m1", 2)


async def test_vectors_that_nobody_hears_are_not_made_for_ever() -> None:
    store = FakeStore(*wait(2))
    store.vectors.hears = False
    trouble, said = await embed(store, lambda _: FakeEncoder())
    assert trouble == "What was embedded had changed meanwhile."
    assert len(said) == embedding.UNHEARD_MAX + 1
