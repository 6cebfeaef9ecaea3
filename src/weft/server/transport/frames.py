"""Read single JSON-RPC frames, and answer those that cannot be served with an error.

The SDK silently drops frames that it cannot serve, and their senders wait for ever. Here every
frame becomes a message or an error, which carries the frame's id if it can be found.
"""

import json
import re
from typing import Any, cast

import pydantic_core
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    JSONRPC_VERSION,
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    RequestId,
)
from mcp_types.jsonrpc import jsonrpc_message_adapter
from pydantic import ValidationError

from weft.net.json_bodies import is_overgrown

FRAME_MAX_BYTES = 4 * 1024 * 1024
# Only these parts of an oversize frame are kept, to find its id: Python clients write the id
# first, JavaScript clients last.
KEPT_HEAD_BYTES = 16 * 1024
KEPT_TAIL_BYTES = 1024
# The answer repeats the id, and must stay small.
ID_MAX_CHARS = 256
_ID_MAX = 2**63 - 1

_BAD_ID = f"id must be a string of up to {ID_MAX_CHARS} characters or an integer within 64 bits."
# The protocol has the version that a client asked for come back when it is not served.
_VERSION = re.compile(r"[0-9A-Za-z.-]{1,32}")
_BAD_VERSION = "The protocol version must be one like 2026-07-28."
# Our texts for the JSON parser's reasons, each recognised by a word. The parser quotes no input.
_JSON_REASONS = (
    ("surrogate", "A string has half of a surrogate pair, which UTF-8 cannot carry"),
    ("hex escape", "A string has half of a surrogate pair, which UTF-8 cannot carry"),
    ("recursion", "The message is nested too deeply"),
    ("number out of range", "A number has too many digits"),
    ("unicode", "The message is not UTF-8"),
    ("EOF", "The message is not valid JSON: its end is missing"),
    ("expected value", "The message is not valid JSON, which has neither NaN nor Infinity"),
    ("invalid number", "The message is not valid JSON, which has neither NaN nor Infinity"),
)
_NOT_JSON = "The message is not valid JSON"
_PLACE = re.compile(r"line \d+ column \d+")
# A string without an end reaches to the end of the text, and the possessive quantifiers never look
# back: else each quote of a hostile frame would be the start of another long search.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\]:]', re.DOTALL)
_ID_VALUE = re.compile(r'\s*(-?\d{1,19}(?![\d.eE])|"(?:[^"\\]|\\.){0,256}+")')
_ID_AT_END = re.compile(
    r'"id"\s*:\s*(-?\d{1,19}|"(?:[^"\\]|\\.){0,256}+")\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z'
)


class FrameError(JSONRPCError):
    """An error to send, as opposed to a JSONRPCError that was received."""


def read_frame(raw: bytes) -> JSONRPCMessage | None:
    """Parse one line: return a message, an error to send back, or None for a blank line.

    An error to send back is a `FrameError`; any other JSONRPCError came from the client.
    """
    if not raw or raw.isspace():
        return None
    if is_overgrown(raw):
        found = _id_in(*_ends_of(raw))
        return frame_error(found, INVALID_REQUEST, "The message has too many lists and objects.")
    try:
        value: object = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        return _json_error(raw, str(error))
    if isinstance(value, list):
        return _batch_error(cast("list[Any]", value))
    if not isinstance(value, dict):
        return frame_error(None, INVALID_REQUEST, "A message is a JSON object.")
    return _message(cast("dict[str, Any]", value))


def oversize_error(head: bytes, tail: bytes) -> FrameError:
    """Build the answer to a frame over FRAME_MAX_BYTES from its first and last bytes."""
    found = _id_in(head.decode("utf-8", "replace"), tail.decode("utf-8", "replace"))
    limit = FRAME_MAX_BYTES // (1024 * 1024)
    return frame_error(found, INVALID_REQUEST, f"The message is larger than {limit} MiB.")


def frame_error(request_id: RequestId | None, code: int, message: str) -> FrameError:
    """Build an error to send; its id is null if the frame's id is unknown."""
    return FrameError(
        jsonrpc=JSONRPC_VERSION, id=request_id, error=ErrorData(code=code, message=message)
    )


def _batch_error(messages: list[Any]) -> FrameError:
    # An answer has one id, which waits for it only if the batch has one message.
    found = _usable_id(messages[0].get("id")) if [type(one) for one in messages] == [dict] else None
    return frame_error(found, INVALID_REQUEST, "Batches are not served: send single messages.")


def _message(value: dict[str, Any]) -> JSONRPCMessage:
    known = _usable_id(value.get("id"))
    if "method" in value and "id" in value and known is None:
        return frame_error(None, INVALID_REQUEST, _BAD_ID)
    try:
        if "method" in value and "id" in value:
            # The adapter would try all kinds of message, which takes twice as long.
            message = JSONRPCRequest.model_validate(value, by_name=False)
        else:
            message = jsonrpc_message_adapter.validate_python(value, by_name=False)
    except ValidationError:
        return frame_error(known, INVALID_REQUEST, _reason(value))
    if isinstance(message, JSONRPCRequest) and _has_odd_version(message.params or {}):
        return frame_error(known, INVALID_PARAMS, _BAD_VERSION)
    return message


def _has_odd_version(params: dict[str, Any]) -> bool:
    meta: object = params.get("_meta")
    named = cast("dict[str, Any]", meta) if isinstance(meta, dict) else {}
    versions = (params.get("protocolVersion"), named.get(PROTOCOL_VERSION_META_KEY))
    return any(isinstance(one, str) and not _VERSION.fullmatch(one) for one in versions)


def _usable_id(value: object) -> RequestId | None:
    if isinstance(value, str):
        return value if len(value) <= ID_MAX_CHARS else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) <= _ID_MAX else None
    return None


def _reason(value: dict[str, Any]) -> str:
    if value.get("jsonrpc") != JSONRPC_VERSION:
        return 'jsonrpc must be "2.0".'
    if "method" in value and not isinstance(value["method"], str):
        return "method must be a string."
    if "method" in value:
        return "params must be an object."
    return "The message is neither a request, a notification nor a response."


def _json_error(raw: bytes, said: str) -> FrameError:
    head, tail = _ends_of(raw)
    # The end of a message that is cut off, or wholly in the head, tells of no outermost object.
    is_whole_in_head = len(raw) <= KEPT_HEAD_BYTES
    found = _id_in(head, "" if is_whole_in_head or "EOF" in said else tail)
    reason = next((reason for word, reason in _JSON_REASONS if word in said), _NOT_JSON)
    place = _PLACE.search(said)
    where = f" (at {place.group()})" if place else ""
    return frame_error(found, PARSE_ERROR, f"{reason}{where}.")


def _ends_of(raw: bytes) -> tuple[str, str]:
    # Only the two ends are searched, so that a hostile frame costs little.
    return (
        raw[:KEPT_HEAD_BYTES].decode("utf-8", "replace"),
        raw[-KEPT_TAIL_BYTES:].decode("utf-8", "replace"),
    )


def _id_in(head: str, tail: str) -> RequestId | None:
    found = _id_at_top(head)
    if found is None and (match := _ID_AT_END.search(tail)):
        found = match.group(1)
    if found is None:
        return None
    try:
        value: object = json.loads(found)
    except ValueError:
        return None
    if isinstance(value, str) and not value.isprintable():
        return None
    return _usable_id(value)


def _id_at_top(text: str) -> str | None:
    """Return the raw value of the key "id" of the outermost object, if it is in ``text``."""
    depth = 0
    previous = ""
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
        elif mark == ":" and depth == 1 and previous == '"id"':
            match = _ID_VALUE.match(text, token.end())
            return match.group(1) if match else None
        previous = mark
    return None
