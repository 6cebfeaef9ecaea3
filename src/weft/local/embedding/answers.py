"""Reads the vectors in an answer of an OpenAI-compatible API, and refuses what are none."""

from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from weft.errors import InvalidInput, SourceMisconfigured, SourceUnavailable

DIMENSIONS_MAX: Final = 8192
_STEP: Final = 64
"""The length of vectors is a multiple of it, since codes of them are compared word by word."""


def parse_vectors(
    answer: Any, count: int, place: str, dimensions: int | None
) -> NDArray[np.float32]:
    """Return the rows of an answer to ``count`` texts, in their order and of length 1.

    Only the first ``dimensions`` of each are kept, if given. Raises SourceUnavailable for what is
    no answer, SourceMisconfigured if the vectors are too short, and InvalidInput if one is no
    direction; all name the ``place``.
    """
    rows = _to_array([item.get("embedding") for item in _in_order(answer, count, place)], place)
    if dimensions is not None:
        if rows.shape[1] < dimensions:
            raise SourceMisconfigured(
                f"The vectors of {place} have {rows.shape[1]} dimensions, fewer than "
                f"WEFT_EMBEDDINGS_DIMENSIONS asks for ({dimensions}).",
                field="WEFT_EMBEDDINGS_DIMENSIONS",
            )
        rows = rows[:, :dimensions]
    units = to_units(rows)
    if not units.any(axis=1).all():
        raise InvalidInput(
            f"The answer of {place} has a vector that is zero or not finite.",
            field="WEFT_EMBEDDINGS_MODEL",
        )
    return units


def to_units(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scale rows to length 1, and lengthen them with zeros to a multiple of 64.

    A row that has no direction, or numbers that are none, becomes zeros.
    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    usable = np.isfinite(lengths) & (lengths > 0)
    units = np.divide(rows, lengths, out=np.zeros_like(rows), where=usable)
    missing = -rows.shape[1] % _STEP
    return np.pad(units, ((0, 0), (0, missing))).astype(np.float32)


def _in_order(answer: Any, count: int, place: str) -> list[dict[str, Any]]:
    data: Any = cast("dict[str, Any]", answer).get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise _broken(place, "has no list `data`")
    items = cast("list[Any]", data)
    if len(items) != count or not all(isinstance(item, dict) for item in items):
        raise _broken(place, f"has {len(items)} vectors for {count} texts")
    places = [item.get("index", i) for i, item in enumerate(items)]
    if any(type(each) is not int for each in places) or sorted(places) != list(range(count)):
        raise _broken(place, "does not say which vector is of which text")
    return [item for _, item in sorted(zip(places, items, strict=True), key=lambda pair: pair[0])]


def _to_array(vectors: list[Any], place: str) -> NDArray[np.float64]:
    if any(not isinstance(vector, list) for vector in vectors):
        raise _broken(place, "has a vector that is not a list of numbers")
    # An array would take them for numbers.
    if any({str, bool} & {*map(type, vector)} for vector in vectors):
        raise _broken(place, "has vectors that are not of numbers")
    try:
        rows = np.array(vectors, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise _broken(
            place, "has vectors that are not of numbers, or of different length"
        ) from None
    if rows.ndim != 2 or not 1 <= rows.shape[1] <= DIMENSIONS_MAX:
        raise _broken(place, f"has vectors that do not have 1 to {DIMENSIONS_MAX} dimensions")
    return rows


def _broken(place: str, problem: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"The answer of {place} {problem}.",
        hint="Check that WEFT_EMBEDDINGS_URL is an OpenAI-compatible API, and its model one that "
        "embeds texts.",
    )
