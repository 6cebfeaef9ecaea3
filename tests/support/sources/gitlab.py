"""A scripted GitLab, as https://docs.gitlab.com/api/ describes its answers."""

import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

PAGE = 2
Record = dict[str, Any]


def project(number: int, *, day: int = 1, name: str = "tea", **more: Any) -> Record:
    """Make a project as GET /projects lists it."""
    return {
        "id": number,
        "path_with_namespace": f"ada/{name}",
        "description": f"All about {name}\u200b.",
        "topics": ["drinks"],
        "default_branch": "main",
        "visibility": "private",
        "archived": False,
        "star_count": 3,
        "web_url": f"https://gitlab.com/ada/{name}",
        "created_at": "2026-01-01T00:00:00.000Z",
        "last_activity_at": f"2026-03-{day:02}T00:00:00.000Z",
        **more,
    }


def issue(number: int, *, day: int = 1, **more: Any) -> Record:
    """Make an issue of project 1."""
    return {
        "id": 100 + number,
        "iid": number,
        "project_id": 1,
        "title": f"Kettle {number}\x07",
        "description": "It **leaks**.",
        "state": "opened",
        "labels": ["bug"],
        "author": {"name": "Ada", "username": "ada"},
        "assignees": [{"name": "Charles"}],
        "milestone": None,
        "confidential": False,
        "user_notes_count": 0,
        "references": {"short": f"#{number}"},
        "web_url": f"https://gitlab.com/ada/tea/-/issues/{number}",
        "created_at": f"2026-02-{number:02}T00:00:00.000Z",
        "updated_at": f"2026-03-{day:02}T00:00:00.000Z",
        **more,
    }


def merge_request(number: int, **more: Any) -> Record:
    """Make a merge request of project 1."""
    return {**issue(number), "references": {"short": f"!{number}"}, "source_branch": "fix", **more}


def note(number: int, body: str, *, system: bool = False) -> Record:
    """Make a comment."""
    return {
        "id": number,
        "body": body,
        "system": system,
        "author": {"name": "Grace"},
        "created_at": "2026-03-01T00:00:00.000Z",
    }


def blob_id(body: bytes) -> str:
    """Return the id that Git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@dataclass
class FakeGitLab:
    """Answers the API below /api/v4 of two projects, of which only the first has content."""

    projects: list[Record] = field(
        default_factory=lambda: [project(1), project(2, name="coffee"), project(3, name="milk")]
    )
    issues: list[Record] = field(
        default_factory=lambda: [issue(1, user_notes_count=2), issue(2), issue(3)]
    )
    merge_requests: list[Record] = field(default_factory=lambda: [merge_request(1)])
    notes: dict[str, list[Record]] = field(
        default_factory=lambda: {
            "issues/1": [note(1, "Since when?"), note(2, "closed", system=True), note(3, "May.")]
        }
    )
    files: dict[str, bytes] = field(
        default_factory=lambda: {
            "README.md": b"# Tea\n\nBoil water.\n",
            "docs/pour.md": b"Pour it.\n",
            "logo.png": b"\x89PNG\x00",
        }
    )
    token: str = "correct-horse"

    def __call__(self, request: HttpRequest) -> HttpReply:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return as_json({"message": "401 Unauthorized"}, 401)
        path = request.path.removeprefix("/api/v4")
        if path == "/user":
            return as_json({"id": 1, "username": "ada"})
        if path == "/projects":
            return self._page(self.projects, request)
        return self._answer_for_project(path, request)

    def _answer_for_project(self, path: str, request: HttpRequest) -> HttpReply:
        match path.split("/")[2:]:
            case [number]:
                return self._one(self.projects, "id", unquote(number))
            case ["1", "issues" | "merge_requests" as kind]:
                return self._page(self._changed(getattr(self, kind), request), request)
            case ["1", "issues" | "merge_requests" as kind, number]:
                return self._one(getattr(self, kind), "iid", number)
            case ["1", "issues" | "merge_requests" as kind, number, "notes"]:
                return self._page(self.notes.get(f"{kind}/{number}", []), request)
            case ["1", "repository", "tree"]:
                return self._page(self._tree(), request)
            case ["1", "repository", "blobs", sha, "raw"]:
                found = [body for body in self.files.values() if blob_id(body) == sha]
                return HttpReply(200, found[0]) if found else self._missing()
            case [_, "issues"]:
                return as_json([])
            case [_, "merge_requests"]:
                # They are switched off in the other projects, which are empty too.
                return as_json({"message": "403 Forbidden"}, 403)
            case _:
                return self._missing()

    def _tree(self) -> list[Record]:
        folders = [{"id": "d0", "name": "docs", "type": "tree", "path": "docs", "mode": "040000"}]
        return folders + [
            {"id": blob_id(body), "name": path.split("/")[-1], "type": "blob", "path": path}
            for path, body in self.files.items()
        ]

    @staticmethod
    def _changed(records: list[Record], request: HttpRequest) -> list[Record]:
        since = request.query.get("updated_after", "")
        order = request.query.get("order_by", "created_at")
        return sorted((r for r in records if r["updated_at"] >= since), key=lambda r: r[order])

    @staticmethod
    def _page(records: list[Record], request: HttpRequest) -> HttpReply:
        """GitLab names the next page in its Link header, with all parameters."""
        size = min(PAGE, int(request.query.get("per_page", PAGE)))
        number = int(request.query.get("page", 1))
        reply = as_json(records[(number - 1) * size : number * size])
        if number * size < len(records):
            query = urlencode({**request.query, "page": number + 1})
            link = f'<http://{request.headers["host"]}{request.path}?{query}>; rel="next"'
            reply.headers = {**reply.headers, "link": link}
        return reply

    def _one(self, records: list[Record], field_name: str, value: str) -> HttpReply:
        for record in records:
            if value in (str(record[field_name]), record.get("path_with_namespace")):
                return as_json(record)
        return self._missing()

    @staticmethod
    def _missing() -> HttpReply:
        return as_json({"message": "404 Not Found"}, 404)
