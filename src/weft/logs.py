"""Logs on stderr: one line an event, as text or as JSON, with what belongs to the present request.

Callers name the facts in ``extra={"facts": {...}}``. Nothing that a client sent is among them but
identifiers that were checked.
"""

import json
import logging
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

LogFormat = Literal["text", "json"]

_context: ContextVar[Mapping[str, str]] = ContextVar("weft_log_context")
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure(level: str, style: LogFormat) -> None:
    """Log to stderr: stdout belongs to the protocol."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text(_TEXT))
    logging.basicConfig(handlers=[handler], level=level, force=True)


@contextmanager
def log_context(**facts: str) -> Generator[None]:
    """Add ``facts`` to every line that is logged meanwhile, by this task and what it starts."""
    token = _context.set({**_context.get({}), **facts})
    try:
        yield
    finally:
        _context.reset(token)


def _facts(record: logging.LogRecord) -> dict[str, object]:
    own: Mapping[str, object] = getattr(record, "facts", {})
    return {**_context.get({}), **own}


class _Text(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        return super().formatMessage(record) + facts


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "at": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
