"""The part of `weft doctor` that tells why not everything is embedded yet."""

from collections.abc import Mapping, Sequence
from typing import Any

from weft.local.from_settings import embedder_lock, embedder_trouble
from weft.local.process_liveness import is_locked
from weft.settings import Settings


def describe_waiting(settings: Settings, ways: Sequence[Mapping[str, Any]]) -> str | None:
    """Say what becomes of entities that wait to be embedded, None if there are none."""
    if all(each["embedded"] == each["total"] for each in ways):
        return None
    if not settings.embeddings:
        return "WEFT_EMBEDDINGS is false, so nothing is embedded here"
    try:
        if is_locked(embedder_lock(settings)):
            return "a process embeds them now"
        why = embedder_trouble(settings).read_text("utf-8")
    except OSError:
        return "embedded while a Weft process is open: an agent's server, or a `weft sync`"
    return f"nothing is embedded for now: {why}"
