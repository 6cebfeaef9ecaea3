"""A scripted Zendesk account: two records a page, in the forms that the vendor documents."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from tests.support.sources.rest import Records, cut
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

PAGE = 2


def at(day: int) -> str:
    return f"2026-03-{day:02}T10:00:00Z"


def ticket(number: int, day: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "url": f"https://acme.zendesk.com/api/v2/tickets/{number}.json",
        "subject": f"Printer {number} is on fire\u202e",
        "raw_subject": f"Printer {number} is on fire",
        "description": "The smoke is very colorful.",
        "status": "open",
        "priority": "high",
        "type": "incident",
        "tags": ["printer"],
        "requester_id": 71,
        "assignee_id": 72,
        "organization_id": 1,
        "via": {"channel": "email"},
        "custom_fields": [{"id": 27642, "value": "745"}],
        "created_at": at(1),
        "updated_at": at(day),
        "generated_timestamp": _epoch(at(day)),
        **fields,
    }


def comment(number: int, body: str, *, public: bool = True, author: int = 71) -> dict[str, Any]:
    return {
        "id": number,
        "type": "Comment",
        "author_id": author,
        "body": body,
        "html_body": f"<div>{body}</div>",
        "plain_body": body,
        "public": public,
        "created_at": at(1),
    }


def article(number: int, day: int = 1, body: str = "Pull the plug.") -> dict[str, Any]:
    return {
        "id": number,
        "title": f"How to put out printer {number}",
        "body": f"<h1>Fire</h1><p>{body}\u200b</p><script>steal()</script>",
        "html_url": f"https://acme.zendesk.com/hc/en-us/articles/{number}",
        "locale": "en-us",
        "draft": False,
        "label_names": ["fire"],
        "section_id": 9,
        "user_segment_id": None,
        "created_at": at(number),
        "updated_at": at(day),
    }


def organization(number: int, day: int = 1, notes: str = "A customer.") -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Acme {number}",
        "details": "",
        "notes": notes,
        "domain_names": ["acme.example"],
        "tags": [],
        "created_at": at(1),
        "updated_at": at(day),
    }


def _epoch(moment: str) -> int:
    return int(datetime.fromisoformat(moment).astimezone(UTC).timestamp())


@dataclass
class FakeZendesk:
    """``authorization`` is the header that it takes; everybody else is told so, or is anonymous."""

    authorization: str = "Bearer correct-horse"
    tickets: Records = field(default_factory=lambda: [ticket(n) for n in range(1, 4)])
    articles: Records = field(default_factory=lambda: [article(n) for n in range(1, 4)])
    organizations: Records = field(default_factory=lambda: [organization(n) for n in (1, 2, 3)])
    comments: dict[int, Records] = field(
        default_factory=lambda: {
            1: [
                comment(11, "The smoke is very colorful."),
                comment(12, "Which colors?", author=72),
                comment(13, "Call\x07 the fire brigade.", public=False, author=73),
            ]
        }
    )
    may_export: bool = True
    has_help_center: bool = True

    def __call__(self, request: HttpRequest) -> HttpReply:
        if request.headers.get("authorization") != self.authorization:
            return as_json({"error": "Couldn't authenticate you"}, 401)
        parts = request.path.removeprefix("/api/v2/").removesuffix(".json").split("/")
        if parts[0] == "incremental" and not self.may_export:
            return as_json({"error": "Forbidden", "description": "Not an admin"}, 403)
        if parts[0] == "help_center" and not self.has_help_center:
            return _not_found()
        return self._list(parts, request) or self._find(parts) or _not_found()

    def _list(self, parts: list[str], request: HttpRequest) -> HttpReply | None:
        match parts:
            case ["incremental", "tickets", "cursor"]:
                return self._export(request)
            case ["incremental", "organizations"]:
                return self._export_by_time(request)
            case ["help_center", "articles"]:
                by, order = request.query["sort_by"], request.query["sort_order"]
                articles = sorted(self.articles, key=lambda each: each[by])
                articles = articles if order == "asc" else articles[::-1]
                return _by_cursor("articles", articles, request)
            case ["tickets", number, "comments"] if number.isdecimal():
                comments = self.comments.get(int(number), [comment(int(number), "On fire.")])
                users = [_user(each) for each in sorted({each["author_id"] for each in comments})]
                return _by_cursor("comments", comments, request, users=users)
            case _:
                return None

    def _find(self, parts: list[str]) -> HttpReply | None:
        match parts:
            case ["users", "me"]:
                me = {"id": 72, "name": "Ada", "role": "admin", "email": "ada@acme.example"}
                return as_json({"user": me})
            case ["users", number] if number.isdecimal():
                return as_json({"user": _user(int(number))})
            case ["help_center", "articles", number]:
                return _item("article", self.articles, number)
            case ["organizations", number]:
                return _item("organization", self.organizations, number)
            case ["tickets", number]:
                there = [each for each in self.tickets if each["status"] != "deleted"]
                return _item("ticket", there, number)
            case _:
                return None

    def _export(self, request: HttpRequest) -> HttpReply:
        since = request.query.get("start_time", "")
        since, _, start = request.query.get("cursor", f"{since}|0").partition("|")
        found = [each for each in self.tickets if each["generated_timestamp"] >= int(since)]
        found.sort(key=lambda each: each["generated_timestamp"])
        page, following = cut(found, int(start), PAGE)
        cursor = f"{since}|{int(start) + len(page)}"
        url = f"http://{request.headers['host']}{request.path}?{urlencode({'cursor': cursor})}"
        return as_json(
            {
                "tickets": page,
                "after_url": url,
                "after_cursor": cursor,
                "before_url": None,
                "before_cursor": None,
                "end_of_stream": following is None,
            }
        )

    def _export_by_time(self, request: HttpRequest) -> HttpReply:
        since, start = request.query["start_time"], int(request.query.get("page", 0))
        found = [each for each in self.organizations if _epoch(each["updated_at"]) >= int(since)]
        page, following = cut(found, start, PAGE)
        query = urlencode({"start_time": since, "page": start + len(page)})
        return as_json(
            {
                "organizations": page,
                "count": len(page),
                "next_page": f"http://{request.headers['host']}{request.path}?{query}",
                "end_time": int(since),
                "end_of_stream": following is None,
            }
        )


def _by_cursor(name: str, records: Records, request: HttpRequest, **beside: Any) -> HttpReply:
    start = int(request.query.get("page[after]", 0))
    page, following = cut(records, start, min(PAGE, int(request.query["page[size]"])))
    meta = {"has_more": following is not None, "after_cursor": str(following or start + len(page))}
    return as_json({name: page, "meta": meta, "links": {"next": None, "prev": None}, **beside})


def _item(name: str, records: Records, number: str) -> HttpReply:
    found = [each for each in records if str(each["id"]) == number]
    if not found:
        return _not_found()
    return as_json({name: found[0]})


def _not_found() -> HttpReply:
    return as_json({"error": "RecordNotFound", "description": "Not found"}, 404)


def _user(number: int) -> dict[str, Any]:
    return {"id": number, "name": {71: "Bob\u200b", 72: "Ada"}.get(number, f"User {number}")}
