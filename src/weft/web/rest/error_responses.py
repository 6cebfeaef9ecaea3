"""Errors as the API answers them: `{"detail": …}`, without values from the request or secrets."""

import json
import logging
import re
import secrets
from collections.abc import Collection, Mapping
from math import ceil
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from weft.errors import ConnectionFault, InvalidInput, NotFound, RateLimited, TryLater, WeftError
from weft.net.json_bodies import is_overgrown
from weft.telemetry.logs import safe_traceback
from weft.wire.requests import MalformedRequest, Problem

RETRY_SECONDS: Final = 5

_logger = logging.getLogger(__name__)

# Airweave's own texts.
_NOT_FOUND: Final = {
    "connection_id": "Source connection not found",
    "job_id": "Sync job not found",
    "readable_collection_id": "Collection not found",
    "collection": "Collection not found",
    "short_name": "Source not found",
}
_FIELDS: Final = {"connection_id": "source_connection_id"}
# Hints are written for agents; sentences that name tools are left out here.
_TOOL: Final = re.compile(
    r"\b(list|get|create|update|delete|authorize|check|cancel|run)_"
    r"(sources?|connections?|collections?|jobs?|sync|entity)\b"
)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")


def error_response(error: WeftError, query: Collection[str], body: Mapping[str, Any]) -> Response:
    """Answer with one of our errors. ``query`` and ``body`` hold the request's parameters."""
    if isinstance(error, InvalidInput | ConnectionFault):
        return validation_response(_problem_of(error, query, body))
    about: dict[str, str] = {"detail": _text_of(error)}
    if error.field:
        about["field"] = _FIELDS.get(error.field, error.field)
    job_id: str | None = getattr(error, "job_id", None)
    if job_id:
        about["job_id"] = job_id
    return JSONResponse(about, error.status, _headers_of(error))


def validation_response(*problems: Problem) -> Response:
    """Answer with what is wrong in a request, in FastAPI's format."""
    return JSONResponse(
        {"detail": [{"loc": [*p.loc], "msg": p.msg, "type": p.type} for p in problems]}, 422
    )


def report_crash(error: BaseException, what: str) -> Response:
    """Log an unexpected exception and answer without its text, which may hold a secret."""
    error_id = secrets.token_hex(4)
    _logger.error("error %s: %s raised\n%s", error_id, what, safe_traceback(error))
    return JSONResponse({"detail": f"Internal error {error_id}; the server's log has more."}, 500)


async def answer_http_error(_: Request, error: Exception) -> Response:
    """Answer Starlette's own errors (404, 405) in the API's format."""
    status: int = getattr(error, "status_code", 500)
    detail: str = getattr(error, "detail", "Internal Server Error")
    headers: Mapping[str, str] | None = getattr(error, "headers", None)
    return JSONResponse({"detail": detail}, status, dict(headers or {}))


def parse_json(raw: bytes) -> Any:
    """Parse a JSON body. Raises MalformedRequest if it is not JSON, or cannot be stored as text."""
    try:
        if is_overgrown(raw):
            raise ValueError
        value = json.loads(raw, parse_constant=_refuse_constant)
        if b"\\u" in raw:
            # Half of a surrogate pair is valid JSON, but cannot be encoded as text.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise MalformedRequest(Problem(("body",), "Is not valid JSON.", "json_invalid")) from None
    return value


def _refuse_constant(_: str) -> float:
    raise ValueError


def _text_of(error: WeftError) -> str:
    if isinstance(error, NotFound):
        known = _NOT_FOUND.get(error.field or "")
        if known:
            return known
    sentences = _SENTENCE_END.split(error.hint) if error.hint else []
    return " ".join([error.message, *(part for part in sentences if not _TOOL.search(part))])


def _problem_of(error: WeftError, query: Collection[str], body: Mapping[str, Any]) -> Problem:
    path = error.field.split(".") if error.field else []
    if path and path[0] == "auth" and body.get("authentication"):
        path[0] = "authentication"
    section = "query" if path and path[0] in query else "body"
    kind = error.category.value if isinstance(error, ConnectionFault) else "value_error"
    return Problem((section, *path), _text_of(error), kind)


def _headers_of(error: WeftError) -> dict[str, str]:
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return {"retry-after": str(ceil(error.retry_after))}
    return {"retry-after": str(RETRY_SECONDS)} if isinstance(error, TryLater) else {}
