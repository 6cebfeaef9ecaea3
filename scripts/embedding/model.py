"""Write a model as Weft reads it: a byte a number, a scale a row, and the vocabulary."""

import json
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "weft-static-english"
SCRIPTS = ("LATIN", "GREEK", "CYRILLIC")


def choose_pieces(vocabulary: Sequence[str]) -> list[int]:
    """Return the numbers of the pieces that words can be made of: letters of Europe, and digits.

    The teacher reads English; of scripts that it has only some letters of it knows no words.
    """
    return [number for number, piece in enumerate(vocabulary) if _is_readable(piece)]


def _is_readable(piece: str) -> bool:
    letters = piece.removeprefix("##")
    return bool(letters) and all(
        letter.isalnum()
        and (letter.isascii() or unicodedata.name(letter, "").startswith(SCRIPTS))
        and unicodedata.normalize("NFKC", letter) == letter
        for letter in letters
    )


def write_model(
    folder: Path, pieces: Sequence[str], rows: NDArray[np.float32], told: dict[str, Any]
) -> str:
    """Write the model and what is told of it; return the digest of its file."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-9) / 127
    path = folder / "english.npz"
    np.savez(
        path,
        rows=np.rint(rows / scales[:, None]).astype(np.int8),
        scales=(scales / scales.max()).astype(np.float32),
        pieces=np.frombuffer("\n".join(pieces).encode(), np.uint8),
    )
    digest = blake2b(path.read_bytes(), digest_size=16).hexdigest()
    text = json.dumps({"name": NAME, "digest": digest, **told}, indent=2)
    (folder / "english.json").write_text(text + "\n", "utf-8")
    return digest
