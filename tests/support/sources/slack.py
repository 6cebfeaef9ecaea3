"""A scripted Slack, with answers in the form that its published description gives."""

from dataclasses import dataclass, field
from typing import Any

from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

TOKEN = "xoxb-correct-horse"
Record = dict[str, Any]
NEXT = "response_metadata"


def user(name: str, shown: str) -> Record:
    """Return a person."""
    profile: Record = {
        **dict.fromkeys(("title", "phone", "skype", "status_text", "status_emoji"), ""),
        **dict.fromkeys(("display_name", "display_name_normalized"), shown),
        **dict.fromkeys(("real_name", "real_name_normalized"), f"{shown} Lovelace"),
        "avatar_hash": "ge3b51ca72de",
        "fields": [],
    }
    facts = {"team_id": "T0TEA00001", "updated": 1772000000, "is_bot": False, "is_app_user": False}
    return {"id": name, "name": shown.lower(), "profile": profile, **facts}


def channel(name: str, title: str, **more: Any) -> Record:
    """Return a public channel that the app has joined."""
    kinds = ("archived", "general", "mpim", "group", "org_shared", "im", "shared", "private")
    return {
        "id": name,
        "name": title,
        "name_normalized": title,
        "created": 1771000000,
        "creator": "U0ADA00001",
        "is_channel": True,
        "is_member": True,
        **{f"is_{kind}": False for kind in kinds},
        "topic": {
            "value": "All about &lt;tea&gt;",
            "creator": "U0ADA00001",
            "last_set": 1771000000,
        },
        "purpose": {"value": "", "creator": "", "last_set": 0},
        **more,
    }


def message(ts: str, text: str, user: str = "U0ADA00001", **more: Any) -> Record:
    """Return a message."""
    return {"type": "message", "ts": ts, "user": user, "text": text, "team": "T0TEA00001", **more}


def thread(*messages: Record) -> list[Record]:
    """Return messages as a thread: the first with the count, the others as replies."""
    first, *replies = messages
    ts = first["ts"]
    counts = {"reply_count": len(replies), "latest_reply": replies[-1]["ts"], "subscribed": False}
    below = {"thread_ts": ts, "parent_user_id": first["user"]}
    return [{**first, "thread_ts": ts, **counts}, *({**each, **below} for each in replies)]


def error(code: str, status: int = 200, **more: str) -> HttpReply:
    """Return an error as Slack tells it."""
    headers = {"retry_after": more.pop("retry_after")} if "retry_after" in more else {}
    return as_json({"ok": False, "error": code, **more}, status, **headers)


@dataclass
class FakeSlack:
    """Its ``channels``, with the ``messages`` of each and the ``replies`` by the ts of the first.

    ``cap`` bounds all pages. ``first`` are answers that come before any other, and ``errors`` those
    of a method, always.
    """

    channels: list[Record]
    messages: dict[str, list[Record]]
    replies: dict[str, list[Record]] = field(default_factory=dict[str, list[Record]])
    users: list[Record] = field(default_factory=list[Record])
    cap: int = 100
    first: list[HttpReply] = field(default_factory=list[HttpReply])
    errors: dict[str, HttpReply] = field(default_factory=dict[str, HttpReply])

    def __call__(self, request: HttpRequest) -> HttpReply:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return error("invalid_auth")
        if self.first:
            return self.first.pop(0)
        method = request.path.removeprefix("/")
        if method in self.errors:
            return self.errors[method]
        asked = request.query
        match method:
            case "auth.test":
                return as_json({
                    "ok": True,
                    "url": "https://tea.slack.com/",
                    "team": "Tea",
                    "user": "weft",
                    "team_id": "T0TEA00001",
                    "user_id": "U0WEFT",
                })  # fmt: skip
            case "users.list":
                return self._page(self.users, "members", asked, cache_ts=1772000000)
            case "conversations.list":
                return self._list_channels(asked)
            case "conversations.history":
                return self._list_messages(asked)
            case "conversations.replies":
                found = self.replies.get(asked["ts"])
                more = {"has_more": False}
                return (
                    self._page(found, "messages", asked, **more)
                    if found
                    else error("thread_not_found")
                )
            case _:
                return error("unknown_method")

    def _list_channels(self, asked: dict[str, str]) -> HttpReply:
        there = [
            each
            for each in self.channels
            if not (each.get("is_archived") and asked["exclude_archived"] == "true")
            and (not each.get("is_private") or "private_channel" in asked["types"])
            and (not each.get("is_im") or "im" in asked["types"].split(","))
        ]
        return self._page(there, "channels", asked)

    def _list_messages(self, asked: dict[str, str]) -> HttpReply:
        if asked["channel"] not in self.messages:
            return error("channel_not_found")
        oldest = float(asked.get("oldest", "0"))
        there = [each for each in self.messages[asked["channel"]] if float(each["ts"]) >= oldest]
        there.sort(key=lambda each: each["ts"], reverse=True)
        facts = {"pin_count": 0, "channel_actions_ts": None, "channel_actions_count": 0}
        return self._page(there, "messages", asked, has_more=False, **facts)

    def _page(
        self, records: list[Record], name: str, asked: dict[str, str], **more: Any
    ) -> HttpReply:
        start = int(asked.get("cursor", "p0")[1:])
        end = start + min(self.cap, int(asked["limit"]))
        is_last = end >= len(records)
        if "has_more" in more:
            more["has_more"] = not is_last
        following = {NEXT: {"next_cursor": "" if is_last else f"p{end}"}}
        return as_json({"ok": True, name: records[start:end], **more, **following})
