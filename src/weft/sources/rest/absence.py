"""Asks once more for stored records that a listing did not name, before they are deleted.

A page that is empty by mistake looks like one that is empty. So each missing record is asked for by
itself where the service can be asked so, and else the streams are listed again in pages of another
size, which no cache and no broken page answers as before.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Final, cast
from urllib.parse import unquote

from weft.errors import AccessDenied, SourceMisconfigured
from weft.sources.base import Complete, Incomplete
from weft.sources.rest.api import Api, Missing
from weft.sources.rest.paging import Page, read_pages, resize
from weft.sources.rest.streams import BoundStream, below
from weft.sources.rest.table import Record, Single
from weft.sources.rest.values import find

MISSING_MAX: Final = 5_000
ITEM_ASKS_MAX: Final = 100

_EVIDENCE: Final = "the last page of each stream names no next one"
_STILL_THERE: Final = "the listing left out what is there when it is asked for again"
_DOUBT: Final = "the source gives no second way to ask whether what is missing is gone"


class Absence:
    """The stored records that a listing did not name.

    ``lacking`` names the streams that could not be read, with how the keys begin that they lack.
    """

    def __init__(
        self,
        source: object,
        api: Api,
        roots: Sequence[BoundStream],
        missing: Collection[str],
        lacking: Collection[tuple[str, str]],
    ) -> None:
        self._source = source
        self._api = api
        self._roots = roots
        self._missing = frozenset(missing)
        self._lacking = lacking
        self._is_unsure = False

    async def judge(self) -> Complete | Incomplete:
        """Return whether all that is missing is gone. Raises the errors of `Source`."""
        if not self._missing:
            return Complete(_EVIDENCE)
        by_stream = self._group()
        lacking = sorted(
            name
            for name, prefix in self._lacking
            if any(key.startswith(prefix) for key in by_stream.get(name, ()))
        )
        if lacking:
            return Incomplete(f"'{lacking[0]}' cannot be read any more with these credentials")
        if await self._find_any(by_stream):
            return Incomplete(_STILL_THERE)
        doubt = f"{_DOUBT} ({len(self._missing):,})" if self._is_unsure else None
        return Complete(f"{_EVIDENCE}, and asking again named nothing else", doubt)

    async def _find_any(self, by_stream: Mapping[str, Sequence[str]]) -> bool:
        """Return whether any of the missing is there."""
        wanted: set[str] = set()
        for stream in walk(self._roots):
            keys = by_stream.get(stream.name, ())
            if not stream.row.item or len(keys) > ITEM_ASKS_MAX:
                wanted |= {stream.name} if keys else set()
                continue
            for key in keys:
                if await self._is_there(stream, key):
                    return True
        for root in self._roots:
            async for entity_id in self._list_again(root, None, wanted):
                if entity_id in self._missing:
                    return True
        return False

    def _group(self) -> dict[str, list[str]]:
        """Return the keys of the missing records by the name of their stream."""
        keys: dict[str, list[str]] = defaultdict(list)
        for entity_id in sorted(self._missing):
            is_quoted = entity_id.startswith("%/")
            shown = unquote(entity_id[2:], errors="surrogatepass") if is_quoted else entity_id
            name, _, key = shown.partition(":")
            keys[name].append(key)
        return keys

    async def _is_there(self, stream: BoundStream, key: str) -> bool:
        try:
            answer = await self._api.get(stream.ask_item(key), what=f"a missing '{stream.name}'")
        except Missing:
            return False
        found = find(answer, stream.row.item_at)
        if not (isinstance(found, dict) and found):
            return True
        [record] = await stream.prepare(self._source, [cast("Record", found)])
        if stream.up is None and stream.key_of(record) != key:
            # Another record took its place, as where two were merged.
            return False
        return stream.owns(record) and stream.is_wanted(record)

    async def _doubt_size(
        self, pages: AsyncGenerator[Page], size: int | None
    ) -> AsyncGenerator[Page]:
        """Yield the pages; one that is larger than asked for may be what came before."""
        async for page in pages:
            self._is_unsure = self._is_unsure or len(page.records) > (size or len(page.records))
            yield page

    async def _list_again(
        self, stream: BoundStream, parent: Record | None, wanted: Collection[str]
    ) -> AsyncGenerator[str]:
        """Yield the ids in the wanted streams among this one and those below it."""
        below_it = {each.name for each in walk([stream])}
        if stream.row.deletes or not below_it & set(wanted):
            return
        asked = stream.ask(parent)
        size = resize(stream.row.paging, self._api.largest.get(asked.what, 0))
        is_one = isinstance(stream.row.paging, Single) and stream.row.paging.one
        self._is_unsure = self._is_unsure or (size is None and not is_one)
        row = stream.row
        pages = read_pages(
            self._api, asked, row.paging, row.records, optional=row.optional, size=size
        )
        try:
            async for page in stream.gather(self._doubt_size(pages, size)):
                self._is_unsure = self._is_unsure or page.gap is not None
                for found in await stream.prepare(self._source, page.records):
                    record = found if parent is None else below(parent, found)
                    if not (stream.owns(record) and stream.is_wanted(record)):
                        continue
                    yield stream.id_of(stream.key_of(record))
                    for child in stream.children:
                        if child.has_children(record):
                            async for entity_id in self._list_again(child, record, wanted):
                                yield entity_id
        except (SourceMisconfigured, AccessDenied) as error:
            if not stream.may_lack(error):
                raise


def walk(streams: Sequence[BoundStream]) -> list[BoundStream]:
    """Return streams with all below them."""
    return [each for stream in streams for each in (stream, *walk(stream.children))]
