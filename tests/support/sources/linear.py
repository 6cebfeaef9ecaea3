"""A scripted Linear, which answers what a query selects, in the form of its GraphQL API."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.sources.graphql import pick, read_selection
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

KEY = "lin_api_correct-horse"
Record = dict[str, Any]
ADA = {"name": "Ada"}


AT = "2026-03-02T00:00:00.000Z"


def _thing(key: str, updated: str, /, **more: Any) -> Record:
    times = {"createdAt": "2026-03-01T00:00:00.000Z", "updatedAt": updated}
    return {"id": key, "url": f"https://linear.app/tea/{key}", **times, "creator": ADA, **more}


def issue(number: int, title: str, updated: str = AT, **more: Any) -> Record:
    """Return an issue."""
    facts = {
        "identifier": f"TEA-{number}",
        "title": title,
        "description": f"About {title}.",
        "priorityLabel": "High",
        "state": {"name": "Todo", "type": "unstarted"},
        "team": {"name": "Tea", "key": "TEA"},
        "labels": {"nodes": [{"name": "bug"}]},
    }
    return _thing(f"issue-{number}", updated, **{**facts, **more})


def comment(number: int, body: str, at: str = AT) -> Record:
    """Return a comment."""
    return {"id": f"comment-{number}", "body": body, "createdAt": at, "updatedAt": at, "user": ADA}


def project(number: int, name: str, updated: str = AT) -> Record:
    """Return a project."""
    facts = {"name": name, "description": "Short.", "content": f"# {name}"}
    more = {"status": {"name": "Started"}, "teams": {"nodes": [{"name": "Tea"}]}}
    return _thing(f"project-{number}", updated, **facts, **more)


def others() -> dict[str, list[Record]]:
    """Return the records of the other lists."""
    kettle = {"project": {"name": "Kettle"}}
    update = {"body": "All is well.", "health": "onTrack", "user": ADA}
    plan = {"title": "Plan", "content": "Boil\u200b <b>water</b>."}
    team = {"key": "TEA", "name": "Tea", "description": "We brew.", "private": False}
    return {
        "projectUpdates": [_thing("update-1", AT, **update, **kettle)],
        "documents": [_thing("document-1", AT, **plan, **kettle)],
        "teams": [_thing("team-1", AT, **team)],
    }


def error(
    code: str, kind: str, status: int = 200, message: str = "no", **headers: str
) -> HttpReply:
    """Return an error as Linear tells it."""
    extensions = {"code": code, "type": kind, "userPresentableMessage": message}
    body = {"errors": [{"message": message, "extensions": extensions}], "data": None}
    return as_json(body, status, **headers)


@dataclass
class FakeLinear:
    """Its ``lists`` by name, and the ``comments`` by the id of an issue.

    ``cap`` bounds all pages. ``first`` are answers that come before any other.
    """

    lists: dict[str, list[Record]]
    comments: dict[str, list[Record]] = field(default_factory=dict[str, list[Record]])
    cap: int = 100
    key: str = KEY
    first: list[HttpReply] = field(default_factory=list[HttpReply])
    answers: list[Record] = field(default_factory=list[Record])

    def __call__(self, request: HttpRequest) -> HttpReply:
        if request.headers.get("authorization") != self.key:
            return error("AUTHENTICATION_ERROR", "authentication error", 401)
        if self.first:
            return self.first.pop(0)
        asked = json.loads(request.body)
        selection, variables = read_selection(asked["query"]), asked.get("variables", {})
        (name, *_) = selection
        if name == "viewer":
            data: Record = {"viewer": ADA, "organization": {"name": "Tea"}}
        elif name == "issue":
            if variables["id"] not in {each["id"] for each in self.lists["issues"]}:
                return error("INPUT_ERROR", "invalid input", message="Entity not found: Issue")
            data = {
                "issue": {"comments": self._page(self.comments.get(variables["id"], []), variables)}
            }
        else:
            data = {name: self._page(self._list(name, asked["query"], variables), variables)}
        answer = pick(data, selection)
        self.answers.append({"selection": selection, "data": answer})
        return as_json({"data": answer})

    def _list(self, name: str, query: str, variables: Record) -> list[Record]:
        since = variables.get("since", "")
        assert ("updatedAt: { gte: $since }" in query) == bool(since)
        found = [
            each
            for each in map(self._with_newest, self.lists.get(name, []))
            if max([each["updatedAt"], *(c["updatedAt"] for c in each["comments"]["nodes"])])
            >= since
        ]
        with_archived = "includeArchived: true" in query
        return [each for each in found if with_archived or not each.get("archivedAt")]

    def _with_newest(self, record: Record) -> Record:
        comments = sorted(
            self.comments.get(record["id"], []), key=lambda each: each["updatedAt"], reverse=True
        )
        return {**record, "comments": {"nodes": comments[:1]}}

    def _page(self, records: list[Record], variables: Record) -> Record:
        start = int(str(variables.get("after", "c0"))[1:])
        end = start + min(self.cap, variables["first"])
        info = {"hasNextPage": end < len(records), "endCursor": f"c{end}"}
        return {"nodes": records[start:end], "pageInfo": info}
