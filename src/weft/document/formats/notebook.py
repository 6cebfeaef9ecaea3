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
    # Until 2015 the cells were in worksheets, and code was called input.
    sheets = [notebook] if "cells" in notebook else notebook["worksheets"]
    cells = [cell for sheet in sheets for cell in sheet["cells"]]
    for cell in cells:
        _add_cell(parts, cell)
    facts: Json = {"cells": len(cells)}
    if parts.headings:
        facts["headings"] = [*parts.headings]
    return Document(parts.headings[0] if parts.headings else "", parts.join(), facts)


def _add_cell(parts: TextParts, cell: Any) -> None:
    kind = cell.get("cell_type")
    is_fenced = False
    for line in _join(cell.get("source") or cell.get("input")).splitlines():
        is_fenced ^= line.lstrip().startswith("```")
        is_heading = line.startswith("#") and kind == "markdown" and not is_fenced
        if is_heading or kind == "heading":
            parts.add_heading(line.lstrip("# "))
        else:
            parts.add(line)
    for output in cell.get("outputs") or ():
        if "ename" in output:
            parts.add(f"{output['ename']}: {output.get('evalue', '')}"[:_OUTPUT_CHARS_MAX])
        data: Any = output.get("data") or {}
        parts.add(_join(output.get("text") or data.get("text/plain"))[:_OUTPUT_CHARS_MAX])


def read_rtf(data: bytes) -> Document:
    """Read rich text. Raises Unreadable."""
    striprtf: Any = import_module("striprtf.striprtf")
    if not data.lstrip().startswith(b"{\\rtf"):
        raise Unreadable(BROKEN)
    parts = TextParts()
    text: str = striprtf.rtf_to_text(data.decode("latin-1"), errors="replace")
    # RTF writes a character beyond the first 65,536 as two halves.
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for line in whole.splitlines():
        parts.add(line)
    return Document("", parts.join())


def _join(value: object) -> str:
    lines = cast("list[object]", value) if isinstance(value, list) else [value or ""]
    return "".join(map(str, lines))
