"""A scripted Salesforce org that answers SOQL, two records a batch, as the vendor documents it."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.sources.rest import Records, cut
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

PAGE = 2
API = "/services/data/v62.0"
_SOQL = re.compile(
    r"SELECT (?P<fields>.+?) FROM (?P<object>\w+)(?: WHERE (?P<where>.+?))?(?P<order> ORDER BY Id)?"
)
_SINCE = re.compile(r"SystemModstamp >= (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


def at(day: int) -> str:
    return f"2026-03-{day:02}T10:00:00.000+0000"


def record(sobject: str, number: int, day: int = 1, **fields: Any) -> dict[str, Any]:
    key = f"{sobject[:3].upper()}{number:015}"
    return {
        "attributes": {"type": sobject, "url": f"{API}/sobjects/{sobject}/{key}"},
        "Id": key,
        "IsDeleted": False,
        "CreatedDate": at(1),
        "SystemModstamp": at(day),
        **fields,
    }


def account(number: int, day: int = 1, about: str = "Sells\u200b tea.") -> dict[str, Any]:
    return record(
        "Account",
        number,
        day,
        Name=f"Acme\u202e {number}",
        Industry="Food",
        AnnualRevenue=1e6,
        BillingAddress={"city": "London", "country": None},
        BillingCity="London",
        Description=about,
        Owner={"attributes": {"type": "User", "url": "x"}, "Name": "Ada"},
    )


def case(number: int, day: int = 1, status: str = "New") -> dict[str, Any]:
    return record(
        "Case",
        number,
        day,
        CaseNumber=f"0000{number}",
        Subject="The tea is cold",
        Status=status,
        Description="It was hot.",
        Account={"attributes": {"type": "Account", "url": "x"}, "Name": "Acme"},
        Contact=None,
        Owner={"attributes": {"type": "Name", "url": "x"}, "Name": "Queue"},
    )


@dataclass
class FakeSalesforce:
    """``hidden`` are objects that the user may not see; ``has_forgotten`` the open queries."""

    records: dict[str, Records] = field(
        default_factory=lambda: {
            "Account": [account(number) for number in (1, 2, 3)],
            "Case": [case(number) for number in (1, 2, 3)],
        }
    )
    deleted: dict[str, Records] = field(default_factory=dict[str, Records])
    hidden: frozenset[str] = frozenset()
    has_forgotten: bool = False
    asked: list[str] = field(default_factory=list[str])
    _open: dict[str, Records] = field(default_factory=dict[str, Records])

    def __call__(self, request: HttpRequest) -> HttpReply:
        if request.headers.get("authorization") != "Bearer correct-horse":
            return error("INVALID_SESSION_ID", 401)
        match request.path.removeprefix(f"{API}/").split("/"):
            case ["query" | "queryAll" as resource] if "q" in request.query:
                return self._query(request.query["q"], with_deleted=resource == "queryAll")
            case ["query", locator]:
                name, _, start = locator.partition("-")
                if self.has_forgotten or name not in self._open:
                    return error("INVALID_QUERY_LOCATOR", 400)
                return self._batch(name, int(start))
            case ["sobjects", sobject, key] if sobject not in self.hidden:
                found = [each for each in self.records.get(sobject, []) if each["Id"] == key]
                return as_json(found[0]) if found else error("NOT_FOUND", 404)
            case _:
                return error("NOT_FOUND", 404)

    def _query(self, soql: str, *, with_deleted: bool) -> HttpReply:
        self.asked.append(soql)
        found = _SOQL.fullmatch(soql)
        if found is None:
            return error("MALFORMED_QUERY", 400)
        sobject, where = found["object"], found["where"] or ""
        if sobject == "Organization":
            told = [{"attributes": {"type": sobject}, "Name": "Acme Inc"}]
            return as_json({"totalSize": 1, "done": True, "records": told})
        if sobject in self.hidden:
            return error("INVALID_TYPE", 400)
        wants_deleted = "IsDeleted = true" in where
        assert with_deleted or not wants_deleted
        assert "IsDeleted" in where or not with_deleted
        records = (self.deleted if wants_deleted else self.records).get(sobject, [])
        if not with_deleted:
            # query() leaves archived records out.
            records = [each for each in records if not each.get("IsArchived")]
        since = _SINCE.search(where)
        if since:
            start = datetime.fromisoformat(since[1])
            records = [
                each for each in records if datetime.fromisoformat(each["SystemModstamp"]) >= start
            ]
        name = f"01g{len(self._open):06}"
        self._open[name] = sorted(records, key=lambda each: each["Id"])
        return self._batch(name, 0)

    def _batch(self, name: str, start: int) -> HttpReply:
        page, following = cut(self._open[name], start, PAGE)
        more = {} if following is None else {"nextRecordsUrl": f"{API}/query/{name}-{following}"}
        is_done = following is None
        return as_json(
            {"totalSize": len(self._open[name]), "done": is_done, **more, "records": page}
        )


def error(code: str, status: int, message: str = "No.") -> HttpReply:
    return as_json([{"message": message, "errorCode": code}], status)
