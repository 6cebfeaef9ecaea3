"""A scripted HubSpot account: two records a page, in the forms that the vendor documents."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.sources.rest import Records, cut
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

PAGE = 2
RESULTS_MAX = 10_000
KINDS = (
    "contacts",
    "companies",
    "deals",
    "tickets",
    "notes",
    "calls",
    "meetings",
    "tasks",
    "emails",
)


def record(number: int, day: int = 1, **properties: Any) -> dict[str, Any]:
    changed = f"2026-03-{day:02}T10:00:00.000Z"
    name = "lastmodifieddate" if "email" in properties else "hs_lastmodifieddate"
    return {
        "id": str(number),
        "properties": {"hs_object_id": str(number), name: changed, **properties},
        "createdAt": "2026-03-01T10:00:00.000Z",
        "updatedAt": changed,
        "archived": False,
    }


def contact(number: int, day: int = 1, name: str = "Lovelace\u202e") -> dict[str, Any]:
    email = f"ada{number}@acme.example"
    return record(
        number, day, firstname="Ada", lastname=name, email=email, hubspot_owner_id="71", phone=None
    )


def note(number: int, day: int = 1, body: str = "<p>Wants <b>tea</b>\u200b</p>") -> dict[str, Any]:
    moment = f"2026-03-{day:02}T10:00:00Z"
    return record(number, day, hs_note_body=body, hs_timestamp=moment, hubspot_owner_id="72")


@dataclass
class FakeHubSpot:
    """``denied`` are kinds for which the token lacks the scope; ``merged`` leads to other ids."""

    records: dict[str, Records] = field(
        default_factory=lambda: {
            "contacts": [contact(number) for number in (1, 2, 3)],
            "notes": [note(number) for number in (11, 12, 13)],
        }
    )
    archived: dict[str, Records] = field(default_factory=dict[str, Records])
    denied: frozenset[str] = frozenset()
    merged: dict[str, str] = field(default_factory=dict[str, str])
    searched: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __call__(self, request: HttpRequest) -> HttpReply:
        if request.headers.get("authorization") != "Bearer correct-horse":
            return _error("INVALID_AUTHENTICATION", 401)
        match request.path.strip("/").split("/"):
            case ["account-info", "v3", "details"]:
                return as_json({"portalId": 4711, "timeZone": "UTC", "uiDomain": "app.hubspot.com"})
            case ["crm", "v3", "owners"]:
                return self._list_owners(request)
            case ["crm", "v3", "objects", kind, *_] if kind in self.denied:
                return _error("MISSING_SCOPES", 403)
            case ["crm", "v3", "objects", kind] if kind in KINDS:
                there = self.archived if request.query.get("archived") == "true" else self.records
                return _list(there.get(kind, []), request)
            case ["crm", "v3", "objects", kind, "search"] if request.method == "POST":
                return self._search(kind, json.loads(request.body))
            case ["crm", "v3", "objects", kind, number]:
                number = self.merged.get(number, number)
                found = [each for each in self.records.get(kind, []) if each["id"] == number]
                return as_json(found[0]) if found else _error("OBJECT_NOT_FOUND", 404)
            case _:
                return _error("OBJECT_NOT_FOUND", 404)

    def _list_owners(self, request: HttpRequest) -> HttpReply:
        if "owners" in self.denied:
            return _error("MISSING_SCOPES", 403)
        names = {"71": ("Grace", "Hopper"), "72": ("", ""), "73": ("Alan", "Turing")}
        owners = [
            {"id": key, "firstName": first, "lastName": last, "email": f"o{key}@acme.example"}
            for key, (first, last) in names.items()
        ]
        return _list(owners, request)

    def _search(self, kind: str, asked: dict[str, Any]) -> HttpReply:
        self.searched.append(asked)
        [group] = asked["filterGroups"]
        changed, above = group["filters"]
        assert (changed["operator"], above["operator"]) == ("GTE", "GT")
        assert asked["sorts"] == [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
        found = [
            each
            for each in self.records.get(kind, [])
            if changed["propertyName"] in each["properties"]
            and _millis(each["properties"][changed["propertyName"]]) >= int(changed["value"])
            and int(each["id"]) > int(above["value"])
        ]
        found.sort(key=lambda each: int(each["id"]))
        start, size = int(asked.get("after", 0)), min(PAGE, asked["limit"])
        if start + size > RESULTS_MAX:
            return _error("VALIDATION_ERROR", 400)
        page, following = cut(found, start, size)
        return as_json({"total": len(found), "results": page, **_paging(following)})


def _millis(moment: str) -> int:
    return int(datetime.fromisoformat(moment).astimezone(UTC).timestamp() * 1000)


def _list(records: Records, request: HttpRequest) -> HttpReply:
    size = min(PAGE, int(request.query.get("limit", 10)))
    page, following = cut(records, int(request.query.get("after", 0)), size)
    return as_json({"results": page, **_paging(following)})


def _paging(following: int | None) -> dict[str, Any]:
    link = "https://api.hubapi.com/crm/v3/objects"
    after = {"after": str(following), "link": f"{link}?after={following}"}
    return {} if following is None else {"paging": {"next": after}}


def _error(category: str, status: int) -> HttpReply:
    told = {"status": "error", "message": "No.", "correlationId": "1", "category": category}
    return as_json(told, status)
