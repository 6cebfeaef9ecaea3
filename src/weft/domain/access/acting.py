"""The actor behind the current operation: set by the fronts, read by the audit."""

import hashlib
import json
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, cast

# Keys that are removed with their values before hashing: a digest of a short secret can be guessed.
_SECRET = re.compile(r"auth|credential|secret|token|passw|pass_|api_?key|private|values?$", re.I)


@dataclass(frozen=True, slots=True)
class Actor:
    """The principal that acts, its transport, the tool, route or verb, and the arguments."""

    principal: str
    transport: str
    operation: str
    arguments: Mapping[str, Any] | None = None

    def digest(self) -> str | None:
        """Return a fingerprint of the arguments that cannot be secret; None if there is none."""
        return None if self.arguments is None else arguments_digest(self.arguments)


SYSTEM: Final = Actor(principal="system", transport="engine", operation="engine")
"""The engine itself, when it fires a schedule or a sync changes a connection's state."""

_acting: ContextVar[Actor] = ContextVar("weft_acting", default=SYSTEM)


def current_actor() -> Actor:
    """Return the actor of the current operation."""
    return _acting.get()


@contextmanager
def acting(
    *,
    operation: str,
    principal: str | None = None,
    transport: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Generator[None]:
    """Attribute changes made within this block to an actor; omitted parts stay as outside it."""
    outer = _acting.get()
    inner = Actor(
        principal=outer.principal if principal is None else principal,
        transport=outer.transport if transport is None else transport,
        operation=operation,
        arguments=arguments,
    )
    mark = _acting.set(inner)
    try:
        yield
    finally:
        _acting.reset(mark)


def arguments_digest(arguments: Mapping[str, Any]) -> str:
    """Hash the arguments that cannot be secret (SHA-256 of canonical JSON)."""
    text = json.dumps(
        _without_secrets(arguments), sort_keys=True, separators=(",", ":"), default=str
    )
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _without_secrets(value: object) -> object:
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {
            str(key): _without_secrets(item) for key, item in items if not _SECRET.search(str(key))
        }
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_without_secrets(item) for item in cast("Sequence[object]", value)]
    return value
