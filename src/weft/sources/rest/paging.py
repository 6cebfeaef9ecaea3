"""Reads the pages of one listing, and says at its end why it is the end."""

import json
from collections.abc import AsyncGenerator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final, cast

import httpx
from pydantic import JsonValue

from weft.errors import CursorExpired, SourceMisconfigured, SourceUnavailable
from weft.net.client import next_page_url
from weft.net.transport import origin_of
from weft.sources.rest.api import Api, PlaceLost
from weft.sources.rest.table import Keyset, NextUrl, Pages, Paging, Record, Single, Token
from weft.sources.rest.values import find

PAGES_MAX: Final = 100_000
_EMPTY: Final = "a page of {what} was empty although more of them were counted"
_AFTER_LAST: Final = (
    "If it refuses the page after its last, say where 'total', 'pages' or 'more' lies."
)
_NO_ADDRESS: Final = "the next page is not named by an address"


@dataclass(slots=True)
class Asked:
    """What a listing asks for, with all templates filled in; ``what`` names it in errors."""

    what: str
    path: str
    method: str = "GET"
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    body: dict[str, Any] | None = None

    def put(self, name: str, value: object) -> None:
        """Set a parameter: in the body of a POST, where the name is a path, or in the query.

        In the path of a body, numbers are positions in its lists.
        """
        if self.body is None:
            self.params[name] = value
            return
        *outer, last = name.split(".")
        place = self.body
        for part in outer:
            place = _step_into(place, part)
        place[last] = value

    def copy(self) -> "Asked":
        """Return a copy whose parameters may be set."""
        return Asked(self.what, self.path, self.method, dict(self.params), deepcopy(self.body))


@dataclass(slots=True)
class Page:
    """One page. ``following`` leads to the next, and is None on the last; ``gap`` says why the
    service's own word about what comes next cannot be followed.
    """

    records: list[Record]
    answer: Any
    following: JsonValue = None
    total: int | None = None
    gap: str | None = None


async def read_pages(
    api: Api,
    asked: Asked,
    paging: Paging,
    records: str,
    *,
    optional: bool = False,
    start: JsonValue = None,
    size: int | None = None,
) -> AsyncGenerator[Page]:
    """Yield the pages of a listing, from ``start`` on, which an earlier page named ``following``.

    ``size`` is another number of records a page than the usual one. Raises SourceUnavailable for
    an answer of another form than the service is known for.
    """
    at = start
    before: list[Record] = []
    places = {hash(json.dumps(start))}
    for _ in range(PAGES_MAX):
        request = asked.copy()
        _turn_to(request, paging, at, size)
        try:
            answer, response = await api.ask(
                request.path,
                what=request.what,
                method=request.method,
                params=request.params,
                body=request.body,
            )
        except SourceMisconfigured as error:
            if isinstance(paging, Pages) and at is not None:
                # A fault looks the same, so this is not believed to be the end.
                error.hint = error.hint or _AFTER_LAST
            raise
        if isinstance(paging, Single) and paging.one:
            # Of what is asked for by its name, nothing can be left out but all.
            answer = [answer] if answer else None
        page = Page(_records_of(answer, records, optional, asked.what), answer)
        _find_following(page, paging, at, response, asked.what, api.root)
        at, place = page.following, hash(json.dumps(page.following))
        # A listing that turns in a circle would else be read for days.
        if at is not None and (place in places or (page.records and page.records == before)):
            raise SourceUnavailable(
                f"A page of {asked.what} came twice in one listing.",
                hint="If its last page comes again and again, say where the total or 'more' lies.",
            )
        before = page.records
        places.add(place)
        if at is not None:
            api.largest[asked.what] = max(api.largest.get(asked.what, 0), len(page.records))
        yield page
        if at is None:
            return
    yield Page([], None, gap=f"there are more than {PAGES_MAX:,} pages of {asked.what}")


async def resume(pages: AsyncGenerator[Page]) -> AsyncGenerator[Page]:
    """Yield the pages from a saved one on. Raises CursorExpired if that is there no more."""
    begun = False
    try:
        async for page in pages:
            begun = True
            yield page
    except (SourceMisconfigured, PlaceLost):
        if begun:
            raise
        raise CursorExpired("The listing cannot go on from the page where it was.") from None


def resize(paging: Paging, largest: int) -> int | None:
    """Return another size of pages, so that a listing can be asked for in other words.

    Many services send fewer records than they are asked for: at most the ``largest`` page.
    """
    if isinstance(paging, Single) or paging.size_param is None:
        return None
    size = min(paging.size, largest or paging.size)
    return size // 2 if size > 1 else 2


def _step_into(place: Any, part: str) -> Any:
    return place[int(part)] if part.isdecimal() else place.setdefault(part, {})


def _turn_to(request: Asked, paging: Paging, at: JsonValue, size: int | None) -> None:
    if isinstance(paging, Single):
        return
    if isinstance(paging, NextUrl) and at is not None:
        # The address that the service named holds all parameters.
        request.path, request.params = str(at), {}
        return
    if paging.size_param:
        request.put(paging.size_param, size or paging.size)
    if isinstance(paging, Pages):
        request.put(paging.param, _place(paging, at)[0])
    elif isinstance(paging, Token | Keyset) and at is not None:
        request.put(paging.param, at)


def _records_of(answer: Any, path: str, optional: bool, what: str) -> list[Record]:
    # Where records lie in the items of a list, an answer without it would look like an empty page.
    outer, is_below, _ = path.partition("[]")
    found = find(answer, outer)
    found = find(answer, path) if is_below and isinstance(found, list) else found
    if found is None and optional and isinstance(answer, dict):
        return []
    if not isinstance(found, list):
        raise unexpected_answer(what, f"no list lies at '{path}'" if path else "it is no list")
    items = cast("list[Any]", found)
    if not all(isinstance(item, dict) for item in items):
        raise unexpected_answer(what, "a record is no object")
    return items


def unexpected_answer(what: str, reason: str | None = None) -> SourceUnavailable:
    """Return the error for an answer of another form than the service is known for.

    ``reason`` is in words of the table, never in those of the answer.
    """
    shown = f": {reason}" if reason else ""
    return SourceUnavailable(
        f"The answer for {what} does not have the form that is documented{shown}."
    )


def _find_following(
    page: Page, paging: Paging, at: JsonValue, response: httpx.Response, what: str, root: str
) -> None:
    answer = page.answer
    if isinstance(paging, Keyset):
        _go_on_after(page, paging, what)
    elif isinstance(paging, Pages):
        more = find(answer, paging.more) if paging.more else None
        _count_on(page, paging, at, more, what)
    elif not isinstance(paging, Single):
        _follow(page, paging, response, what, root)
    elif "link" in response.headers and next_page_url(response):
        page.gap = f"a next page of {what} is named, and its stream has no paging"


def _follow(
    page: Page, paging: Token | NextUrl, response: httpx.Response, what: str, root: str
) -> None:
    answer = page.answer
    page.total = _count_at(answer, paging.total, what) if paging.total else None
    if page.total and not page.records:
        page.gap = _EMPTY.format(what=what)
    more = _has_more(answer, paging, what)
    if more is False:
        return
    if isinstance(paging, Token):
        token = find(answer, paging.at)
        if isinstance(token, str | int) and not isinstance(token, bool) and token != "":
            page.following = token
        elif token not in (None, "") or (paging.required and not _has(answer, paging.at)):
            raise unexpected_answer(what, f"no token lies at '{paging.at}'")
    elif paging.at is None:
        page.following = next_page_url(response)
    else:
        page.following = _next_url(find(answer, paging.at), response, what, root)
    if page.following is None and more:
        page.gap = f"there are more {what}, and no page of them is named"


def _has_more(answer: object, paging: Token | NextUrl, what: str) -> bool | None:
    """Return whether the answer says that there is more; None if the service does not say."""
    path = paging.more or paging.last
    if path is None:
        return None
    found = find(answer, path)
    if found is None:
        raise unexpected_answer(what, f"nothing lies at '{path}'")
    return bool(found) == (path == paging.more)


def _go_on_after(page: Page, paging: Keyset, what: str) -> None:
    count = len(page.records)
    total = _count_at(page.answer, paging.total, what) if paging.total else None
    if count == 0:
        page.gap = _EMPTY.format(what=what) if total else None
        return
    if total is not None and count >= total:
        return
    last = find(page.records[-1], paging.at)
    if not isinstance(last, str | int) or isinstance(last, bool) or last == "":
        raise unexpected_answer(what, f"no text or number lies at '{paging.at}'")
    page.following = last


def _count_on(page: Page, paging: Pages, at: JsonValue, more: object, what: str) -> None:
    number, before = _place(paging, at)
    count = len(page.records)
    if paging.total:
        page.total = _count_at(page.answer, paging.total, what)
        if count > page.total:
            raise unexpected_answer(what, f"more records came than '{paging.total}' counts")
        is_last = before + count >= page.total
    elif paging.pages:
        pages = _count_at(page.answer, paging.pages, what)
        is_last = number - paging.start + 1 >= pages
    elif paging.more:
        if more is None:
            raise unexpected_answer(what, f"nothing lies at '{paging.more}'")
        is_last = not more
    else:
        is_last = count == 0
    if is_last:
        return
    if count == 0:
        page.gap = _EMPTY.format(what=what)
        return
    page.following = [number + (count if paging.by == "offset" else 1), before + count]


def _count_at(answer: object, path: str, what: str) -> int:
    count = find(answer, path)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise unexpected_answer(what, f"no count lies at '{path}'")
    return count


def _place(paging: Pages, at: JsonValue) -> tuple[int, int]:
    """Return the number of the page, or its offset, and how many records lie before it."""
    match at:
        case [int(number), int(before)]:
            return number, before
        case _:
            return (0 if paging.by == "offset" else paging.start), 0


def _next_url(found: object, response: httpx.Response, what: str, root: str) -> str | None:
    if found is None or found == "":
        return None
    if not isinstance(found, str):
        raise unexpected_answer(what, _NO_ADDRESS)
    try:
        is_path = found.startswith("/") and not found.startswith("//")
        target = response.url.join(root + found if is_path else found)
    except (httpx.InvalidURL, UnicodeError):
        raise unexpected_answer(what, _NO_ADDRESS) from None
    if origin_of(target) != origin_of(response.url):
        raise SourceUnavailable(f"The next page of {what} would lie on another host.")
    return str(target)


def _has(answer: object, path: str) -> bool:
    outer, _, last = path.rpartition(".")
    place = find(answer, outer)
    return isinstance(place, Mapping) and last in place
