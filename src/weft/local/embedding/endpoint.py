"""Embeds texts by an OpenAI-compatible API: Ollama, LM Studio, llama.cpp, vLLM, OpenAI and others.

The texts leave this process for the address that the operator set, and no other: the guarded
client reaches only that one, follows no redirect to another host, and sends the key nowhere else.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

import anyio
import httpx
import numpy as np
from numpy.typing import NDArray

from weft.errors import (
    InvalidInput,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.local.embedding.answers import parse_vectors
from weft.local.embedding.calibration import PAIRS, Scale, measure
from weft.local.embedding.encoder import Encoder
from weft.local.embedding.prefixes import Prefixes
from weft.net.client import REAL_CLOCK, Clock, http_factory
from weft.net.errors import decode_json
from weft.net.retry import retry_after_seconds
from weft.net.transport import REPEATABLE, HttpLimits, place_of

BATCH_TEXTS: Final = 32
BATCH_BYTES: Final = 64 * 1024
TEXT_BYTES: Final = 32 * 1024
"""No more of a text is sent."""

CUT_MIN_BYTES: Final = 256
"""A text that is refused at this length is refused for another reason than its length."""

LEARNT_MIN_BYTES: Final = 512
"""Models read more than this, so one text that needs to be shorter says nothing of others."""

PASSAGES_SECONDS: Final = 150.0
QUERY_SECONDS: Final = 15.0
"""Loading a model takes some of them, and a server such as Ollama gives up when nobody waits."""

SILENCE_SECONDS: Final = 30.0
"""After a query that failed, searches do without the endpoint for so long."""

_PASSAGES: Final = HttpLimits(
    read_s=90, total_s=120, max_body_bytes=32 << 20, attempts=3, longest_wait_s=60
)
_QUERY: Final = HttpLimits(read_s=PASSAGES_SECONDS, total_s=PASSAGES_SECONDS, attempts=1)
# llama.cpp answers 500 to a text that is longer than its batch, others 400, 413 or 422.
_TOO_MUCH: Final = frozenset({400, 413, 422, 500})


_NO_PREFIXES: Final = Prefixes()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of an API and its model. ``dimensions`` cuts its vectors to their first."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    dimensions: int | None = None
    prefixes: Prefixes = _NO_PREFIXES


class EndpointEncoder(Encoder):
    """Asks the endpoint for each vector; its model is known after the first answer.

    Raises InvalidInput if it is a text that the endpoint does not take, and otherwise errors that
    name the setting at fault.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        clock: Clock = REAL_CLOCK,
        query_seconds: float = QUERY_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._query_seconds = query_seconds
        self._monotonic = monotonic
        self._dimensions = 0
        self._named = ""
        self._scale: Scale | None = None
        self._text_bytes = TEXT_BYTES
        self._failed: tuple[float, WeftError] | None = None
        self._place = place_of(httpx.URL(endpoint.url))

    @property
    def model(self) -> str:
        """Name the model without its address, so that the same model may move to another one."""
        prefix = self._endpoint.prefixes.passage.strip()
        return f"{self._endpoint.model} {self.dimensions}{prefix and f' {prefix}'}"

    @property
    def dimensions(self) -> int:
        return self._get_scale().dimensions

    @property
    def floor(self) -> float:
        return self._get_scale().floor

    @property
    def strong(self) -> float:
        return self._get_scale().strong

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        asked = {i: text for i, text in enumerate(texts) if text.strip()}
        if not asked:
            return np.zeros((len(texts), self.dimensions), np.float32)
        prefix = self._endpoint.prefixes.passage
        found = anyio.run(
            self._embed_within,
            PASSAGES_SECONDS,
            [prefix + text for text in asked.values()],
            _PASSAGES,
        )
        rows = np.zeros((len(texts), found.shape[1]), np.float32)
        rows[list(asked)] = found
        return rows

    def encode_query(self, query: str) -> NDArray[np.float32]:
        """Return the vector of a query, or raise soon: a search without it is better than none."""
        return self._ask_soon([self._endpoint.prefixes.query + query])[0]

    def _get_scale(self) -> Scale:
        if self._scale is None:
            prefixes = self._endpoint.prefixes
            queries = [prefixes.query + query for query, _ in PAIRS]
            passages = [prefixes.passage + passage for _, passage in PAIRS]
            rows = self._ask_soon([*queries, *passages])
            scale = measure(rows[: len(PAIRS)], rows[len(PAIRS) :])
            if not scale.tells_apart:
                error = SourceMisconfigured(
                    f"The model '{self._endpoint.model}' of {self._place} does not tell related "
                    "texts from unrelated ones.",
                    field="WEFT_EMBEDDINGS_MODEL",
                    hint="Set WEFT_EMBEDDINGS_MODEL to one that embeds texts for search.",
                )
                self._failed = self._monotonic(), error
                raise error
            self._scale = scale
        return self._scale

    def _ask_soon(self, texts: list[str]) -> NDArray[np.float32]:
        """Embed a few texts; after a failure, fail at once for a while."""
        if self._failed is not None and self._monotonic() < self._failed[0] + SILENCE_SECONDS:
            raise self._failed[1].with_traceback(None)
        try:
            found = anyio.run(self._embed_within, self._query_seconds, texts, _QUERY)
        except InvalidInput:
            raise  # It is about this text.
        except WeftError as error:
            self._failed = self._monotonic(), error
            raise
        self._failed = None
        return found

    async def _embed_within(
        self, seconds: float, texts: list[str], limits: HttpLimits
    ) -> NDArray[np.float32]:
        with anyio.move_on_after(seconds):
            return await self._embed(texts, limits)
        raise SourceUnavailable(f"{self._place} did not answer within {seconds:.0f} seconds.")

    async def _embed(self, texts: list[str], limits: HttpLimits) -> NDArray[np.float32]:
        async with self._open(limits) as client:
            parts = [
                await self._embed_batch(client, batch) for batch in _split(texts, self._text_bytes)
            ]
        return np.concatenate(parts)

    async def _embed_batch(
        self, client: httpx.AsyncClient, texts: list[str]
    ) -> NDArray[np.float32]:
        """Embed texts together, or, while that is too much for the endpoint, fewer and shorter."""
        response = await self._post(client, texts)
        if response.status_code not in _TOO_MUCH:
            return self._read(response, len(texts))
        if len(texts) > 1:
            half = len(texts) // 2
            parts = [await self._embed_batch(client, part) for part in (texts[:half], texts[half:])]
            return np.concatenate(parts)
        size = min(_size(texts[0]), self._text_bytes)
        if size <= CUT_MIN_BYTES:
            raise self._refusal(response.status_code)
        shorter = max(CUT_MIN_BYTES, size // 2)
        found = await self._embed_batch(client, [_cut(texts[0], shorter)])
        # Other texts are cut at once, since a refusal for each would cost as much as the answer.
        self._text_bytes = min(self._text_bytes, max(shorter, LEARNT_MIN_BYTES))
        return found

    async def _post(self, client: httpx.AsyncClient, texts: list[str]) -> httpx.Response:
        body = {
            "model": self._endpoint.model,
            "input": [_cut(text, self._text_bytes) for text in texts],
        }
        try:
            # The question changes nothing, so it may be asked again.
            return await client.post("embeddings", json=body, extensions={REPEATABLE: True})
        except RateLimited:
            raise
        except WeftError as error:
            raise type(error)(error.message, hint=_CHECK) from None

    def _read(self, response: httpx.Response, count: int) -> NDArray[np.float32]:
        if not response.is_success:
            raise self._failure(response)
        answer = decode_json(response.content, self._place)
        found = parse_vectors(answer, count, self._place, self._endpoint.dimensions)
        self._require_same_model(answer.get("model"))
        if self._dimensions and found.shape[1] != self._dimensions:
            raise SourceUnavailable(
                f"{self._place} answers with vectors of {found.shape[1]} dimensions, and had "
                f"{self._dimensions} before.",
                hint="Another model has come in its place: start Weft again to embed anew by it.",
            )
        self._dimensions = found.shape[1]
        return found

    def _require_same_model(self, named: object) -> None:
        """Refuse another model than before; the first may well be an alias of what was asked."""
        if not isinstance(named, str) or not named:
            return
        self._named = self._named or named
        if named != self._named:
            raise SourceUnavailable(
                f"{self._place} answers with another model than before.",
                hint="It serves whatever is loaded, and vectors of two models cannot be compared: "
                "let it serve the one in WEFT_EMBEDDINGS_MODEL only, then start Weft again.",
            )

    def _failure(self, response: httpx.Response) -> WeftError:
        status = response.status_code
        if status in (401, 403):
            problem = "refuses the key" if self._endpoint.key else "wants a key"
            return SourceMisconfigured(
                f"{self._place} {problem} (HTTP {status}).",
                field="WEFT_EMBEDDINGS_KEY",
                hint="Set WEFT_EMBEDDINGS_KEY, or WEFT_EMBEDDINGS_KEY_FILE, to a valid one.",
            )
        if status == 429:
            return RateLimited(
                f"{self._place} has had too many requests (HTTP 429).",
                retry_after=retry_after_seconds(response, now=None),
            )
        if response.is_client_error:
            return SourceMisconfigured(
                f"{self._place} has no embeddings by '{self._endpoint.model}' (HTTP {status}).",
                field="WEFT_EMBEDDINGS_MODEL",
                hint=_CHECK_MODEL,
            )
        return SourceUnavailable(f"{self._place} failed (HTTP {status}).", hint=_CHECK)

    def _refusal(self, status: int) -> InvalidInput:
        return InvalidInput(
            f"{self._place} refuses a text, even if it is short (HTTP {status}).",
            field="WEFT_EMBEDDINGS_MODEL",
            hint=f"If it refuses all: {_CHECK_MODEL}",
        )

    def _open(self, limits: HttpLimits) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        url = httpx.URL(self._endpoint.url)
        host = f"[{url.host}]" if ":" in url.host else url.host
        # The operator named the address, so it may be a private one.
        allowed = f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"
        key = self._endpoint.key
        return http_factory([allowed], limits=limits, clock=self._clock)(
            base_url=self._endpoint.url,
            headers={"authorization": f"Bearer {key}"} if key else None,
        )


_CHECK_MODEL: Final = (
    "Check that the model in WEFT_EMBEDDINGS_MODEL is loaded there, and that the address in "
    "WEFT_EMBEDDINGS_URL is right; most end with /v1."
)
_CHECK: Final = "Check that the address in WEFT_EMBEDDINGS_URL is right and served."


def _split(texts: list[str], text_bytes: int) -> list[list[str]]:
    """Part texts into batches that an endpoint takes."""
    batches: list[list[str]] = []
    left = 0
    for text in texts:
        size = min(_size(text), text_bytes)
        if not batches or len(batches[-1]) == BATCH_TEXTS or size > left:
            batches.append([])
            left = BATCH_BYTES
        batches[-1].append(text)
        left -= size
    return batches


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _cut(text: str, size: int) -> str:
    """Return the beginning of a text: tokens are nearer to bytes than to characters in number."""
    return text.encode(errors="replace")[:size].decode(errors="ignore")
