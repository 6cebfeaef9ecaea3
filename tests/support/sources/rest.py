"""A scripted service for sources on the REST kit: collections of records, paged in each way."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

Records = list[dict[str, Any]]
Page = tuple[Records, str | None]


def cut(records: Records, start: int, size: int) -> tuple[Records, int | None]:
    """Return a page of records, and the position of the next if there are more."""
    end = start + size
    return records[start:end], end if end < len(records) else None


@dataclass
class FakeService:
    """Answers each path with what ``answer`` makes of a page; asks for a token in ``header``.

    ``collections`` are the records by path. ``since_param`` is the parameter with the time after
    which ``updated`` must lie. ``cap`` bounds the size of all pages, whatever is asked for.
    """

    style: str
    collections: dict[str, Records]
    token: str = "Bearer correct-horse"
    header: str = "authorization"
    since_param: str = "since"
    updated: str = "updated_at"
    size_param: str = "per_page"
    cap: int = 2
    objects: dict[str, Any] = field(default_factory=dict[str, Any])
    asked: list[str] = field(default_factory=list[str])

    def __call__(self, request: HttpRequest) -> HttpReply:
        self.asked.append(request.target)
        if request.headers.get(self.header) != self.token:
            return as_json({"error": "who are you?"}, 401)
        if request.path in self.objects:
            return as_json(self.objects[request.path])
        if request.path not in self.collections:
            return self._find_item(request.path)
        asked: dict[str, Any] = json.loads(request.body) if request.body else request.query
        records = self.collections[request.path]
        since = asked.get(self.since_param)
        if since is not None:
            records = [each for each in records if each[self.updated] >= since]
        size = min(self.cap, int(asked.get(self.size_param, self.cap)))
        return _STYLES[self.style](records, asked, size, request)

    def _find_item(self, path: str) -> HttpReply:
        parent, _, key = path.rpartition("/")
        for each in self.collections.get(parent, ()):
            if str(each.get("id")) == key:
                return as_json(each)
        return as_json({"error": "no such thing"}, 404)


def _number(text: Any) -> int:
    """Return a number; 0 for what is none, as such a service might."""
    return int(text) if str(text).isdecimal() else 0


Style = Callable[[Records, Mapping[str, Any], int, HttpRequest], HttpReply]


def _by_number(
    records: Records, asked: Mapping[str, Any], size: int, request: HttpRequest
) -> HttpReply:
    page, _ = cut(records, (int(asked.get("page", 1)) - 1) * size, size)
    return as_json(page)


def _by_offset(
    records: Records, asked: Mapping[str, Any], size: int, request: HttpRequest
) -> HttpReply:
    page, _ = cut(records, int(asked.get("offset", 0)), size)
    return as_json({"items": page, "total": len(records)})


def _by_token(
    records: Records, asked: Mapping[str, Any], size: int, request: HttpRequest
) -> HttpReply:
    page, following = cut(records, int(str(asked.get("cursor", "t0"))[1:]), size)
    token = None if following is None else f"t{following}"
    return as_json({"items": page, "meta": {"next": token, "more": token is not None}})


def _by_url(
    records: Records, asked: Mapping[str, Any], size: int, request: HttpRequest
) -> HttpReply:
    page, link = _link_on(records, asked, size, request)
    return as_json({"items": page, "next": link})


def _by_link(
    records: Records, asked: Mapping[str, Any], size: int, request: HttpRequest
) -> HttpReply:
    page, link = _link_on(records, asked, size, request)
    reply = as_json(page)
    if link:
        reply.headers = {**reply.headers, "link": f'<{link}>; rel="next"'}
    return reply


def _by_keyset(
    records: Records, asked: Mapping[str, Any], size: int, request: HttpRequest
) -> HttpReply:
    records = [each for each in records if each["id"] > _number(asked.get("after", 0))]
    return as_json({"items": cut(records, 0, size)[0], "total": len(records)})


def _link_on(records: Records, asked: Mapping[str, Any], size: int, request: HttpRequest) -> Page:
    page, following = cut(records, int(asked.get("from", 0)), size)
    query = {**asked, "from": following}
    return page, None if following is None else f"{request.path}?{urlencode(query)}"


_STYLES: dict[str, Style] = {
    "number": _by_number,
    "offset": _by_offset,
    "token": _by_token,
    "url": _by_url,
    "link": _by_link,
    "keyset": _by_keyset,
}
