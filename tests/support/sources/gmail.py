"""A scripted Gmail mailbox: two messages a page, in the forms that Google publishes."""

import base64
import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from tests.support.sources.google import refuse, refuse_stranger
from tests.support.sources.rest import cut
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

PAGE = 2
SYSTEM = ("INBOX", "SENT", "DRAFT", "TRASH", "SPAM", "UNREAD", "CATEGORY_PROMOTIONS")
Record = dict[str, Any]


def mail(subject: str, text: str, **files: bytes) -> bytes:
    """Write a message; files are named with an underscore for the dot."""
    message = EmailMessage()
    message["From"], message["To"] = "Ada <ada@acme.example>", "Grace <grace@acme.example>"
    message["Date"] = "Sun, 01 Mar 2026 10:00:00 +0000"
    message["Subject"] = subject
    message.set_content(text)
    for name, content in files.items():
        message.add_attachment(
            content,
            maintype="application",
            subtype="octet-stream",
            filename=name.replace("_", "."),
        )
    return message.as_bytes()


@dataclass
class FakeGmail:
    """``messages`` are the facts by id, and ``raw`` what was sent. ``log`` is the history."""

    messages: dict[str, Record] = field(default_factory=dict[str, Record])
    raw: dict[str, bytes] = field(default_factory=dict[str, bytes])
    labels: dict[str, str] = field(
        default_factory=lambda: {**{name: name for name in SYSTEM}, "Label_7": "Tea/Green leaves"}
    )
    log: list[Record] = field(default_factory=list[Record])
    forgotten: int = 0
    sizes: dict[str, int] = field(default_factory=dict[str, int])

    def put(self, key: str, content: bytes, *labels: str, day: int = 1, thread: str = "t1") -> None:
        """Add a message that came on a day of March 2026."""
        came = 1_772_323_200_000 + (day - 1) * 86_400_000
        facts = {"id": key, "threadId": thread, "labelIds": list(labels), "internalDate": str(came)}
        self.messages[key] = facts
        self.raw[key] = content
        self._log("messagesAdded", key, labelIds=list(labels))

    def label(self, key: str, *labels: str) -> None:
        """Give a message these labels in place of its own."""
        self.messages[key]["labelIds"] = list(labels)
        self._log("labelsAdded", key, changed=list(labels))

    def remove(self, key: str) -> None:
        """Delete a message for good."""
        self._log("messagesDeleted", key)
        del self.messages[key]

    def _log(self, kind: str, key: str, changed: list[str] | None = None, **more: Any) -> None:
        known = {"id": key, "threadId": self.messages[key]["threadId"]}
        entry: Record = {"message": {**known, **more}}
        if changed is not None:
            entry["labelIds"] = changed
        self.log.append({"id": str(100 + len(self.log)), "messages": [known], kind: [entry]})

    @property
    def now(self) -> str:
        """The id of the newest change."""
        return str(99 + len(self.log))

    def __call__(self, request: HttpRequest) -> HttpReply:
        stranger = refuse_stranger(request)
        if stranger is not None:
            return stranger
        match request.path.removeprefix("/gmail/v1/users/me/").split("/"):
            case ["profile"]:
                return as_json(
                    {
                        "emailAddress": "ada@acme.example",
                        "historyId": self.now,
                        "messagesTotal": len(self.messages),
                        "threadsTotal": 1,
                    }
                )
            case ["labels"]:
                labels = [
                    {"id": key, "name": name, "type": "system" if key in SYSTEM else "user"}
                    for key, name in self.labels.items()
                ]
                return as_json({"labels": labels})
            case ["messages"]:
                return self._list(request)
            case ["history"]:
                return self._list_history(request)
            case ["messages", key] if key in self.messages:
                return self._get(key, request.query["format"])
            case _:
                return refuse(404, "notFound", "Requested entity was not found.")

    def _list(self, request: HttpRequest) -> HttpReply:
        found = [each for each in self.messages.values() if self._fits(each, request.query["q"])]
        found.sort(key=lambda each: int(each["internalDate"]), reverse=True)
        size = min(PAGE, int(request.query["maxResults"]))
        page, following = cut(found, int(request.query.get("pageToken", "0")), size)
        answer: Record = {"resultSizeEstimate": len(found)}
        if page:
            # Only these two are there.
            answer["messages"] = [{k: each[k] for k in ("id", "threadId")} for each in page]
        if following is not None:
            answer["nextPageToken"] = str(following)
        return as_json(answer)

    def _fits(self, message: Record, query: str) -> bool:
        """Return whether the search finds a message: labels, categories, times and one word."""
        names = {re.sub(r"\W+", "-", self.labels[each].lower()) for each in message["labelIds"]}
        if names & {"trash", "spam"}:
            return False
        names |= {f"in:{name}s" for name in names}
        names |= {name.replace("category_", "category:") for name in names}
        for part in re.findall(r"\([^)]*\)|\S+", query):
            if part.startswith("("):
                wanted = {each.removeprefix("label:") for each in part[1:-1].split(" OR ")}
                is_right = bool(wanted & names)
            elif part.startswith("after:"):
                is_right = int(message["internalDate"]) > int(part.removeprefix("after:")) * 1000
            elif part.startswith("-"):
                is_right = part[1:].removeprefix("label:") not in names
            else:
                is_right = part.encode() in self.raw[message["id"]]
            if not is_right:
                return False
        return True

    def _list_history(self, request: HttpRequest) -> HttpReply:
        start = int(request.query["startHistoryId"])
        if start < self.forgotten:
            return refuse(404, "notFound", "Requested entity was not found.")
        records = [each for each in self.log if int(each["id"]) > start]
        size = min(PAGE, int(request.query["maxResults"]))
        page, following = cut(records, int(request.query.get("pageToken", "0")), size)
        answer: Record = {"historyId": self.now}
        if page:
            answer["history"] = page
        if following is not None:
            answer["nextPageToken"] = str(following)
        return as_json(answer)

    def _get(self, key: str, form: str) -> HttpReply:
        raw = self.raw[key]
        answer = {
            **self.messages[key],
            "historyId": self.now,
            "snippet": "…",
            "sizeEstimate": self.sizes.get(key, len(raw)),
        }
        if form == "raw":
            answer["raw"] = base64.urlsafe_b64encode(raw).decode()
        return as_json(answer)
