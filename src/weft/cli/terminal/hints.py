"""Hints are written for agents and name tools; a person at a terminal has verbs instead.

Imported with every error, so it imports nothing of the engine.
"""

import re

_VERBS = {
    "list_sources": "sources",
    "get_source": "sources",
    "create_connection": "connections create",
    "list_connections": "connections",
    "get_connection": "connections show",
    "update_connection": "connections update",
    "authorize_connection": "connections authorize",
    "check_connection": "connections check",
    "delete_connection": "connections delete",
    "run_sync": "sync",
    "list_jobs": "jobs",
    "get_job": "jobs show",
    "cancel_job": "jobs cancel",
    "list_collections": "collections",
    "create_collection": "collections create",
    "delete_collection": "collections delete",
}
# A tool, and what it is called with; of that a verb takes the thing's id or name.
_CALL = re.compile(rf"\b({'|'.join(_VERBS)})\b(?:\([^()']*(?:'([^']*)')?[^()]*\))?")


def with_verbs(text: str) -> str:
    """``text`` with each tool, and each call of one, as the verb that does the same."""
    return _CALL.sub(_verb, text)


def _verb(call: re.Match[str]) -> str:
    tool, subject = call.groups()
    return f"`weft {_VERBS[tool]}{f' {subject}' if subject else ''}`"
