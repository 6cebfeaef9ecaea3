"""Runs a transformer by onnxruntime: tokens of texts go in, numbers for each text come out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from weft.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

TOKENS_MAX: Final = 512
"""No more tokens of a text are read: the memory that a model needs grows with their square."""

TOKENS_AT_ONCE: Final = 512
"""Tokens of all the texts that are read together, so that memory is bounded."""

_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of the texts at these places: of each token, or of the whole text."""

    places: list[int]
    output: NDArray[np.float32]
    mask: NDArray[np.int64]


class Named(Protocol):
    """An input or output of a model; a size that may vary is a word."""

    name: str
    shape: Sequence[int | str | None]


class Session(Protocol):
    """What is used of onnxruntime's sessions, which have no types."""

    def get_inputs(self) -> Sequence[Named]: ...
    def get_outputs(self) -> Sequence[Named]: ...
    def run(self, names: Sequence[str], given: Mapping[str, NDArray[Any]], /) -> Sequence[Any]: ...


class Transformer:
    """A model with its tokenizer; ``setting`` named them. It may be used by several threads."""

    def __init__(self, session: Session, tokenizer: "Tokenizer", setting: str) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._inputs = [each.name for each in session.get_inputs()]
        unknown = sorted({*self._inputs} - {*_INPUTS})
        if unknown:
            raise unusable(setting, f"wants {', '.join(unknown)} besides tokens")
        outputs = session.get_outputs()
        whole = [each for each in outputs if each.name == "sentence_embedding"]
        chosen = (whole or outputs)[0]
        self._output, shape = chosen.name, chosen.shape
        if len(shape) not in (2, 3):
            raise unusable(setting, "gives numbers neither for tokens nor for texts")
        self.compares = len(shape) == 2 and (shape[1] == 1 or self._output == "logits")
        """Whether it gives a score, for a pair of texts, instead of a vector for each."""

        self._setting = setting

    def run(self, texts: Sequence[str], query: str | None = None) -> Iterator[Answer]:
        """Run the model over texts, each behind ``query`` if given; yield the answers to a few.

        Texts of like length are read together, the longest first.
        """
        tokens = self._tokenize(texts, query)
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i].ids))
        while order:
            longest = max(1, len(tokens[order[-1]].ids))
            count = max(1, TOKENS_AT_ONCE // longest)
            places, order = order[-count:], order[:-count]
            yield self._run_batch([tokens[i] for i in places], places, longest)

    def _tokenize(self, texts: Sequence[str], query: str | None) -> "list[Encoding]":
        clean = [text.encode(errors="replace").decode() for text in texts]
        if query is None:
            return self._tokenizer.encode_batch(clean)
        asked = query.encode(errors="replace").decode()
        return self._tokenizer.encode_batch([(asked, text) for text in clean])

    def _run_batch(self, tokens: "list[Encoding]", places: list[int], longest: int) -> Answer:
        arrays = {name: np.zeros((len(tokens), longest), np.int64) for name in _INPUTS}
        for row, each in enumerate(tokens):
            arrays["input_ids"][row, : len(each.ids)] = each.ids
            arrays["attention_mask"][row, : len(each.ids)] = 1
            arrays["token_type_ids"][row, : len(each.ids)] = each.type_ids
        given = {name: arrays[name] for name in self._inputs}
        try:
            output = self._session.run([self._output], given)[0]
        except Exception:  # noqa: BLE001 (the library's errors have no base of their own)
            raise unusable(self._setting, "fails with some texts") from None
        return Answer(places, np.asarray(output, np.float32), arrays["attention_mask"])


def load_session(model: Path, setting: str, *, threads: int) -> Session:
    """Load the weights. Raises Unsupported without onnxruntime, InvalidInput for what is no model.

    ``setting`` is the one that named the model.
    """
    try:
        # It has no types, and its import takes a third of a second.
        onnxruntime: Any = import_module("onnxruntime")
    except ImportError:
        raise missing(setting, "onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # An arena would keep what the longest texts needed for as long as the process lives, and
    # threads that spin would take the time of a sync.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001 (the library's errors have no base of their own)
        raise unusable(setting, f"cannot be run: {model}") from None


def missing(setting: str, package: str, extra: str = "onnx") -> Unsupported:
    """Return the error for a package that is not installed."""
    return Unsupported(
        f"The model in {setting} needs {package}, which is not installed.",
        field=setting,
        hint=f'Install it: pip install "weft-mcp[{extra}]".',
    )


def unusable(setting: str, problem: str) -> InvalidInput:
    """Return the error for a model that is not one for search."""
    return InvalidInput(
        f"The model in {setting} {problem}.",
        field=setting,
        hint="Use one that was exported to ONNX to embed texts, or to compare them.",
    )
