"""Issues, releases and discussions of `me/repo`, as GitHub's REST and GraphQL APIs answer."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.support.sources.github import FakeGitHub
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

Record = dict[str, Any]


def issue(number: int, *, day: int = 1, comments: int = 0, **more: Any) -> Record:
    """Make an issue as the list of a repository's issues shows it."""
    return {
        "url": f"https://api.github.com/repos/me/repo/issues/{number}",
        "html_url": f"https://github.com/me/repo/issues/{number}",
        "number": number,
        "title": f"It leaks\x07 {number}",
        "body": "The **kettle**\u200b leaks.",
        "state": "open",
        "state_reason": None,
        "user": {"login": "ada"},
        "labels": [{"name": "bug"}],
        "assignees": [{"login": "grace"}],
        "milestone": None,
        "comments": comments,
        "created_at": f"2026-02-{number:02}T00:00:00Z",
        "updated_at": f"2026-03-{day:02}T00:00:00Z",
        **more,
    }


def release(number: int, **more: Any) -> Record:
    """Make a release."""
    return {
        "id": number,
        "html_url": f"https://github.com/me/repo/releases/tag/v{number}",
        "tag_name": f"v{number}",
        "name": "A better kettle",
        "body": "It no longer leaks.",
        "draft": False,
        "prerelease": False,
        "author": {"login": "ada"},
        "assets": [{"name": "kettle.zip"}],
        "created_at": "2026-02-01T00:00:00Z",
        "published_at": f"2026-02-{number:02}T00:00:00Z",
        **more,
    }


def discussion(number: int, *, day: int = 1, **more: Any) -> Record:
    """Make a discussion with one comment, a reply and an answer."""
    reply = {"body": "Thanks", "createdAt": "2026-02-03T00:00:00Z", "author": {"login": "ada"}}
    nodes = [
        {
            "id": f"C{number}",
            "body": "Green tea.",
            "createdAt": "2026-02-02T00:00:00Z",
            "author": {"login": "grace"},
            "replies": {"totalCount": 1, "nodes": [reply]},
        }
    ]
    return {
        "number": number,
        "title": f"Which tea? {number}",
        "body": "I have no idea.",
        "url": f"https://github.com/me/repo/discussions/{number}",
        "createdAt": f"2026-02-{number:02}T00:00:00Z",
        "updatedAt": f"2026-03-{day:02}T00:00:00Z",
        "author": None,
        "category": {"name": "Q&A"},
        "answer": {"id": f"C{number}"},
        "comments": {"totalCount": 1, "nodes": nodes},
        **more,
    }


@dataclass
class FakeStreams(FakeGitHub):
    """A repository with issues, releases and discussions."""

    issues: list[Record] = field(
        default_factory=lambda: [
            issue(1, comments=3),
            issue(2, pull_request={"url": "https://api.github.com/repos/me/repo/pulls/2"}),
            issue(3),
            issue(4),
        ]
    )
    releases: list[Record] = field(default_factory=lambda: [release(n) for n in (1, 2, 3)])
    discussions: list[Record] = field(default_factory=lambda: [discussion(n) for n in (5, 6, 7)])
    has_issues: bool = True

    def route(self, asked: HttpRequest) -> HttpReply:
        if asked.path == "/graphql":
            return self._query(json.loads(asked.body))
        path = asked.path.removeprefix("/repos/me/repo")
        if path == "/issues" and not self.has_issues:
            return as_json({"message": "Issues are disabled for this repo"}, 410)
        lists = {"/issues": self._changed(asked), "/releases": self.releases}
        if path in lists:
            return self._page(lists[path], asked)
        if found := re.fullmatch(r"/issues/(\d+)/comments", path):
            return self._page(self._comments_of(int(found[1])), asked)
        if found := re.fullmatch(r"/(issues|releases)/(\d+)", path):
            return self._one(found[1], int(found[2]))
        return super().route(asked)

    def _changed(self, asked: HttpRequest) -> list[Record]:
        since = asked.query.get("since", "")
        return [each for each in self.issues if each["updated_at"] >= since]

    def _one(self, kind: str, number: int) -> HttpReply:
        records, key = (self.issues, "number") if kind == "issues" else (self.releases, "id")
        found = [each for each in records if each[key] == number]
        return as_json(found[0]) if found else as_json({"message": "Not Found"}, 404)

    def _comments_of(self, number: int) -> list[Record]:
        counts = {each["number"]: each["comments"] for each in self.issues}
        return [
            {
                "id": number * 100 + n,
                "body": f"Comment {n}",
                "user": {"login": "grace"},
                "created_at": f"2026-02-2{n}T00:00:00Z",
            }
            for n in range(counts.get(number, 0))
        ]

    def _page(self, records: list[Record], asked: HttpRequest) -> HttpReply:
        number = int(asked.query.get("page", "1"))
        size = min(int(asked.query["per_page"]), self.page_size)
        reply = as_json(records[number * size - size : number * size])
        if number * size < len(records):
            more = re.sub(r"&page=\d+", "", asked.target) + f"&page={number + 1}"
            reply.headers = {**reply.headers, "link": f'<{more}>; rel="next"'}
        return reply

    def _query(self, asked: Record) -> HttpReply:
        given = asked["variables"]
        if (given["owner"], given["name"]) != ("me", "repo"):
            return as_json({"data": {"repository": None}, "errors": [{"type": "NOT_FOUND"}]})
        name = {"CREATED_AT": "createdAt", "UPDATED_AT": "updatedAt"}[given["order"]["field"]]
        is_down = given["order"]["direction"] == "DESC"
        records = sorted(self.discussions, key=lambda each: each[name], reverse=is_down)
        start, size = int(given.get("after") or 0), min(given["first"], self.page_size)
        end = start + size
        info = {"hasNextPage": end < len(records), "endCursor": str(end)}
        found = {"totalCount": len(records), "pageInfo": info, "nodes": records[start:end]}
        return as_json({"data": {"repository": {"discussions": found}}})
