"""A scripted Google Drive: three files a page, in the forms that Google publishes."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, cast

from tests.support.sources.google import refuse, refuse_stranger
from tests.support.sources.rest import cut
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

PAGE = 3
OWN = "application/vnd.google-apps."
FOLDER = f"{OWN}folder"
DOCUMENT, SHEET, SLIDES = f"{OWN}document", f"{OWN}spreadsheet", f"{OWN}presentation"
Record = dict[str, Any]


def file(key: str, kind: str, name: str, parent: str = "0Aroot", **more: Any) -> Record:
    """Make a file as files.list shows it; of My Drive unless ``driveId`` is given."""
    own: Record = {
        "owners": [{"displayName": "Ada\u200b"}],
        "shared": True,
        "permissions": [
            {"type": "user", "emailAddress": "ada@acme.example", "deleted": False},
            {"type": "anyone"},
        ],
    }
    return {
        "id": key,
        "name": name,
        "mimeType": kind,
        "trashed": False,
        "createdTime": "2026-02-01T10:00:00.000Z",
        "modifiedTime": "2026-03-01T10:00:00.000Z",
        "version": "7",
        "webViewLink": f"https://docs.google.com/d/{key}",
        "lastModifyingUser": {"displayName": "Grace"},
        "capabilities": {"canDownload": True},
        **({} if "driveId" in more else own),
        **({"parents": [parent]} if parent else {}),
        **more,
    }


@dataclass
class FakeDrive:
    """``files`` are all that the account sees, folders too, and ``contents`` what is in them.

    Exports of a file in a format that are in ``too_large`` are refused. ``log`` holds the changes.
    """

    files: dict[str, Record] = field(default_factory=dict[str, Record])
    contents: dict[str, bytes] = field(default_factory=dict[str, bytes])
    too_large: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    hidden: dict[str, Record] = field(
        default_factory=lambda: {"0Aroot": {"id": "0Aroot", "name": "My Drive"}}
    )
    drives: dict[str, str] = field(default_factory=lambda: {"0Bteam": "Team\x07"})
    log: list[Record] = field(default_factory=list[Record])
    is_incomplete: bool = False
    refusals: list[HttpReply] = field(default_factory=list[HttpReply])

    def put(self, record: Record, content: bytes | None = None) -> None:
        """Add or replace a file, of which the log tells."""
        if content is not None:
            self.contents[record["id"]] = content
            if not record["mimeType"].startswith(OWN):
                told = hashlib.md5(content, usedforsecurity=False).hexdigest()
                record = {"size": str(len(content)), **record, "md5Checksum": told}
        self.files[record["id"]] = record
        self.log.append({"changeType": "file", "fileId": record["id"], "removed": False})

    def remove(self, key: str) -> None:
        """Delete a file for good."""
        del self.files[key]
        self.log.append({"changeType": "file", "fileId": key, "removed": True})

    def __call__(self, request: HttpRequest) -> HttpReply:
        stranger = refuse_stranger(request)
        if stranger is not None:
            return stranger
        if self.refusals:
            return self.refusals.pop(0)
        parts = request.path.removeprefix("/drive/v3/").split("/")
        return self._answer_about_all(parts, request) or self._answer_about_one(parts, request)

    def _answer_about_all(self, parts: list[str], request: HttpRequest) -> HttpReply | None:
        match parts:
            case ["about"]:
                user = {"displayName": "Ada", "emailAddress": "ada@acme.example"}
                return as_json({"user": user})
            case ["files"]:
                return self._list(request)
            case ["changes", "startPageToken"]:
                return as_json({"startPageToken": str(len(self.log))})
            case ["changes"]:
                return self._list_changes(request)
            case _:
                return None

    def _answer_about_one(self, parts: list[str], request: HttpRequest) -> HttpReply:
        match parts:
            case ["drives", key] if key in self.drives:
                return as_json({"id": key, "name": self.drives[key]})
            case ["files", key]:
                return self._get("0Aroot" if key == "root" else key, request)
            case ["files", key, "export"] if key in self.contents:
                if (key, request.query["mimeType"]) in self.too_large:
                    return refuse(403, "exportSizeLimitExceeded", "This file is too large.")
                return HttpReply(
                    200, self.contents[key], {"content-type": request.query["mimeType"]}
                )
            case _:
                return _missing()

    def _list(self, request: HttpRequest) -> HttpReply:
        assert request.query["q"] == "trashed = false"
        listed = [each for each in self.files.values() if not each["trashed"]]
        listed.sort(key=lambda each: (each["mimeType"] != FOLDER, each["name"]))
        token = request.query.get("pageToken", "f0")
        if not re.fullmatch(r"f\d+", token):
            return refuse(400, "invalid", locationType="parameter", location="pageToken")
        size = min(PAGE, int(request.query["pageSize"]))
        page, following = cut(listed, int(token[1:]), size)
        answer: Record = {"files": page, "incompleteSearch": self.is_incomplete}
        if following is not None:
            answer["nextPageToken"] = f"f{following}"
        return as_json(project(answer, request.query["fields"]))

    def _list_changes(self, request: HttpRequest) -> HttpReply:
        token = request.query["pageToken"]
        if not token.isdecimal():
            return refuse(400, "invalid", locationType="parameter", location="pageToken")
        page, following = cut(self.log, int(token), min(PAGE, int(request.query["pageSize"])))
        changes = [
            each
            if each["removed"] or each["changeType"] == "drive"
            # A change shows the file as it is now.
            else {**each, "file": self.files[each["fileId"]]}
            for each in page
            if each["removed"] or each.get("fileId") in {None, *self.files}
        ]
        end = {"newStartPageToken": str(len(self.log))}
        following_token = {"nextPageToken": str(following)}
        answer = {"changes": changes, **(end if following is None else following_token)}
        return as_json(project(answer, request.query["fields"]))

    def _get(self, key: str, request: HttpRequest) -> HttpReply:
        found = self.files.get(key) or self.hidden.get(key)
        if found is None:
            return _missing()
        if request.query.get("alt") == "media":
            return HttpReply(200, self.contents.get(key, b""), {"content-type": found["mimeType"]})
        return as_json(project(found, request.query["fields"]))


def _missing() -> HttpReply:
    return refuse(404, "notFound", "File not found.", locationType="parameter", location="fileId")


def project(value: Any, fields: str) -> Any:
    """Return what a partial response holds: https://developers.google.com/workspace/drive/api/guides/performance#partial."""
    if isinstance(value, list):
        return [project(each, fields) for each in cast("list[Any]", value)]
    kept: Record = {}
    for name, inner in re.findall(r"(\w+)(?:\(((?:[^()]|\([^()]*\))*)\))?", fields):
        if name in value:
            kept[name] = project(value[name], inner) if inner else value[name]
    return kept
