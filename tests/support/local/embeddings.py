"""A stand-in for an OpenAI-compatible API of embeddings, behind a real loopback server."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import anyio

from tests.support.http import QUICK
from weft.local.embedding.calibration import PAIRS
from weft.local.embedding.endpoint import Endpoint, EndpointEncoder
from weft.local.embedding.prefixes import Prefixes
from weft.net.client import Clock
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json

MODEL: Final = "test-embed"
DIMENSIONS: Final = 64

Answer = Callable[[list[str]], HttpReply]


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Return numbers that tell texts apart by their letters; those of PAIRS fit each other."""
    numbers = [0.0] * dimensions
    for place, pair in enumerate(PAIRS):
        if text.endswith(pair):
            numbers[place] = 1.0
            return numbers
    for letter in text:
        numbers[ord(letter) % dimensions] += 1.0
    return numbers


def embeddings(vectors: Sequence[Sequence[Any]]) -> HttpReply:
    """Return a good answer with these vectors."""
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return as_json({"object": "list", "data": data, "model": MODEL})


def answer_well(texts: list[str]) -> HttpReply:
    """Answer with the vectors of texts."""
    return embeddings([vector_of(text) for text in texts])


def handler(answer: Answer = answer_well) -> Callable[[HttpRequest], HttpReply]:
    """Return a handler of `/v1/embeddings` alone."""

    def handle(asked: HttpRequest) -> HttpReply:
        if (asked.method, asked.path) != ("POST", "/v1/embeddings"):
            return HttpReply(404)
        return answer(texts_of(asked))

    return handle


def texts_of(asked: HttpRequest) -> list[str]:
    """Return the texts that a request is about."""
    body = json.loads(asked.body)
    assert body.keys() == {"model", "input"}
    return body["input"]


def encoder_for(
    site: Site,
    *,
    key: str | None = None,
    model: str = MODEL,
    dimensions: int | None = None,
    prefixes: Prefixes | None = None,
    clock: Clock = QUICK,
    **options: Any,
) -> EndpointEncoder:
    """Return an encoder that asks this site, and waits for nothing."""
    endpoint = Endpoint(f"{site.url}/v1", model, key, dimensions, prefixes or Prefixes())
    return EndpointEncoder(endpoint, clock=clock, **options)


async def in_thread(work: Callable[[], Any]) -> Any:
    """Run what blocks in a thread, as Weft does."""
    return await anyio.to_thread.run_sync(work)
