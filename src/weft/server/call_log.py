"""Log each tool call, and define the callbacks that count calls and refusals."""

import logging
import re
from typing import Any, Protocol

from mcp_types import CallToolResult, InputRequiredResult

from weft.domain.access.principals import Principal

_logger = logging.getLogger(__name__)
_ID = re.compile(r"[0-9a-f-]{4,36}")


class ObserveCall(Protocol):
    """Called after every call of a known tool."""

    def __call__(self, tool: str, outcome: str, seconds: float) -> None: ...


class ObserveRefusal(Protocol):
    """Called for every call that a ceiling or a role forbids."""

    async def __call__(self, principal: Principal, tool: str) -> None: ...


def log_call(
    tool: str,
    arguments: dict[str, Any],
    result: object,
    *,
    principal: Principal,
    seconds: float,
) -> str:
    """Write one line about a call, and return its outcome: "ok", "error" or "asked".

    "asked" means that nothing is done yet: the client asks a question, then calls again with the
    answer.
    """
    outcome = "error" if isinstance(result, CallToolResult) and result.is_error else "ok"
    if isinstance(result, InputRequiredResult):
        outcome = "asked"
    facts: dict[str, object] = {
        "tool": tool,
        "principal": principal.name,
        "outcome": outcome,
        "duration_ms": round(seconds * 1000, 1),
    }
    job_id = _job_id(tool, arguments, result)
    if job_id:
        facts["job_id"] = job_id
    _logger.info("tool call", extra={"facts": facts})
    return outcome


def _job_id(tool: str, arguments: dict[str, Any], result: object) -> str | None:
    given: object = arguments.get("job_id")
    if tool == "run_sync" and isinstance(result, CallToolResult) and result.structured_content:
        given = result.structured_content.get("id")
    # A model may put a secret here, so log only what looks like an id.
    return given if isinstance(given, str) and _ID.fullmatch(given) else None
