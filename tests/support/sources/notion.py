"""A scripted Notion, with answers in the form of its API of 2025-09-03."""

import json
from dataclasses import dataclass, field
from typing import Any

from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

TOKEN = "ntn_correct-horse"
ADA = {"object": "user", "id": "ada00000-0000-4000-8000-000000000000", "name": "Ada"}
Record = dict[str, Any]


def id_of(number: int) -> str:
    """Return an id of Notion's form."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def runs(text: str, **more: Any) -> list[Record]:
    """Return rich text of one run."""
    marks = dict.fromkeys(("bold", "italic", "strikethrough", "underline", "code"), False)
    run = {
        "type": "text",
        "text": {"content": text, "link": None},
        "annotations": {**marks, "color": "default", **more.pop("annotations", {})},
        "plain_text": text,
        "href": None,
    }
    return [run | more]


def _thing(kind: str, number: int, parent: Record, edited: str) -> Record:
    return {
        "object": kind,
        "id": id_of(number),
        "created_time": f"2026-03-01T00:{number:02}:00.000Z",
        "last_edited_time": edited,
        "created_by": ADA,
        "last_edited_by": ADA,
        "cover": None,
        "icon": None,
        "parent": parent,
        "archived": False,
        "in_trash": False,
        "is_locked": False,
        "url": f"https://www.notion.so/Page-{number:08x}000040008000000000000000",
        "public_url": None,
    }


def page(number: int, title: str, *, database: int | None = None, **more: Any) -> Record:
    """Return a page, or a row of a database."""
    parent: Record = {"type": "workspace", "workspace": True}
    if database is not None:
        parent = {
            "type": "data_source_id",
            "data_source_id": id_of(database),
            "database_id": id_of(database + 1),
        }
    edited = more.pop("edited", f"2026-03-02T00:{number:02}:00.000Z")
    name = {"id": "title", "type": "title", "title": runs(title)}
    properties = {"Name": name, **more.pop("properties", {})}
    return {**_thing("page", number, parent, edited), "properties": properties, **more}


def data_source(number: int, title: str, **columns: Record) -> Record:
    """Return the data source of a database, with columns besides the title."""
    parent = {"type": "database_id", "database_id": id_of(number + 1)}
    named: Record = {
        "Name": {"id": "title", "name": "Name", "type": "title", "title": {}},
        **columns,
    }
    return {
        **_thing("data_source", number, parent, f"2026-03-02T00:{number:02}:00.000Z"),
        "database_parent": {"type": "workspace", "workspace": True},
        "title": runs(title),
        "description": runs(f"About {title}."),
        "is_inline": False,
        "properties": named,
    }


def block(number: int, kind: str, *, has_children: bool = False, **content: Any) -> Record:
    """Return a block; ``content`` is what lies under the name of its kind."""
    return {
        "object": "block",
        "id": id_of(number),
        "parent": {"type": "page_id", "page_id": id_of(1)},
        "created_time": "2026-03-01T00:00:00.000Z",
        "last_edited_time": "2026-03-01T00:00:00.000Z",
        "created_by": ADA,
        "last_edited_by": ADA,
        "has_children": has_children,
        "archived": False,
        "in_trash": False,
        "type": kind,
        kind: content,
    }


def text_block(number: int, kind: str, text: str, **more: Any) -> Record:
    """Return a block of rich text."""
    return block(number, kind, rich_text=runs(text), color="default", **more)


def error(status: int, code: str, **headers: str) -> HttpReply:
    """Return an error as Notion tells it."""
    body = {"object": "error", "status": status, "code": code, "message": "no ntn_correct-horse"}
    return as_json(body, status, **headers)


@dataclass
class FakeNotion:
    """Its ``things`` are pages, rows and data sources; ``blocks`` are the children by id.

    ``cap`` bounds pages of a search, and ``cap_of_lists`` those of rows and blocks. ``first`` are
    answers that come before any other. The data sources in ``refused`` have no rows to list. A
    search that ``is_cut`` says so on its last page.
    """

    things: list[Record]
    blocks: dict[str, list[Record]] = field(default_factory=dict[str, list[Record]])
    cap: int = 100
    cap_of_lists: int = 100
    first: list[HttpReply] = field(default_factory=list[HttpReply])
    is_cut: bool = False
    refused: list[str] = field(default_factory=list[str])

    def __call__(self, request: HttpRequest) -> HttpReply:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return error(401, "unauthorized")
        if request.headers.get("notion-version") != "2025-09-03":
            return error(400, "missing_version")
        if self.first:
            return self.first.pop(0)
        asked: Record = json.loads(request.body) if request.body else dict(request.query)
        match request.method, request.path.split("/")[2:]:
            case "GET", ["users", "me"]:
                bot = {"workspace_name": "Ada's notes", "owner": {"type": "workspace"}}
                return as_json({**ADA, "name": "Weft", "type": "bot", "bot": bot})
            case "POST", ["search"]:
                return self._search(asked)
            case "POST", ["data_sources", name, "query"]:
                return self._query(name, asked)
            case "GET", ["pages" | "data_sources", name]:
                return self._find(name)
            case "GET", ["blocks", name, "children"] if name in self.blocks:
                return self._page(self.blocks[name], asked, self.cap_of_lists, "block")
            case _:
                return error(404, "object_not_found")

    def _search(self, asked: Record) -> HttpReply:
        kind = asked["filter"]["value"]
        there = [each for each in self.things if each["object"] == kind and not each["in_trash"]]
        is_backward = asked["sort"]["direction"] == "descending"
        there.sort(key=lambda each: each["last_edited_time"], reverse=is_backward)
        return self._page(there, asked, self.cap, "page_or_data_source")

    def _query(self, name: str, asked: Record) -> HttpReply:
        if name in self.refused:
            return error(400, "validation_error")
        rows = [e for e in self.things if e["parent"].get("data_source_id") == name]
        since = asked.get("filter", {}).get("last_edited_time", {}).get("on_or_after", "")
        rows = [each for each in rows if each["last_edited_time"] >= since]
        there = sorted(
            (each for each in rows if not each["in_trash"]), key=lambda each: each["created_time"]
        )
        return self._page(there, asked, self.cap_of_lists, "page_or_data_source")

    def _find(self, name: str) -> HttpReply:
        for each in self.things:
            if each["id"] == name:
                return as_json(each)
        return error(404, "object_not_found")

    def _page(self, records: list[Record], asked: Record, cap: int, kind: str) -> HttpReply:
        start = int(str(asked.get("start_cursor", id_of(0)))[:8], 16)
        end = start + min(cap, int(asked["page_size"]))
        has_more = end < len(records)
        answer: Record = {
            "object": "list",
            "results": records[start:end],
            "next_cursor": id_of(end) if has_more else None,
            "has_more": has_more,
            "type": kind,
            kind: {},
        }
        if self.is_cut and not has_more:
            reason = "query_result_limit_reached"
            answer["request_status"] = {"type": "incomplete", "incomplete_reason": reason}
        return as_json(answer)
