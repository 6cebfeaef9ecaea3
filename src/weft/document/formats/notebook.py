"""Jupyter notebooks and rich text."""

import json
from importlib import import_module
from typing import Any, Final, cast

from weft.document.model import BROKEN, Document, TextParts, Unreadable
from weft.domain.base import Json

_OUTPUT_CHARS_MAX: Final = 2_000


def read_notebook(data: bytes) -> Document:
    """Read a notebook's prose, code, and the beginning of each output's text. Raises Unreadable.

    Anything else that is raised means that it is no notebook.
    """
    try:
        notebook: Any = json.loads(data)
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    parts = TextParts()
    for cell in notebook["cells"]:
        is_prose = cell.get("cell_type") == "markdown"
        for line in _join(cell.get("source")).splitlines():
            if is_prose and line.startswith("#"):
                parts.add_heading(line.lstrip("# "))
            else:
                parts.add(line)
        for output in cell.get("outputs") or ():
            shown: object = output.get("text") or output.get("data", {}).get("text/plain")
            parts.add(_join(shown)[:_OUTPUT_CHARS_MAX])
    facts: Json = {"cells": len(notebook["cells"])}
    if parts.headings:
        facts["headings"] = [*parts.headings]
    return Document(parts.headings[0] if parts.headings else "", parts.join(), facts)


def read_rtf(data: bytes) -> Document:
    """Read rich text. Raises Unreadable."""
    striprtf: Any = import_module("striprtf.striprtf")
    if not data.lstrip().startswith(b"{\\rtf"):
        raise Unreadable(BROKEN)
    parts = TextParts()
    for line in striprtf.rtf_to_text(data.decode("latin-1"), errors="replace").splitlines():
        parts.add(line)
    return Document("", parts.join())


def _join(value: object) -> str:
    lines = cast("list[object]", value) if isinstance(value, list) else [value or ""]
    return "".join(map(str, lines))
