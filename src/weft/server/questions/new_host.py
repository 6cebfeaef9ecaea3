"""Ask the person before a change points a connection that has credentials at another host.

Sources declare the fields that name the host, and the engine drops credentials that were given
for another host. This module only decides whether to ask first, so it may ask too often.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from mcp_types import CallToolResult

from weft.domain.connections import Connection, ConnectionChange
from weft.domain.sources import FieldInfo
from weft.server.call import ToolCall
from weft.server.elicitation.consent import ask_consent
from weft.server.render.structured import connection_out, reply
from weft.server.render.untrusted import one_line

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# The form user@host:path, which git and ssh use.
_SCP = re.compile(r"(?:[^@/:\s]+@)([^/:\s]+):\S*")
# A folder of this machine, to which no credentials are sent.
_FOLDER = re.compile(r"[./\\~]|[a-z]:\\", re.IGNORECASE)
_SHOWN_MAX_CHARS = 200


async def confirm_new_host(
    call: ToolCall, connection_id: str, change: ConnectionChange
) -> ConnectionChange | CallToolResult:
    """Ask if need be; return the change, bound to the version that the person agreed to change.

    Returns a result that ends the call if they refuse, and the change as it is if there is
    nothing, or nobody, to ask.
    """
    if change.config is None or not call.ask.can_show_form:
        return change
    connection = await call.backend.connections.get(connection_id)
    if not connection.auth.authenticated:
        return change
    source = await call.backend.sources.get(connection.short_name)
    places = host_change(source.config_fields, connection.config, change.config)
    if places is None or not source.auth_fields:
        return change

    async def read_version() -> int:
        return connection.version

    # With the version, the change is refused if the connection changes while we ask the person.
    version: int = await call.ask.once_per_call("version", read_version)
    question = _question(connection, places, change.auth is not None)
    consent = await ask_consent(
        call.ask,
        "move",
        question,
        title="Change it",
        description="Say yes only if you know the new place.",
        done="changed",
    )
    if consent.refusal:
        return reply(consent.refusal, connection_out(connection))
    if consent.agreed and change.expected_version is None:
        return change.model_copy(update={"expected_version": version})
    return change


def host_change(
    fields: Iterable[FieldInfo], config: Mapping[str, Any], change: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Return the hosts before and after a change of the configuration, or None if equal."""
    for field in fields:
        if not field.endpoint or field.name not in change:
            continue
        # A removed or missing value means the default.
        before, after = (
            _place(field.default if given.get(field.name) is None else given[field.name])
            for given in (config, change)
        )
        if before != after:
            return before or "none", after or "none"
    return None


def _question(connection: Connection, places: tuple[str, str], new_credentials: bool) -> str:
    before, after = places
    what = (
        "It will send the credentials that come with this change there."
        if new_credentials
        else "Credentials stored for it are dropped, and it syncs again only once it is authorised."
    )
    return (
        f"Point the connection '{one_line(connection.name)}' at another place?\n"
        f"- from {before}\n- to {after}\n- {what}"
    )


def _place(value: object) -> str | None:
    """Return the host that a value names, with scheme and port but no user, password or path."""
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip()
    if _URL.match(text):
        return _origin(text)
    scp = _SCP.fullmatch(text)
    if scp:
        return one_line(f"ssh://{scp.group(1).lower()}", _SHOWN_MAX_CHARS)
    if not text or _FOLDER.match(text):
        return None
    return one_line(text.rpartition("@")[2].partition("/")[0].lower(), _SHOWN_MAX_CHARS)


def _origin(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        return "a place that cannot be read"
    host = parts.netloc.rpartition("@")[2].lower()
    return one_line(f"{parts.scheme.lower()}://{host}", _SHOWN_MAX_CHARS)
