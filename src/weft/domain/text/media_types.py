"""The media types that the endings of names stand for.

Python's `mimetypes` also reads the machine's own tables, so it answers otherwise elsewhere; what is
stored and counted must not.
"""

from typing import Final

_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN = "application/vnd.oasis.opendocument"

MEDIA_TYPES: Final = {
    "adoc": "text/asciidoc",
    "bmp": "image/bmp",
    "c": "text/x-c",
    "cpp": "text/x-c++",
    "css": "text/css",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "eml": "message/rfc822",
    "epub": "application/epub+zip",
    "gif": "image/gif",
    "go": "text/x-go",
    "gz": "application/gzip",
    "h": "text/x-c",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "ipynb": "application/x-ipynb+json",
    "java": "text/x-java",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "log": "text/plain",
    "markdown": "text/markdown",
    "md": "text/markdown",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "msg": "application/vnd.ms-outlook",
    "odp": f"{_OPEN}.presentation",
    "ods": f"{_OPEN}.spreadsheet",
    "odt": f"{_OPEN}.text",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": f"{_OFFICE}.presentationml.presentation",
    "py": "text/x-python",
    "rs": "text/x-rust",
    "rst": "text/x-rst",
    "rtf": "application/rtf",
    "sh": "text/x-sh",
    "sql": "application/sql",
    "svg": "image/svg+xml",
    "toml": "application/toml",
    "ts": "text/x-typescript",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "webp": "image/webp",
    "xls": "application/vnd.ms-excel",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
}
_KNOWN: Final = frozenset(MEDIA_TYPES.values())


def media_type_of(name: str) -> str | None:
    """Return the media type that the ending of a name stands for, if any."""
    _, dot, ending = name.rpartition(".")
    return MEDIA_TYPES.get(ending.lower()) if dot else None


def media_type_named(text: str) -> str | None:
    """Return the media type that somebody means: application/pdf, or pdf, or .pdf."""
    plain = text.strip().lower()
    return plain if plain in _KNOWN else MEDIA_TYPES.get(plain.removeprefix("."))
