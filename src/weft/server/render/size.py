"""Bound what goes over the wire, in the longest form in which a transport may write it."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from mcp_types import CallToolResult, TextContent
from pydantic_core import PydanticSerializationError, to_json

RESULT_MAX_BYTES: Final = 64 * 1024
_ROOM_BYTES: Final = RESULT_MAX_BYTES - 2 * 1024  # The rest is for the envelope.
# The SDK writes pure ASCII on some transports, which takes up to three times as many bytes.
_ASCII_RATIO_MAX: Final = 3
_SHORTER_CHARS: Final = (4096, 1024, 256, 64, 16, 4)
_TEXT_RATIO: Final = 4
_NOTE: Final = "\n… (shortened, because a result is at most 64 KiB) …\n"

Structured = dict[str, Any]


def wire_bytes(value: object) -> int:
    """Return the size of ``value`` as JSON in pure ASCII."""
    return len(json.dumps(value, separators=(",", ":"), default=str))


def is_within(value: object, most: int) -> bool:
    """Return whether ``value`` takes at most ``most`` bytes as JSON in pure ASCII."""
    try:
        # Most values are small, and this is the fastest way to see that.
        if len(to_json(value)) * _ASCII_RATIO_MAX <= most:
            return True
    except (PydanticSerializationError, UnicodeEncodeError):
        pass  # A lone surrogate.
    return wire_bytes(value) <= most


def fits(result: CallToolResult) -> bool:
    """Return whether the result stays within RESULT_MAX_BYTES on the wire."""
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    return is_within([texts, result.structured_content], _ROOM_BYTES)


def fits_as_text(data: Structured) -> bool:
    """Return whether the data, as JSON in a text of a result, stays within RESULT_MAX_BYTES."""
    return is_within(json.dumps(data, ensure_ascii=False), _ROOM_BYTES)


async def shrink_to_fit(
    limit: int, make: Callable[[int], Awaitable[CallToolResult]]
) -> CallToolResult:
    """Return the result of ``make(limit)``, or of a smaller limit until it fits.

    Do not drop items from a page that is too large: its ``next_cursor`` would skip them.
    """
    result = await make(limit)
    while not fits(result) and limit > 1:
        limit //= 2
        result = await make(limit)
    return result


def shorten(result: CallToolResult) -> CallToolResult:
    """Return the result with its texts and lists cut until it fits.

    Once something was changed, an answer that says less is better than an error.
    """
    whole = result
    for chars in _SHORTER_CHARS if not fits(result) else ():
        data = whole.structured_content
        result = whole.model_copy(
            update={
                "content": [_cut_block(block, chars * _TEXT_RATIO) for block in whole.content],
                "structured_content": data and shorten_data(data, chars),
            }
        )
        if fits(result):
            break
    return result


def shorten_to_text(data: Structured) -> Structured:
    """Return the data, cut until it fits as JSON in a text of a result."""
    small = data
    for chars in _SHORTER_CHARS:
        if fits_as_text(small):
            break
        small = shorten_data(data, chars)
    return small


def shorten_data(data: Structured, most: int) -> Structured:
    """Return the data with ``most`` characters of each text and items of each list, marked."""
    return {**cast("Structured", _cut(data, most)), "shortened": True}


def _cut_block(block: Any, most: int) -> Any:
    if not isinstance(block, TextContent) or len(block.text) <= most:
        return block
    # The end says what to do next, and closes what is labelled as untrusted.
    end = most // 4
    text = f"{block.text[: most - end]}{_NOTE}{block.text[-end:]}"
    return block.model_copy(update={"text": text})


def _cut(value: object, most: int) -> object:
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[: most - 1]}…"
    if isinstance(value, Mapping):
        items = _first(cast("Mapping[str, object]", value).items(), most)
        return {str(_cut(key, most)): _cut(item, most) for key, item in items}
    if isinstance(value, list | tuple):
        return [_cut(item, most) for item in _first(cast("Sequence[object]", value), most)]
    return value


def _first(items: Iterable[Any], most: int) -> list[Any]:
    return [item for _, item in zip(range(most), items, strict=False)]
