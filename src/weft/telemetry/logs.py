"""Logs to stderr: one line per event, as text or JSON, with the facts of the current request.

Callers pass facts in ``extra={"facts": {...}}``; of what a client sent, only checked identifiers.
Messages of exceptions are left out, because they may quote secrets. So are lines of libraries
below WARNING, which may hold whole requests.
"""

import json
import logging
import sys
import time
import traceback
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Literal, cast

LogFormat = Literal["text", "json"]

_context: ContextVar[Mapping[str, str]] = ContextVar("weft_log_context")
_OWN: Final = "weft"
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure(level: str, style: LogFormat) -> None:
    """Log to stderr, as stdout belongs to the protocol."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text(_TEXT))
    others = max(logging.getLevelNamesMapping()[level], logging.WARNING)
    logging.basicConfig(handlers=[handler], level=others, force=True)
    logging.getLogger(_OWN).setLevel(level)


@contextmanager
def log_context(**facts: str) -> Generator[None]:
    """Add ``facts`` to every line that this task, and what it starts, logs meanwhile."""
    token = _context.set({**_context.get({}), **facts})
    try:
        yield
    finally:
        _context.reset(token)


def safe_traceback(error: BaseException) -> str:
    """Format an exception and its causes: types and tracebacks, but no messages."""
    lines: list[str] = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        lines.append(f"{type(current).__module__}.{type(current).__qualname__}, raised at:")
        lines.extend(line.rstrip() for line in traceback.format_tb(current.__traceback__))
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", current).exceptions)
        waiting.append(current.__cause__ or current.__context__)
    return "\n".join(lines)


def _facts(record: logging.LogRecord) -> dict[str, object]:
    own: Mapping[str, object] = getattr(record, "facts", {})
    return {**_context.get({}), **own}


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.name.partition(".")[0] == _OWN:
        return message
    # A library may quote a request: a line break in it must not look like another log line.
    return "".join(c if c.isprintable() else " " for c in message)


ExceptionFacts = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class _Text(logging.Formatter):
    def formatException(self, ei: ExceptionFacts) -> str:  # noqa: N802 (logging's name)
        return safe_traceback(ei[1]) if ei[1] else ""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        record.message = _message(record)
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        return super().formatMessage(record) + facts


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "at": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            **_facts(record),
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = safe_traceback(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)
