"""The part of `weft doctor` that tells why not everything is embedded yet."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from weft.local.from_settings import embedder_lock, tell_standstill
from weft.local.process_liveness import is_locked
from weft.settings import Settings

STANDSTILL: Final = "nothing is embedded for now: "


def describe_waiting(settings: Settings, ways: Sequence[Mapping[str, Any]]) -> str | None:
    """Say what becomes of entities that wait to be embedded, None if there are none."""
    if all(each["embedded"] == each["total"] for each in ways):
        return None
    if not settings.embeddings:
        return "WEFT_EMBEDDINGS is false, so nothing is embedded here"
    if why := tell_standstill(settings):
        return f"{STANDSTILL}{why}"
    with suppress(OSError):
        if is_locked(embedder_lock(settings)):
            return "a process embeds them now"
    return "embedded while a Weft process is open: an agent's server, or a `weft sync`"
