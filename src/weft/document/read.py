"""Reads files of any format: plain text here, documents in a child process under limits."""

import posixpath
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Final

from pydantic import JsonValue

from weft.document.child import THREAD_BYTES_MAX, TooCostly, run_parser, run_parser_in_thread
from weft.document.model import BROKEN, Document, Unreadable
from weft.document.text import clean_text, compose_title, decode, read_text
from weft.domain.base import Json
from weft.domain.text.characters import clean_line
from weft.domain.text.media_types import MEDIA_TYPES

NESTED_MAX: Final = 3
_FORMATS: Final = {
    ".pdf": ("pdf", "read_pdf"),
    ".docx": ("office", "read_word"),
    ".docm": ("office", "read_word"),
    ".dotx": ("office", "read_word"),
    ".pptx": ("office", "read_slides"),
    ".pptm": ("office", "read_slides"),
    ".xlsx": ("office", "read_sheets"),
    ".xlsm": ("office", "read_sheets"),
    ".odt": ("open_document", "read_open_document"),
    ".ods": ("open_document", "read_open_document"),
    ".odp": ("open_document", "read_open_document"),
    ".epub": ("open_document", "read_epub"),
    ".eml": ("mail", "read_eml"),
    ".msg": ("mail", "read_msg"),
    ".ipynb": ("notebook", "read_notebook"),
    ".rtf": ("notebook", "read_rtf"),
}
_SUFFIXES: Final = {
    media_type: f".{suffix}"
    for suffix, media_type in MEDIA_TYPES.items()
    if f".{suffix}" in _FORMATS
}
_UNKNOWN_TYPES: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_OLD_OFFICE: Final = frozenset({".doc", ".xls", ".ppt"})
_OLE_MARK: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
PDF_MARK: Final = b"%PDF-"
_TOO_COSTLY: Final = "takes too much memory or time, or crashes the program that reads it"


def name_document(name: str, media_type: str) -> str | None:
    """Return the name of a file of that media type if it is a document, else None.

    A server that does not know the type is believed less than the name's ending.
    """
    if media_type in _UNKNOWN_TYPES:
        return name if is_document(name) else None
    suffix = _SUFFIXES.get(media_type)
    if suffix is None:
        return None
    return name if name.lower().endswith(suffix) else name + suffix


def is_document(path: str) -> bool:
    """Return whether the name is that of a document which is more than encoded text."""
    return _ending(path) in _FORMATS


async def read(path: str, data: bytes) -> Document:
    """Read a file. Raises Unreadable, and SourceUnavailable as `run_parser`."""
    try:
        return await run_parser(_cost(path, data), parse_file, path, data)
    except TooCostly:
        raise Unreadable(_TOO_COSTLY) from None


def read_in_thread(path: str, data: bytes) -> Document:
    """Do the same for a caller that is in a worker thread already."""
    try:
        return run_parser_in_thread(_cost(path, data), parse_file, path, data)
    except TooCostly:
        raise Unreadable(_TOO_COSTLY) from None


def parse_file(path: str, data: bytes, depth: int = 0) -> Document:
    """Read a file in this process. Raises Unreadable."""
    suffix = _suffix_of(path, data)
    if suffix not in _FORMATS:
        if suffix in _OLD_OFFICE or data.startswith(_OLE_MARK):
            raise Unreadable("in an old Office format: save it in today's")
        text = decode(data)
        if text is None:
            raise Unreadable("binary, or in an unknown encoding")
        return Document(*read_text(path, text))
    if data.startswith(_OLE_MARK) and suffix != ".msg":
        raise Unreadable("protected by a password, or in an old Office format")
    try:
        document = _reader_of(suffix, depth)(data)
    except (Unreadable, MemoryError):
        raise
    except Exception:  # noqa: BLE001 (a parser of foreign formats raises anything on broken input)
        raise Unreadable(BROKEN) from None
    title = compose_title(path, document.title)
    return Document(title, clean_text(document.text), _clean(document.facts))


def _cost(path: str, data: bytes) -> int:
    # However small, a document can unpack to gigabytes, or crash what parses it.
    is_plain = _suffix_of(path, data) not in _FORMATS
    return len(data) if is_plain else max(len(data), THREAD_BYTES_MAX + 1)


def _suffix_of(path: str, data: bytes) -> str:
    return ".pdf" if data.startswith(PDF_MARK) else _ending(path)


def _ending(path: str) -> str:
    # Cheaper than pathlib, as every file is asked for it.
    return posixpath.splitext(path)[1].lower()


def _reader_of(suffix: str, depth: int) -> Callable[[bytes], Document]:
    # Imported when needed, which is in the child process: a start must not wait for it.
    module, name = _FORMATS[suffix]
    reader = getattr(import_module(f"weft.document.formats.{module}"), name)
    return (
        partial(reader, read_attachment=partial(_read_nested, depth))
        if suffix == ".eml"
        else reader
    )


def _read_nested(depth: int, name: str, media_type: str, data: bytes) -> Document:
    if depth >= NESTED_MAX:
        raise Unreadable("nested too deeply")
    known = name if is_document(name) else name_document(name, media_type)
    return parse_file(known or name, data, depth + 1)


def _clean(facts: Json) -> Json:
    def clean(value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return clean_line(value)
        return [clean(item) for item in value] if isinstance(value, list) else value

    return {name: clean(value) for name, value in facts.items()}
