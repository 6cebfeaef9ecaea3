"""Reads the content of files in Drive: exported or downloaded, or says why it is not."""

import hashlib
import io
import re
import zipfile
from pathlib import PurePosixPath
from typing import Final, cast
from urllib.parse import quote

from weft.document.model import Unreadable
from weft.document.read import is_document, name_document
from weft.document.suffixes import BINARY_SUFFIXES
from weft.errors import SourceMisconfigured, SourceUnavailable
from weft.sources.files.config import DEFAULT_MAX_DOCUMENT_BYTES, DEFAULT_MAX_FILE_BYTES
from weft.sources.rest.api import Api, Missing
from weft.sources.rest.paging import unexpected_answer
from weft.sources.rest.table import Record
from weft.sources.rest.values import find, line_of
from weft.sources.secret_names import is_secret_file, is_secret_folder

EXPORT_BYTES_MAX: Final = 11 * 1024 * 1024
_OWN: Final = "application/vnd.google-apps."
FOLDER, SHORTCUT = f"{_OWN}folder", f"{_OWN}shortcut"
_SHEETS: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Markdown holds the pictures too, so it may be too large where plain text is not.
_EXPORTS: Final = {
    f"{_OWN}document": ("text/markdown", "text/plain"),
    f"{_OWN}presentation": ("text/plain",),
    f"{_OWN}spreadsheet": (_SHEETS,),
}
_NO_TEXT: Final = ("image/", "video/", "audio/", "font/")
_PICTURES: Final = re.compile(r"^\[image\d+\]: <data:[^>\n]*>[ \t]*$", re.MULTILINE)
REFUSALS: Final = {
    "exportSizeLimitExceeded": "larger than the 10 MB that Google exports",
    "cannotDownloadAbusiveFile": "held back by Google as malware or spam",
    "cannotDownloadFile": "its owner lets nobody download it",
    "fileNotDownloadable": "nothing that can be downloaded",
    "insufficientFilePermissions": "its owner lets nobody download it",
}


class Refused(SourceMisconfigured):
    """Google does not give a file's content, and says why."""


async def read_content(api: Api, file: Record) -> Record | None:
    """Return a file with its content, exported if it is one of Google's own kinds; None if gone.

    Raises Unreadable for a file that is not read, and SourceUnavailable for another one's content.
    """
    reason = why_not_read(file)
    if reason is not None:
        raise Unreadable(reason)
    place = f"/files/{quote(line_of(file.get('id')), safe='')}"
    kinds = _EXPORTS.get(line_of(file.get("mimeType")))
    try:
        if kinds is not None:
            return {**file, **await _export(api, place, file, kinds)}
        content = await _download(api, place, _limit_of(file))
    except Missing:
        return None
    except Refused as error:
        raise Unreadable(error.message) from None
    told = file.get("md5Checksum")
    if told and hashlib.md5(content, usedforsecurity=False).hexdigest() != told:
        # Stored once, it would stay, as the next sync compares nothing but the version.
        raise SourceUnavailable("Google sent something else than the file's content.")
    return {**file, "_content": content, "_file_name": _document_name_of(file)}


def _read_export(kind: str, file: Record, content: bytes) -> Record:
    """Return what was exported. Raises SourceUnavailable for what cannot be an export."""
    if kind == _SHEETS:
        if not zipfile.is_zipfile(io.BytesIO(content)):
            raise unexpected_answer("a spreadsheet")
        return {"_content": content, "_file_name": f"{line_of(file.get('name'))}.xlsx"}
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise unexpected_answer("a document") from None
    if "\0" in text:
        raise unexpected_answer("a document")
    return {"_text": _PICTURES.sub("", text).rstrip()}


def why_not_read(file: Record) -> str | None:
    """Return why a file's content is not asked for, or None."""
    kind, name = line_of(file.get("mimeType")), line_of(file.get("name"))
    folders = cast("list[str]", file.get("_folders", []))
    if any(map(is_secret_folder, folders)) or is_secret_file(name, folders[-1] if folders else ""):
        return "may hold secrets"
    if find(file, "capabilities.canDownload") is False:
        return REFUSALS["cannotDownloadFile"]
    if kind.startswith(_OWN):
        return None if kind in _EXPORTS else f"a Google {kind.removeprefix(_OWN)} has no text"
    is_binary = kind.startswith(_NO_TEXT) or PurePosixPath(name).suffix.lower() in BINARY_SUFFIXES
    if is_binary and not is_document(_document_name_of(file)):
        return "not a text file"
    size, limit = size_of(file), _limit_of(file)
    return f"larger than {limit} bytes" if size is not None and size > limit else None


def _document_name_of(file: Record) -> str:
    name = line_of(file.get("name"))
    return name_document(name, line_of(file.get("mimeType"))) or name


def _limit_of(file: Record) -> int:
    is_long = is_document(_document_name_of(file))
    return DEFAULT_MAX_DOCUMENT_BYTES if is_long else DEFAULT_MAX_FILE_BYTES


def size_of(file: Record) -> int | None:
    """Return the number of bytes, if Google tells it."""
    size = line_of(file.get("size"))
    return int(size) if size.isdecimal() else None


async def _export(api: Api, place: str, file: Record, kinds: tuple[str, ...]) -> Record:
    """Return what is given in the first of these formats. Raises Refused if none is."""
    kind, *others = kinds
    try:
        content = await api.download(
            f"{place}/export",
            what="a document",
            params={"mimeType": kind},
            bytes_max=EXPORT_BYTES_MAX,
        )
    except Refused:
        if not others:
            raise
        return await _export(api, place, file, tuple(others))
    return _read_export(kind, file, content)


async def _download(api: Api, place: str, limit: int) -> bytes:
    params = {"alt": "media", "supportsAllDrives": True}
    return await api.download(place, what="a file", params=params, bytes_max=limit)
