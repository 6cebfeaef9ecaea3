"""Loads the models that the settings name, when they are first asked for."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from weft.domain.reading.ways import ENDPOINT, FOLDER, PACKAGED, WAYS
from weft.errors import InvalidInput, WeftError
from weft.local.arrays import require_numpy
from weft.local.embedding.encoder import Encoder, Models, Reranker
from weft.settings import Settings

MINILM: Final = "minilm"
KEY_MAX_CHARS: Final = 1_000
RERANK_THREADS: Final = 4

_SETTINGS: Final = {ENDPOINT: "embeddings_url", FOLDER: "embeddings_folder"}
"""The setting that a way to embed needs."""


class SettingsModels(Models):
    """The models of one process. Each is loaded once, by the first thread that asks for it.

    With ``patient``, an endpoint may take as long to answer as its model takes to load; without,
    somebody waits for a search.
    """

    def __init__(self, settings: Settings, *, patient: bool = False) -> None:
        self._settings = settings
        self._patient = patient
        self._lock = Lock()
        self._encoders: dict[str, Encoder] = {}
        self._reranker: Reranker | None = None

    def encoder(self, way: str) -> Encoder:
        with self._lock:
            if way not in self._encoders:
                require_way(self._settings, way)
                require_numpy()
                self._encoders[way] = _LOADERS[way](self._settings, self._patient)
            return self._encoders[way]

    def reranker(self) -> Reranker | None:
        wanted = self._settings.rerank
        if wanted is None:
            return None
        with self._lock:
            if self._reranker is None:
                require_numpy()
                self._reranker = _load_reranker(wanted)
            return self._reranker


class Trial(NamedTuple):
    """What came of trying a model: its name, or else the problem with it."""

    model: str | None = None
    problem: str | None = None


def try_models(settings: Settings, ways: Sequence[str]) -> tuple[Mapping[str, Trial], Trial | None]:
    """Try the model of each of these ways to embed, and the reranker if one is set; blocks."""
    models = SettingsModels(settings, patient=True)
    tried = {way: _try(lambda way=way: models.encoder(way).model) for way in ways}
    reranks = settings.rerank is not None
    return tried, _try(lambda: _name_of(models.reranker())) if reranks else None


def list_ways(settings: Settings) -> Sequence[str]:
    """List the ways to embed that the settings allow."""
    return [way for way in WAYS if _is_allowed(settings, way)]


def require_way(settings: Settings, way: str) -> None:
    """Raise InvalidInput unless the settings allow this way to embed; it names what is missing."""
    if way not in WAYS:
        raise InvalidInput(
            f"'{way}' is not a way to embed.", field="way", hint=f"Ways: {', '.join(WAYS)}."
        )
    if not _is_allowed(settings, way):
        variable = f"WEFT_{_SETTINGS[way]}".upper()
        raise InvalidInput(
            f"{variable} is not set here, and embedding by '{way}' needs it.",
            field=variable,
            hint="Set it for every process of this WEFT_HOME.",
        )


def _try(name: Callable[[], str]) -> Trial:
    try:
        return Trial(model=name())
    except WeftError as error:
        return Trial(problem=str(error))


def _name_of(reranker: Reranker | None) -> str:
    return reranker.model if reranker else ""


def _is_allowed(settings: Settings, way: str) -> bool:
    return way not in _SETTINGS or getattr(settings, _SETTINGS[way]) is not None


def _load_packaged(_settings: Settings, _patient: bool) -> Encoder:
    from weft.local.embedding.static import StaticEncoder

    return StaticEncoder()


def _load_endpoint(settings: Settings, patient: bool) -> Encoder:
    # The HTTP stack takes long to import, and most processes embed by the packaged model.
    from weft.local.embedding.endpoint import (
        PASSAGES_SECONDS,
        QUERY_SECONDS,
        Endpoint,
        EndpointEncoder,
    )
    from weft.local.embedding.prefixes import find_prefixes

    url, model = settings.embeddings_url, settings.embeddings_model
    if url is None or model is None:
        raise AssertionError("the settings have both or none")
    prefixes = find_prefixes(
        model, settings.embeddings_query_prefix, settings.embeddings_passage_prefix
    )
    return EndpointEncoder(
        Endpoint(url, model, _read_key(settings), settings.embeddings_dimensions, prefixes),
        query_seconds=PASSAGES_SECONDS if patient else QUERY_SECONDS,
    )


def _load_folder(settings: Settings, _patient: bool) -> Encoder:
    from weft.local.embedding.folder import ModelFolder

    folder = settings.embeddings_folder
    if folder is None:
        raise AssertionError("it was looked at before")
    return ModelFolder(folder, "WEFT_EMBEDDINGS_FOLDER").load_encoder()


_LOADERS: Final[Mapping[str, Callable[[Settings, bool], Encoder]]] = {
    PACKAGED: _load_packaged,
    ENDPOINT: _load_endpoint,
    FOLDER: _load_folder,
}


def _load_reranker(wanted: str) -> Reranker:
    """Load what WEFT_RERANK names."""
    from weft.local.embedding.folder import ModelFolder
    from weft.local.embedding.minilm import load_minilm
    from weft.local.embedding.pooling import VectorReranker

    # Somebody waits for it, so it may use processors that a sync leaves free.
    threads = max(1, min(RERANK_THREADS, (os.cpu_count() or 1) // 2))
    if wanted == MINILM:
        return VectorReranker(load_minilm("WEFT_RERANK", threads=threads))
    path = Path(wanted).expanduser()
    if not path.is_absolute():
        raise InvalidInput(
            f"WEFT_RERANK is neither `{MINILM}` nor the absolute path of a folder.",
            field="WEFT_RERANK",
        )
    return ModelFolder(path, "WEFT_RERANK").load_reranker(threads=threads)


def _read_key(settings: Settings) -> str | None:
    if settings.embeddings_key is not None:
        return settings.embeddings_key.get_secret_value()
    file = settings.embeddings_key_file
    if file is None:
        return None
    try:
        with file.open(encoding="utf-8") as opened:
            key = opened.read(KEY_MAX_CHARS).strip()
    except (OSError, ValueError):
        key = ""
    if not key.isascii() or not key.isprintable() or not key:
        raise InvalidInput(
            f"WEFT_EMBEDDINGS_KEY_FILE names {file}, which cannot be read or holds no key.",
            field="WEFT_EMBEDDINGS_KEY_FILE",
            hint="Write the key into it, in one line, and let only Weft's user read it.",
        )
    return key
