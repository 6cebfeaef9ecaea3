"""A collection that an endpoint embeds, in a real database: models follow one another, unmixed."""

from pathlib import Path

import pytest

from tests.support.local.embeddings import MODEL, answer_well, handler, in_thread
from tests.support.store.bench import ORGANIZATION, Bench, entity, open_bench
from weft.domain.reading.search import SearchMode
from weft.domain.reading.ways import ENDPOINT
from weft.local.embedding.codes import binarize, quantize
from weft.local.embedding.models import SettingsModels, list_ways
from weft.local.jobs import embedding
from weft.local.jobs.embedder import Caution
from weft.local.jobs.embedding import Embedding
from weft.local.search.hybrid import Asked, HybridSearch
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import Term
from weft.local.store.vectors import Coverage, Vector
from weft.settings import Settings
from weft.testing.scripted_http import HttpReply, Site, serve

pytestmark = pytest.mark.anyio

SCOPE = Scope(ORGANIZATION)
TEXTS = ("apple", "banana", "cherry")


@pytest.fixture(autouse=True)
def no_idling(monkeypatch: pytest.MonkeyPatch) -> None:
    """End when nothing waits."""
    monkeypatch.setattr(embedding, "IDLE_SECONDS", 0.0)


async def fill(bench: Bench) -> None:
    await bench.list_all(await bench.connection(), *(entity(text) for text in TEXTS))
    await bench.store.vectors.set_way(await bench.collection(), ENDPOINT)


def models_at(site: Site, model: str = MODEL) -> SettingsModels:
    home = Path(__file__).parent
    return SettingsModels(
        Settings(home=home, embeddings_url=f"{site.url}/v1", embeddings_model=model)
    )


async def embed(bench: Bench, models: SettingsModels, *, adopt: bool = False) -> str | None:
    """Embed all that waits; return why something waits still."""
    said: list[str] = []
    work = Embedding(bench.store, [ENDPOINT], models, Caution(), said.append)
    return await work.run(adopt=adopt)


async def find(bench: Bench, models: SettingsModels, query: str) -> tuple[list[int], str]:
    """Search by words and meaning; return how many entities are found, and the note."""
    asked = Asked(SCOPE, query, [Term(query)], EntityFilter(), SearchMode.AUTO, fold_copies=False)
    page = await HybridSearch(bench.store, models).rank(asked, 10, 0)
    return [each.no for each in page.ranked], page.meaning.note


async def test_another_model_embeds_anew_and_is_never_compared_with_the_former(
    tmp_path: Path,
) -> None:
    async with serve(handler()) as site, open_bench(tmp_path / "weft.db") as bench:
        await fill(bench)
        former = models_at(site)
        assert await embed(bench, former) is None
        assert await bench.store.vectors.measure(SCOPE) == [Coverage(ENDPOINT, f"{MODEL} 64", 3, 3)]
        found, note = await find(bench, former, "appel")
        assert found
        assert note == f"Found by meaning with {MODEL} 64, to which the query was sent."
        newer = models_at(site, "newer")
        assert "another model" in (await find(bench, newer, "appel"))[1]
        assert await embed(bench, newer, adopt=True) is None
        assert await bench.store.vectors.measure(SCOPE) == [Coverage(ENDPOINT, "newer 64", 3, 3)]
        assert (await find(bench, newer, "appel"))[0] == found
        row = await in_thread(lambda: former.encoder(ENDPOINT).encode(["apple"]))
        vector = Vector(binarize(row).tobytes(), quantize(row).tobytes())
        nearest = bench.store.vectors.nearest
        assert await nearest(SCOPE, f"{MODEL} 64", vector, EntityFilter(), limit=9) == []
        assert len(await nearest(SCOPE, "newer 64", vector, EntityFilter(), limit=9)) == 3


async def test_without_the_endpoint_words_find_and_the_setting_is_told(tmp_path: Path) -> None:
    async with open_bench(tmp_path / "weft.db") as bench:
        await fill(bench)
        async with serve(handler()) as site:
            models = models_at(site)
            assert await embed(bench, models) is None
        found, note = await find(bench, models_at(site), "apple")
        assert len(found) == 1
        assert "WEFT_EMBEDDINGS_URL" in note
        trouble = await embed(bench, models_at(site, "newer"), adopt=True)
        assert "WEFT_EMBEDDINGS_URL" in (trouble or "")
        unset = Settings(home=tmp_path)
        assert ENDPOINT not in list_ways(unset)
        found, note = await find(bench, SettingsModels(unset), "apple")
        assert len(found) == 1
        assert "WEFT_EMBEDDINGS_URL is not set here" in note


async def test_text_that_the_endpoint_never_takes_keeps_no_other_from_being_embedded(
    tmp_path: Path,
) -> None:
    def answer(texts: list[str]) -> HttpReply:
        return HttpReply(400) if any("banana" in text for text in texts) else answer_well(texts)

    async with serve(handler(answer)) as site, open_bench(tmp_path / "weft.db") as bench:
        await fill(bench)
        models = models_at(site)
        assert await embed(bench, models) is None
        [covered] = await bench.store.vectors.measure(SCOPE)
        assert (covered.embedded, covered.total) == (3, 3)
