"""What the REST kit asks for when it goes on from a cursor."""

import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from tests.support.sources.rest import Records, cut
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import CursorExpired
from weft.net.client import http_factory
from weft.sources.base import NoFields, SourceContext
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import Keyset, NoAuth, Search, Since, Stream, Token
from weft.testing.http_faults import NO_WAIT, wait_not
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve
from weft.testing.source_contract import events_of, last_cursor

SEARCH = Search(
    path="/search",
    body={"filters": [{"field": "changed", "from": ""}, {"field": "id", "above": 0}]},
    records="items",
    paging=Keyset(param="filters.1.above", at="id", total="total", size_param="limit", size=2),
)


def make_source(**more: Any) -> type[RestSource[Any, Any]]:
    class DeedsSource(RestSource[NoFields, NoFields]):
        short_name = "deeds"
        name = "Deeds"
        description = "Deeds of a register of deeds."
        Config = NoFields
        base_url = "https://deeds.example"
        auth = NoAuth()
        sleep = staticmethod(wait_not)
        streams: ClassVar[tuple[Stream, ...]] = (
            Stream(
                name="deed",
                path="/deeds",
                records="items",
                paging=Token(param="after", at="next", last="is_last", size_param="limit", size=2),
                text="text",
                updated="changed",
                since=Since(param="filters.0.from", search=SEARCH),
                deleted="gone",
                **more,
            ),
        )

    return DeedsSource


def now() -> datetime:
    """Return the time of the call: modules are imported minutes before their tests run."""
    return datetime.now(UTC)


def deed(number: int, changed: datetime, text: str = "A deed.") -> dict[str, Any]:
    return {"id": number, "changed": changed.isoformat(), "text": text}


class Register:
    """Lists deeds by number, and searches them; a deed that is listed may change meanwhile."""

    def __init__(self) -> None:
        self.deeds: Records = [deed(number, now() - timedelta(days=9)) for number in range(1, 6)]
        self.meanwhile: Records = []

    def __call__(self, request: HttpRequest) -> HttpReply:
        if request.path == "/search":
            first, second = json.loads(request.body)["filters"]
            found = [
                each
                for each in self.deeds
                if datetime.fromisoformat(each["changed"]) >= datetime.fromisoformat(first["from"])
                and each["id"] > second["above"]
            ]
            return as_json({"items": cut(found, 0, 2)[0], "total": len(found)})
        start = int(request.query.get("after", 0))
        page, following = cut(self.deeds, start, 2)
        for changed in self.meanwhile if start else ():
            self.deeds[changed["id"] - 1] = changed
        return as_json({"items": page, "next": following or start, "is_last": following is None})


@pytest.fixture
def register() -> Register:
    return Register()


@pytest.fixture
async def site(register: Register) -> AsyncGenerator[Site]:
    async with serve(register) as site:
        yield site


async def sync(site: Site, cursor: Json | None = None, **more: Any) -> tuple[list[str], Json]:
    """Return the texts that a sync read, and its cursor."""
    context = SourceContext(
        http=http_factory({"127.0.0.1"}, clock=NO_WAIT), options={"deeds_api_url": site.url}
    )
    events = await events_of(make_source(**more)(NoFields(), NoFields(), context), cursor)
    texts = [f"{each.id} {each.text}" for each in events if isinstance(each, Entity)]
    return texts, last_cursor(events)


@pytest.mark.anyio
async def test_changes_are_searched_for_page_after_page(register: Register, site: Site) -> None:
    texts, cursor = await sync(site)
    assert len(texts) == 5
    register.deeds[:4] = [deed(n, now(), "changed") for n in range(1, 5)]
    register.deeds += [deed(6, now(), "new")]
    texts, cursor = await sync(site, cursor)
    assert texts == [*(f"deed:{n} changed" for n in range(1, 5)), "deed:6 new"]
    assert (await sync(site, cursor))[0] == []


@pytest.mark.anyio
async def test_what_changed_behind_the_page_being_read_is_read_next_time(
    register: Register, site: Site
) -> None:
    register.meanwhile = [
        deed(1, now() + timedelta(minutes=5), "changed when its page was read"),
        deed(5, now() + timedelta(hours=5), "changed later, before its page was read"),
    ]
    texts, cursor = await sync(site)
    assert texts[0] == "deed:1 A deed."
    assert texts[4] == "deed:5 changed later, before its page was read"
    texts, _ = await sync(site, cursor)
    assert texts == ["deed:1 changed when its page was read"]


@pytest.mark.anyio
@pytest.mark.parametrize("forgets", [False, True])
async def test_old_listing_is_repeated_where_not_all_deletions_are_told(
    site: Site, forgets: bool
) -> None:
    _, cursor = await sync(site)
    cursor["listed_at"] = (now() - timedelta(days=2)).isoformat()
    if not forgets:
        assert (await sync(site, cursor))[0] == []
        return
    with pytest.raises(CursorExpired):
        await sync(site, cursor, forgets=True)
