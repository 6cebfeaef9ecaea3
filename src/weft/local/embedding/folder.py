"""Models that an operator keeps in a folder: `model.onnx` and `tokenizer.json`.

Publishers put the former into a folder `onnx`, where it is found too. The folder may also have the
files of sentence-transformers that say how the model is meant: which tokens make the vector, what
goes before a query, how long a text may be. Nothing is downloaded.
"""

import json
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from weft.errors import InvalidInput
from weft.local.embedding.encoder import Encoder, Reranker
from weft.local.embedding.pooling import PairReranker, TransformerEncoder, VectorReranker
from weft.local.embedding.prefixes import Prefixes, find_prefixes
from weft.local.embedding.transformer import (
    TOKENS_MAX,
    Transformer,
    load_session,
    missing,
    unusable,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODEL_FILE: Final = "model.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The folder of a model, and the setting that names it."""

    path: Path
    setting: str

    def load(self, *, threads: int = 1) -> Transformer:
        """Load the model. Raises InvalidInput or Unsupported, which name the setting."""
        for file in (self._weights(), self.path / TOKENIZER_FILE):
            if not file.is_file():
                raise InvalidInput(
                    f"{self.setting} names {self.path}, which has no file {file.name}.",
                    field=self.setting,
                    hint=f"Put {MODEL_FILE} and {TOKENIZER_FILE} of a model into it.",
                )
        session = load_session(self._weights(), self.setting, threads=threads)
        return Transformer(session, self._load_tokenizer(), self.setting)

    def load_encoder(self, *, threads: int = 1) -> Encoder:
        """Load a model that embeds; raises as `load`."""
        transformer = self.load(threads=threads)
        if transformer.compares:
            raise unusable(self.setting, "compares texts instead of embedding them")
        return self._make_encoder(transformer)

    def load_reranker(self, *, threads: int) -> Reranker:
        """Load a model that compares texts, or one that embeds; raises as `load`."""
        transformer = self.load(threads=threads)
        if transformer.compares:
            return PairReranker(transformer, self.name())
        return VectorReranker(self._make_encoder(transformer))

    def name(self) -> str:
        """Name the model by its folder and by what is in its files."""
        digest = blake2b(digest_size=4)
        weights = self._weights()
        # Weights of more than 2 GB are in a file of their own.
        for file in (weights, weights.with_name("model.onnx_data"), self.path / TOKENIZER_FILE):
            if file.is_file():
                with file.open("rb") as opened:
                    while block := opened.read(1 << 20):
                        digest.update(block)
        return f"{self.path.name} {digest.hexdigest()}"

    def _make_encoder(self, transformer: Transformer) -> TransformerEncoder:
        pooling = self._read_json("1_Pooling/config.json")
        return TransformerEncoder(
            transformer,
            self.name(),
            self._find_prefixes(),
            takes_first=pooling.get("pooling_mode_cls_token") is True,
        )

    def _weights(self) -> Path:
        below = self.path / "onnx" / MODEL_FILE
        return below if below.is_file() else self.path / MODEL_FILE

    def _load_tokenizer(self) -> "Tokenizer":
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise missing(self.setting, "tokenizers") from None
        try:
            tokenizer = Tokenizer.from_file(str(self.path / TOKENIZER_FILE))
        except Exception:  # noqa: BLE001 (the library raises nothing more exact)
            raise unusable(self.setting, f"has a {TOKENIZER_FILE} that cannot be read") from None
        most = self._read_json("sentence_bert_config.json").get("max_seq_length")
        own = most if isinstance(most, int) and most > 0 else TOKENS_MAX
        tokenizer.enable_truncation(min(own, TOKENS_MAX))  # pyright: ignore[reportUnknownMemberType]
        tokenizer.no_padding()
        return tokenizer

    def _find_prefixes(self) -> Prefixes:
        named = self._read_json("config_sentence_transformers.json").get("prompts")
        prompts = cast("dict[str, Any]", named) if isinstance(named, dict) else {}
        query, passage = prompts.get("query"), prompts.get("passage", prompts.get("document"))
        if isinstance(query, str):
            return Prefixes(query, passage if isinstance(passage, str) else "")
        return find_prefixes(self.path.name)

    def _read_json(self, file: str) -> dict[str, Any]:
        try:
            found = json.loads((self.path / file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
