"""Cursors: opaque places in lists. A list accepts only its own cursors, for the same filters."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from weft.errors import InvalidInput

K = TypeVar("K")
KeyInteger = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
"""A sort key that is a number, as databases keep them."""

_MARK_BYTES = 6
_KEYS = re.compile(r"\[.*\]", re.DOTALL)


def encode_cursor(place: str | int, *listed: Any) -> str:
    """Encode a place in the list that ``listed`` identifies (its kind and filters, as JSON)."""
    text = _mark(listed) + str(place).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decode_cursor(cursor: str, place: re.Pattern[str], *listed: Any) -> re.Match[str]:
    """Return the place in ``cursor``. Raises InvalidInput for the cursor of another list."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        text = b""
    found = None
    if text[:_MARK_BYTES] == _mark(listed):
        found = place.fullmatch(text[_MARK_BYTES:].decode(errors="replace"))
    if found is None:
        raise invalid_cursor()
    return found


def encode_keys(keys: Sequence[str | int | None], *listed: Any) -> str:
    """Encode a place in a list that has several sort keys."""
    return encode_cursor(json.dumps(keys, ensure_ascii=False, separators=(",", ":")), *listed)


def decode_keys(cursor: str, keys: TypeAdapter[K], *listed: Any) -> K:
    """Return the sort keys in ``cursor``. Raises InvalidInput for others than ``keys`` takes."""
    try:
        return keys.validate_json(decode_cursor(cursor, _KEYS, *listed)[0])
    except ValidationError:
        raise invalid_cursor() from None


def invalid_cursor() -> InvalidInput:
    """Return the error for a cursor that the list did not issue."""
    return InvalidInput(
        "cursor is not one that this list gave.",
        field="cursor",
        hint="Pass next_cursor of the page before with the same filters, or leave it out.",
    )


def _mark(listed: Any) -> bytes:
    text = json.dumps(listed, sort_keys=True)
    return hashlib.blake2s(text.encode(), digest_size=_MARK_BYTES).digest()
