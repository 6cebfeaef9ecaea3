"""Vectors from an OpenAI-compatible API: good ones are used, anything else is told."""

import logging

import numpy as np
import pytest

from tests.support.http import SECRET, replies
from tests.support.local.embeddings import (
    DIMENSIONS,
    answer_well,
    embeddings,
    encoder_for,
    handler,
    in_thread,
    texts_of,
    vector_of,
)
from weft.errors import InvalidInput, RateLimited, SourceMisconfigured, SourceUnavailable, WeftError
from weft.local.embedding import endpoint
from weft.local.embedding.endpoint import BATCH_TEXTS, SILENCE_SECONDS, EndpointEncoder
from weft.local.embedding.prefixes import Prefixes
from weft.net.client import Clock
from weft.testing.scripted_http import HttpReply, Site, as_json, html, redirect, serve

pytestmark = pytest.mark.anyio


async def test_rows_are_those_of_their_texts_and_of_length_one() -> None:
    async with serve(handler()) as site:
        rows = await in_thread(lambda: encoder_for(site).encode(["abc", "xyz", "abc"]))
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert (rows[0] == rows[2]).all()
    assert rows[0] @ rows[1] < 0.5


async def test_rows_come_in_the_order_of_the_texts_whatever_that_of_the_answer() -> None:
    def answer(texts: list[str]) -> HttpReply:
        data = [{"index": i, "embedding": vector_of(text)} for i, text in enumerate(texts)]
        return as_json({"data": data[::-1]})

    async with serve(handler(answer)) as site:
        rows = await in_thread(lambda: encoder_for(site).encode(["abc", "xyz"]))
    async with serve(handler()) as site:
        assert (rows == await in_thread(lambda: encoder_for(site).encode(["abc", "xyz"]))).all()


async def test_many_texts_are_sent_a_few_at_a_time() -> None:
    async with serve(handler()) as site:
        rows = await in_thread(lambda: encoder_for(site).encode(["word"] * (BATCH_TEXTS + 1)))
        await in_thread(lambda: encoder_for(site).encode(["w" * 30_000] * 5))
    assert len(rows) == BATCH_TEXTS + 1
    assert [len(texts_of(asked)) for asked in site.requests] == [BATCH_TEXTS, 1, 2, 2, 1]


async def test_text_that_means_nothing_is_not_sent() -> None:
    async with serve(handler()) as site:
        rows = await in_thread(lambda: encoder_for(site).encode(["", "abc", " \n"]))
    assert [texts_of(asked) for asked in site.requests] == [["abc"]]
    assert not rows[0].any()
    assert rows[1].any()
    assert not rows[2].any()


async def test_broken_characters_are_sent_as_question_marks() -> None:
    async with serve(handler()) as site:
        await in_thread(lambda: encoder_for(site).encode(["a\ud800b"]))
    assert texts_of(site.requests[0]) == ["a?b"]


async def test_query_and_passage_have_the_prefixes_of_their_model() -> None:
    prefixes = Prefixes("query: ", "passage: ")
    async with serve(handler()) as site:
        encoder = encoder_for(site, prefixes=prefixes)
        await in_thread(lambda: encoder.encode_query("abc"))
        await in_thread(lambda: encoder.encode(["abc"]))
        assert await in_thread(lambda: encoder.model) == f"test-embed {DIMENSIONS} passage:"
    first, second, scale = (texts_of(asked) for asked in site.requests)
    assert (first, second) == (["query: abc"], ["passage: abc"])
    assert {text.split()[0] for text in scale} == {"query:", "passage:"}


async def test_model_is_named_with_its_dimensions_and_without_the_address() -> None:
    async with serve(handler()) as site:
        encoder = encoder_for(site)
        assert await in_thread(lambda: encoder.model) == f"test-embed {DIMENSIONS}"
        assert await in_thread(lambda: encoder.dimensions) == DIMENSIONS
        assert 0 < await in_thread(lambda: encoder.floor) < 1
    assert len(site.requests) == 1


async def test_odd_number_of_dimensions_is_filled_up_with_zeros() -> None:
    async with serve(handler(lambda texts: embeddings([[3.0, 4.0]] * len(texts)))) as site:
        row = (await in_thread(lambda: encoder_for(site).encode(["abc"])))[0]
    assert row.shape == (64,)
    assert row[:2] == pytest.approx([0.6, 0.8])
    assert not row[2:].any()


async def test_first_dimensions_are_kept_where_the_operator_wants_fewer() -> None:
    async with serve(handler(lambda texts: embeddings([[1.0] * 100] * len(texts)))) as site:
        encoder = encoder_for(site, dimensions=64)
        row = (await in_thread(lambda: encoder.encode(["abc"])))[0]
        assert row == pytest.approx([0.125] * 64)
        with pytest.raises(SourceMisconfigured, match="WEFT_EMBEDDINGS_DIMENSIONS"):
            await in_thread(lambda: encoder_for(site, dimensions=128).encode(["abc"]))


# Texts that are too long


@pytest.mark.parametrize("status", [400, 413, 422, 500])
async def test_text_that_is_too_long_for_the_model_is_cut(status: int) -> None:
    def answer(texts: list[str]) -> HttpReply:
        too_long = any(len(text.encode()) > 1_000 for text in texts)
        return HttpReply(status) if too_long else answer_well(texts)

    async with serve(handler(answer)) as site:
        encoder = encoder_for(site)
        rows = await in_thread(lambda: encoder.encode(["short", "é" * 1_500, "other"]))
        alone = await in_thread(lambda: encoder.encode(["short"]))
        before = len(site.requests)
        await in_thread(lambda: encoder.encode(["é" * 4_000]))
    assert np.allclose(rows[0], alone[0])
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert len(site.requests) == before + 1, "what the model can read is remembered"


async def test_batch_that_is_too_large_is_parted() -> None:
    def answer(texts: list[str]) -> HttpReply:
        return HttpReply(422) if len(texts) > 8 else answer_well(texts)

    async with serve(handler(answer)) as site:
        rows = await in_thread(lambda: encoder_for(site).encode([f"text {i}" for i in range(20)]))
    assert len(rows) == 20


async def test_model_that_refuses_everything_is_not_asked_for_each_text() -> None:
    async with serve(handler(lambda _: as_json({"error": SECRET}, 400))) as site:
        with pytest.raises(InvalidInput) as caught:
            await in_thread(lambda: encoder_for(site).encode(["long text " * 500] * 100))
    assert caught.value.field == "WEFT_EMBEDDINGS_MODEL"
    assert SECRET not in str(caught.value)
    assert len(site.requests) <= 12


# Answers that are no vectors


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (html("<h1>Welcome</h1>"), "not valid JSON"),
        (as_json([1]), "has no list `data`"),
        (as_json({"error": {"message": SECRET}}), "has no list `data`"),
        (embeddings([[1.0]]), "1 vectors for 2 texts"),
        (embeddings([[1.0]] * 3), "3 vectors for 2 texts"),
        (as_json({"data": [[1.0], [1.0]]}), "2 texts"),
        (as_json({"data": [{"index": 0, "embedding": [1.0]}] * 2}), "of which text"),
        (as_json({"data": [{"index": True, "embedding": [1.0]}] * 2}), "of which text"),
        (as_json({"data": [{"index": i} for i in range(2)]}), "not a list of numbers"),
        (embeddings([[1.0], [1.0, 2.0]]), "different length"),
        (embeddings([["x"], ["y"]]), "not of numbers"),
        (embeddings([["0.5"], ["0.5"]]), "not of numbers"),
        (embeddings([[1.0, True], [1.0, 2.0]]), "not of numbers"),
        (embeddings([[None], [1.0]]), "not finite"),
        (embeddings([[[1.0]], [[1.0]]]), "dimensions"),
        (embeddings([[], []]), "dimensions"),
        (embeddings([[1.0] * 9_000] * 2), "dimensions"),
        (embeddings([[float("nan")], [1.0]]), "not finite"),
        (embeddings([[float("inf")], [1.0]]), "not finite"),
        (embeddings([[0.0], [1.0]]), "zero"),
        (embeddings([[10**400], [1.0]]), "not of numbers"),
    ],
)
async def test_answer_that_is_not_a_vector_for_each_text_is_refused(
    answer: HttpReply, problem: str
) -> None:
    is_of_a_text = problem in ("zero", "not finite")
    async with serve(handler(lambda _: answer)) as site:
        with pytest.raises(InvalidInput if is_of_a_text else SourceUnavailable) as caught:
            await in_thread(lambda: encoder_for(site).encode(["abc", "xyz"]))
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


async def test_vectors_of_other_dimensions_than_before_are_refused() -> None:
    def answer(texts: list[str]) -> HttpReply:
        return embeddings([vector_of(text, 128 if "new" in text else 64) for text in texts])

    async with serve(handler(answer)) as site:
        encoder = encoder_for(site)
        await in_thread(lambda: encoder.encode(["old"]))
        with pytest.raises(SourceUnavailable, match="128 dimensions, and had 64 before"):
            await in_thread(lambda: encoder.encode(["new"]))


async def test_model_that_embeds_all_texts_alike_is_refused_and_not_asked_again() -> None:
    async with serve(handler(lambda texts: embeddings([[1.0, 0.5]] * len(texts)))) as site:
        encoder = encoder_for(site)
        for _ in range(2):
            with pytest.raises(SourceMisconfigured, match="does not tell related") as caught:
                await in_thread(lambda: encoder.model)
            assert caught.value.field == "WEFT_EMBEDDINGS_MODEL"
        assert len(site.requests) == 1


async def test_another_model_than_that_of_the_first_answer_is_refused() -> None:
    named: list[str | None] = ["alias-of-it", None, "alias-of-it", "another"]

    def answer(texts: list[str]) -> HttpReply:
        data = [{"index": i, "embedding": vector_of(text)} for i, text in enumerate(texts)]
        return as_json({"data": data, "model": named.pop(0)})

    async with serve(handler(answer)) as site:
        encoder = encoder_for(site)
        for _ in range(3):
            await in_thread(lambda: encoder.encode(["abc"]))
        with pytest.raises(SourceUnavailable, match="another model than before"):
            await in_thread(lambda: encoder.encode(["abc"]))


# Failures


@pytest.mark.parametrize(
    ("status", "kind", "field"),
    [
        (401, SourceMisconfigured, "WEFT_EMBEDDINGS_KEY"),
        (403, SourceMisconfigured, "WEFT_EMBEDDINGS_KEY"),
        (404, SourceMisconfigured, "WEFT_EMBEDDINGS_MODEL"),
        (429, RateLimited, None),
        (503, SourceUnavailable, None),
        (500, InvalidInput, "WEFT_EMBEDDINGS_MODEL"),
        (502, SourceUnavailable, None),
    ],
)
async def test_failure_is_told_with_the_setting_and_without_key_and_body(
    status: int,
    kind: type[WeftError],
    field: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve(handler(lambda _: html(f"no: {SECRET}", status))) as site:
        encoder = encoder_for(site, key=SECRET)
        with pytest.raises(kind) as caught:
            await in_thread(lambda: encoder.encode(["abc"]))
    assert caught.value.field == field
    assert f"127.0.0.1:{site.port}" in str(caught.value)
    assert all(asked.headers["authorization"] == f"Bearer {SECRET}" for asked in site.requests)
    assert SECRET not in f"{caught.value} {caught.value!r} {encoder!r} {caplog.text}"


async def test_busy_endpoint_is_asked_again_when_it_says() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    busy = HttpReply(429, headers={"retry-after": "7"})
    async with serve(replies(busy, HttpReply(502), embeddings([[1.0]]))) as site:
        encoder = encoder_for(site, clock=Clock(sleep=sleep))
        await in_thread(lambda: encoder.encode(["abc"]))
    assert waited[0] == 7
    assert len(waited) == 2


async def test_endpoint_that_is_not_there_is_told_with_its_setting() -> None:
    async with serve(handler()) as site:
        pass
    with pytest.raises(SourceUnavailable, match="WEFT_EMBEDDINGS_URL"):
        await in_thread(lambda: encoder_for(site).encode(["abc"]))


async def test_redirect_to_another_host_takes_neither_texts_nor_key_along() -> None:
    async with serve(handler()) as other:
        for status in (302, 307, 308):
            async with serve(lambda _: redirect(f"{other.url}/v1/embeddings", status)) as site:  # noqa: B023
                with pytest.raises(SourceUnavailable, match="redirects"):
                    await in_thread(lambda: encoder_for(site, key=SECRET).encode(["abc"]))
    assert not other.requests


async def test_passages_do_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PASSAGES_SECONDS", 0.05)
    async with serve(lambda _: HttpReply(body=b"{", hang=True)) as site:
        with pytest.raises(SourceUnavailable, match="did not answer"):
            await in_thread(lambda: encoder_for(site).encode(["abc"]))


async def test_query_does_not_wait_for_an_endpoint_that_hangs_nor_ask_it_again_at_once() -> None:
    now = [0.0]

    def encoder_of(site: Site) -> EndpointEncoder:
        return encoder_for(site, query_seconds=0.05, monotonic=lambda: now[0])

    async with serve(lambda _: HttpReply(body=b"{", hang=True)) as site:
        encoder = encoder_of(site)
        for _ in range(3):
            with pytest.raises(SourceUnavailable, match="did not answer"):
                await in_thread(lambda: encoder.encode_query("abc"))
        assert len(site.requests) == 1
        now[0] += SILENCE_SECONDS
        with pytest.raises(SourceUnavailable, match="did not answer"):
            await in_thread(lambda: encoder.encode_query("abc"))
        assert len(site.requests) == 2


async def test_query_that_the_endpoint_refuses_keeps_no_other_from_being_asked() -> None:
    def answer(texts: list[str]) -> HttpReply:
        return HttpReply(400) if "bad" in texts else answer_well(texts)

    async with serve(handler(answer)) as site:
        encoder = encoder_for(site)
        with pytest.raises(InvalidInput):
            await in_thread(lambda: encoder.encode_query("bad"))
        assert (await in_thread(lambda: encoder.encode_query("good"))).any()
