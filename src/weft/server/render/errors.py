"""Turn errors into text that a caller can act on: what was wrong, and what to do next."""

import logging
import secrets

from mcp_types import CallToolResult, TextContent

from weft.errors import (
    Ambiguous,
    Conflict,
    ConnectionFault,
    NotFound,
    RateLimited,
    SourceMisconfigured,
    TryLater,
    WeftError,
)
from weft.server.render.untrusted import clean
from weft.telemetry.logs import safe_traceback

_logger = logging.getLogger(__name__)

# The backend protocol and the tools have different names for a few arguments.
_ARGUMENT_NAMES = {
    "connection": "connection_id",
    "job": "job_id",
    "collection": "readable_collection_id",
}
_WHERE_TO_LOOK = {
    "connection_id": "Call list_connections for the ids and names.",
    "job_id": "Call list_jobs for the ids.",
    "readable_collection_id": "Call list_collections for the ids.",
    "short_name": "Call list_sources for the short names.",
    "entity_id": "Call search for entity ids.",
}


def error_result(error: WeftError) -> CallToolResult:
    """Build a tool result for an error that Weft raised on purpose."""
    return _result(explain(error))


def crash_result(error: BaseException, what: str) -> CallToolResult:
    """Log an unexpected exception and build a tool result for it."""
    return _result(crash_text(error, what))


def crash_text(error: BaseException, what: str) -> str:
    """Log an unexpected exception, and return a text with the id that finds it in the log."""
    error_id = log_crash(error, what)
    return (
        f"{what} failed inside Weft (error {error_id}). Try once more; if it fails again, report "
        f"it to the operator: the server's log on stderr has the details under {error_id}."
    )


def log_crash(error: BaseException, what: str) -> str:
    """Log the traceback of an unexpected exception, and return the id that finds it.

    Messages of exceptions are left out: they quote values, which may be secrets.
    """
    error_id = secrets.token_hex(4)
    _logger.error("error %s: %s raised\n%s", error_id, what, safe_traceback(error))
    return error_id


def explain(error: WeftError) -> str:
    """Say what was wrong, with the field named, and what to do next."""
    field = _ARGUMENT_NAMES.get(error.field, error.field) if error.field else None
    message = error.message.strip()
    if field and field not in message:
        message = f"{field}: {message}"
    return clean(f"{message} {_next_step(error, field)}".strip())


def _next_step(error: WeftError, field: str | None) -> str:
    parts = [error.hint] if error.hint else []
    if isinstance(error, Conflict) and error.job_id:
        parts.append(_job_in_the_way(error.job_id, f"{error.message} {error.hint or ''}"))
    if isinstance(error, RateLimited) and error.retry_after is not None:
        parts.append(f"Wait {error.retry_after:.0f} seconds.")
    return " ".join(part for part in parts if part) or _default_step(error, field)


def _job_in_the_way(job_id: str, said: str) -> str:
    if job_id in said and "cancel_job" in said:
        return ""
    return (
        f"The running job is {job_id}: follow it with get_job(job_id='{job_id}') "
        f"or stop it with cancel_job(job_id='{job_id}')."
    )


def _default_step(error: WeftError, field: str | None) -> str:
    if isinstance(error, NotFound):
        return _WHERE_TO_LOOK.get(field or "", "")
    if isinstance(error, Ambiguous):
        return "Give the full id. " + _WHERE_TO_LOOK.get(field or "", "")
    if isinstance(error, SourceMisconfigured):
        return (
            "Correct it in config and call again; where the connection exists already, with "
            "update_connection."
        )
    if isinstance(error, ConnectionFault):
        return (
            "Correct it in config or auth and call again; where the connection exists already, "
            "with update_connection or authorize_connection."
        )
    if isinstance(error, TryLater):
        return "Nothing is wrong with the call: try it again later."
    return ""


def _result(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
