"""Protocol errors, for requests whose results cannot carry an error."""

import re
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar, cast

from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import HandlerEntry, Server
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, PaginatedRequestParams

from weft.domain.text.names import suggest
from weft.errors import CallError, WeftError
from weft.server.render.errors import crash_text, explain

# A name that a tool could have; anything else may be a secret in the wrong place.
_NAME = re.compile(r"[a-z]{1,15}(?:[_-][a-z]{1,15}){0,4}")

_SAME_VERB = 0.78
_PAUSE = "update_connection with schedule={'paused': true}"
_RESUME = "update_connection with schedule={'paused': false}"
# What callers ask for by the name of a tool that there is not, and the call that does it.
_OTHER_WAYS = {
    "pause_connection": _PAUSE,
    "pause_schedule": _PAUSE,
    "resume_connection": _RESUME,
    "resume_schedule": _RESUME,
    "rename_connection": "update_connection with name",
    "rename_collection": "update_collection with name",
    "sync_connection": "run_sync",
    "restore_collection": "restore_connection with readable_collection_id",
    "undelete_connection": "restore_connection",
}
# Tools that some backends lack, and why.
_LACKING = {"restore_connection": "What is deleted here is deleted for good."}

T = TypeVar("T")


async def convert_errors(work: Awaitable[T], what: str, data: dict[str, str] | None = None) -> T:
    """Await ``work``, and raise any error as an MCPError."""
    try:
        return await work
    except MCPError:
        raise
    except WeftError as error:
        code = INVALID_PARAMS if isinstance(error, CallError) else INTERNAL_ERROR
        raise MCPError(code=code, message=explain(error), data=data) from None
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is, the caller gets an answer)
        raise MCPError(code=INTERNAL_ERROR, message=crash_text(error, what), data=data) from None


def unknown_name_error(kind: str, name: str, known: Sequence[str]) -> MCPError:
    """Build the error for a name that nothing of that kind has."""
    near = suggest(name, known)
    if near and not suggest(_verb_of(name), [_verb_of(near)], cutoff=_SAME_VERB):
        near = None  # Another verb does another thing.
    meant = _OTHER_WAYS.get(name, "")
    hint = f"Did you mean {near}?" if near else f"Known: {', '.join(known)}."
    hint = f"Call {meant}." if meant.partition(" ")[0] in known else _LACKING.get(name, hint)
    named = f"Unknown {kind} '{name}'" if _NAME.fullmatch(name) else f"There is no such {kind}"
    return MCPError(code=INVALID_PARAMS, message=f"{named}. {hint}")


def _verb_of(name: str) -> str:
    return name.partition("_")[0]


def refuse_cursors(low: Server[Any], method: str) -> None:
    """Make a list that fits on one page refuse any cursor."""
    entry = cast("HandlerEntry[Any]", low.get_request_handler(method))

    async def list_all(
        ctx: ServerRequestContext[Any, Any], params: PaginatedRequestParams
    ) -> HandlerResult:
        if params.cursor is not None:
            raise MCPError(
                code=INVALID_PARAMS,
                message="cursor is not one that this list gave: it fits on one page.",
            )
        return await entry.handler(ctx, params)

    low.add_request_handler(method, PaginatedRequestParams, list_all)
