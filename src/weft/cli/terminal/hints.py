"""Translates hints, which name tools for agents, into verbs for a person at a terminal.

Every verb imports it, so it imports nothing of the engine.
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
    "restore_connection": "restore",
    "run_sync": "sync",
    "list_jobs": "jobs",
    "get_job": "jobs show",
    "cancel_job": "jobs cancel",
    "list_collections": "collections",
    "create_collection": "collections create",
    "update_collection": "collections rename",
    "delete_collection": "collections delete",
    "get_entity": "show",
    "list_entities": "entities",
}
_FLAG = re.compile(r"\bapply_deletions(=true)?\b")
_OPTIONS = {"apply_deletions": "--apply-deletions", "config={...}": "--config key=value"}
# A tool with its arguments; a verb takes only the id or name among them, and these options.
_CALL = re.compile(rf"\b({'|'.join(_VERBS)})\b(?:\([^()']*(?:'([^']*)')?[^()]*\))?")


def with_verbs(text: str) -> str:
    """Replace each tool, and each call of one, by the verb that does the same."""
    return _FLAG.sub("--apply-deletions", _CALL.sub(_verb, text))


def _verb(call: re.Match[str]) -> str:
    tool, subject = call.groups()
    words = [_VERBS[tool], *([subject] if subject else [])]
    words += [option for argument, option in _OPTIONS.items() if argument in call.group()]
    return f"`weft {' '.join(words)}`"
