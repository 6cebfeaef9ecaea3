"""A scripted site of Atlassian: Jira as its REST API v3 answers, behind a site or the gateway."""

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

PAGE = 2
CLOUD = "11223344-a1b2-3b33-c444-def123456789"
Record = dict[str, Any]
NOW = datetime.now(UTC)


def moment(day: int) -> str:
    """Return a time as Jira writes it, ``day`` days after one hundred days ago."""
    at = NOW - timedelta(days=100 - day)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def person(name: str) -> Record:
    """Make a user as Jira shows them in issues."""
    return {"accountId": f"id-{name}", "displayName": name, "active": True}


def comment(number: int, body: str) -> Record:
    """Make a comment with its rendered body."""
    return {
        "id": str(number),
        "author": person("Grace"),
        "body": {"type": "doc", "version": 1, "content": []},
        "renderedBody": f"<p>{body}</p>",
        "created": moment(1),
        "updated": moment(1),
    }


def issue(number: int, *, day: int = 1, comments: int = 0, **more: Any) -> Record:
    """Make an issue of project TEA."""
    said = [comment(number * 10 + n, f"Comment {n} <b>here</b>") for n in range(comments)]
    return {
        "id": str(10_000 + number),
        "key": f"TEA-{number}",
        "fields": {
            "summary": f"Kettle {number}\u200b leaks",
            "description": {"type": "doc", "version": 1, "content": []},
            "status": {"name": "Open"},
            "issuetype": {"name": "Bug"},
            "priority": {"name": "High"},
            "labels": ["hot"],
            "project": {"key": "TEA", "name": "Tea"},
            "assignee": None,
            "reporter": person("Ada"),
            "components": [{"name": "Spout"}],
            "created": moment(number),
            "updated": moment(day),
            "comment": {"comments": said, "total": len(said), "maxResults": len(said)},
            **more,
        },
        "renderedFields": {
            "description": "<p>It <em>leaks</em>.</p>",
            "comment": {"comments": [{"id": c["id"], "body": c["renderedBody"]} for c in said]},
        },
    }


def project(number: int, key: str) -> Record:
    """Make a project."""
    return {
        "id": str(number),
        "key": key,
        "name": key.title(),
        "description": f"All about {key.lower()}",
        "projectTypeKey": "software",
        "lead": person("Ada"),
    }


@dataclass
class FakeJira:
    """Answers for one site, by an API token or, behind the gateway, by a token of OAuth."""

    projects: list[Record] = field(
        default_factory=lambda: [project(1, "TEA"), project(2, "MILK"), project(3, "OAT")]
    )
    issues: list[Record] = field(
        default_factory=lambda: [issue(1, comments=3), issue(2), issue(3, comments=1)]
    )
    shown_comments: int = 2
    sites: list[Record] = field(
        default_factory=lambda: [{"id": CLOUD, "url": "https://acme.atlassian.net", "name": "acme"}]
    )
    asked: list[str] = field(default_factory=list[str])

    def __call__(self, request: HttpRequest) -> HttpReply:
        basic = base64.b64encode(b"ada@example.org:correct-horse").decode()
        known = {f"Basic {basic}", "Bearer correct-horse"}
        if request.headers.get("authorization") not in known:
            return as_json({"code": 401, "message": "Unauthorized"}, 401)
        if request.path == "/oauth/token/accessible-resources":
            return as_json(self.sites)
        path = request.path.removeprefix(f"/ex/jira/{CLOUD}")
        match path.split("/")[4:]:
            case ["myself"]:
                return as_json(person("Ada"))
            case ["project", "search"]:
                return self._offset(self.projects, "values", request)
            case ["project", key]:
                return self._one(self.projects, key)
            case ["search", "jql"]:
                return self._search(json.loads(request.body))
            case ["issue", key]:
                return self._one(self.issues, key)
            case ["issue", key, "comment"]:
                return self._offset(self._find_comments(key), "comments", request)
            case _:
                return as_json({"errorMessages": ["no such thing"]}, 404)

    def _find_comments(self, key: str) -> list[Record]:
        found = [each for each in self.issues if each["id"] == key]
        return found[0]["fields"]["comment"]["comments"] if found else []

    def _search(self, asked: Record) -> HttpReply:
        self.asked.append(asked["jql"])
        assert "renderedFields" in asked["expand"]
        found = self.issues
        if ago := re.search(r"updated >= -(\d+)m", asked["jql"]):
            since = datetime.now(UTC) - timedelta(minutes=int(ago[1]))
            times = "%Y-%m-%dT%H:%M:%S.%f%z"
            found = [i for i in found if datetime.strptime(i["fields"]["updated"], times) >= since]
        start = int(asked.get("nextPageToken", "0"))
        size = min(PAGE, asked.get("maxResults", PAGE))
        page = [self._shorten(each) for each in found[start : start + size]]
        if start + size >= len(found):
            return as_json({"issues": page, "isLast": True})
        return as_json({"issues": page, "isLast": False, "nextPageToken": str(start + size)})

    def _shorten(self, found: Record) -> Record:
        """A search shows only the first comments, and how many there are."""
        told = found["fields"]["comment"]
        shown = [
            {name: part for name, part in each.items() if name != "renderedBody"}
            for each in told["comments"][: self.shown_comments]
        ]
        return {**found, "fields": {**found["fields"], "comment": {**told, "comments": shown}}}

    @staticmethod
    def _offset(records: list[Record], name: str, request: HttpRequest) -> HttpReply:
        start = int(request.query.get("startAt", 0))
        size = min(PAGE, int(request.query.get("maxResults", PAGE)))
        page = records[start : start + size]
        return as_json({name: page, "startAt": start, "maxResults": size, "total": len(records)})

    @staticmethod
    def _one(records: list[Record], key: str) -> HttpReply:
        for record in records:
            if key in (record["id"], record["key"]):
                return as_json(record)
        return as_json({"errorMessages": ["Issue does not exist"]}, 404)


def page(number: int, *, day: int = 1, **more: Any) -> Record:
    """Make a page, a blog post or a comment as the REST API v2 of Confluence lists it."""
    at = (NOW - timedelta(days=100 - day)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "id": str(number),
        "status": "current",
        "title": f"How to pour\x07 {number}",
        "spaceId": "7",
        "authorId": "id-Ada",
        "createdAt": at,
        "version": {"createdAt": at, "number": day, "authorId": "id-Ada"},
        "body": {"storage": {"value": "<h1>Pour</h1><p>Slowly.</p>", "representation": "storage"}},
        "_links": {"webui": f"/spaces/TEA/pages/{number}/How+to+pour"},
        **more,
    }


@dataclass
class FakeConfluence:
    """Answers for one site, in pages that name the next by a cursor in its address."""

    pages: list[Record] = field(default_factory=lambda: [page(n, day=n) for n in (1, 2, 3)])
    blogposts: list[Record] = field(default_factory=lambda: [page(11)])
    comments: list[Record] = field(default_factory=lambda: [page(21, title="Re: How to pour")])
    site: Record = field(
        default_factory=lambda: {"id": CLOUD, "url": "https://acme.atlassian.net", "name": "acme"}
    )

    def __call__(self, request: HttpRequest) -> HttpReply:
        basic = base64.b64encode(b"ada@example.org:correct-horse").decode()
        known = {f"Basic {basic}", "Bearer correct-horse"}
        if request.headers.get("authorization") not in known:
            return as_json({"code": 401, "message": "Unauthorized"}, 401)
        if request.path == "/oauth/token/accessible-resources":
            return as_json([self.site])
        kinds = {
            "pages": self.pages,
            "blogposts": self.blogposts,
            "footer-comments": self.comments,
        }
        path = request.path.removeprefix(f"/ex/confluence/{CLOUD}")
        match path.split("/")[2:]:
            case ["rest", "api", "user", "current"]:
                return as_json(person("Ada"))
            case ["api", "v2", kind]:
                return self._list(kinds[kind], path, request)
            case ["api", "v2", kind, key]:
                found = [each for each in kinds[kind] if each["id"] == key]
                return as_json(found[0]) if found else as_json({"errors": []}, 404)
            case _:
                return as_json({"errors": []}, 404)

    @staticmethod
    def _list(records: list[Record], path: str, request: HttpRequest) -> HttpReply:
        asked = request.query
        if "status" in asked:
            records = [each for each in records if each["status"] == asked["status"]]
        is_newest_first = asked.get("sort") == "-modified-date"
        records = sorted(
            records,
            key=lambda each: each["version"]["createdAt"] if is_newest_first else each["id"],
            reverse=is_newest_first,
        )
        start, size = int(asked.get("cursor", 0)), min(PAGE, int(asked.get("limit", PAGE)))
        links: Record = {"base": "https://acme.atlassian.net/wiki"}
        if start + size < len(records):
            links["next"] = f"{path}?{urlencode({**asked, 'cursor': start + size})}"
        return as_json({"results": records[start : start + size], "_links": links})
