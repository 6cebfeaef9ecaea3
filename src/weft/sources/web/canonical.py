"""Lets one address stand for a page that a site shows at several.

A site says so by a canonical address, and is often wrong: some name their home page on every page.
So it is believed only where both addresses show the same text, and no text is lost by it. A page
that was stored under its own address gives way only to one that is stored as well, and only while
its text is the stored one: else a notice in place of many pages could delete them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx
from anyio import to_thread

from weft.domain.entities import Entity
from weft.sources.base import Failed, Unchanged
from weft.sources.web.memory import SiteMemory, digest_of
from weft.sources.web.pages import PageReader, PageResult, Visit


@dataclass(slots=True)
class CanonicalPages:
    """Finds the pages that stand for others; ``wants`` says which may, in a worker thread."""

    reader: PageReader
    before: SiteMemory
    wants: Callable[[httpx.URL], bool]
    # By address, the digest of the text that a page had in this walk; empty if it is none.
    texts: dict[str, str] = field(default_factory=dict[str, str])
    failures: dict[str, PageResult] = field(default_factory=dict[str, PageResult])
    listed: set[str] = field(default_factory=set[str])

    async def settle(
        self, visits: Sequence[Visit], results: Sequence[PageResult]
    ) -> list[PageResult]:
        """Return the results; one of a page that another stands for is that of the other."""
        named = [result for result in results if result.canonical]
        if named:
            await to_thread.run_sync(self._forget_unwanted, named)
        read = {result.url: result for result in results}
        self._note(results)
        asked = {
            result.canonical: Visit(result.canonical, visit.depth, visit.updated_at, visit.parent)
            for visit, result in zip(visits, results, strict=True)
            if result.canonical not in read and self._should_ask(result)
        }
        if asked:
            found = await self.reader.read(list(asked.values()))
            for address, result in zip(asked, found, strict=True):
                self.texts.setdefault(address, "")
                if result.url == address:
                    read[address] = result
            self._note(found)
        settled = [
            self._choose(visit, result, read.get(result.canonical))
            for visit, result in zip(visits, results, strict=True)
        ]
        self.listed |= {result.url for result in settled if result.event}
        return settled

    def _forget_unwanted(self, results: Sequence[PageResult]) -> None:
        for result in results:
            if not self.wants(httpx.URL(result.canonical)):
                result.canonical = ""

    def _should_ask(self, result: PageResult) -> bool:
        known = self.texts.get(result.canonical)
        is_new = known is None or (
            known == result.text_digest and result.canonical not in self.listed
        )
        return is_new and self._may_give_way(result)

    def _choose(self, visit: Visit, result: PageResult, other: PageResult | None) -> PageResult:
        if not self._may_give_way(result):
            return result
        address = result.canonical
        if self.texts.get(address) == result.text_digest:
            # Listed before, it was with all that it leads to.
            return other or PageResult(address, Unchanged(address))
        failure = self.failures.get(address)
        if failure and digest_of(visit.url) in self.before.aliases:
            return failure
        if self.texts.get(address):
            result.links.append(address)
        return result

    def _may_give_way(self, result: PageResult) -> bool:
        is_page = isinstance(result.event, Entity | Unchanged)
        if not (result.canonical and result.text_digest and is_page):
            return False
        return not self._was_page(result.url) or (
            result.is_as_stored and self._was_page(result.canonical)
        )

    def _was_page(self, address: str) -> bool:
        return address in self.reader.stored or self.before.is_page(address)

    def _note(self, results: Sequence[PageResult]) -> None:
        for result in results:
            is_page = isinstance(result.event, Entity | Unchanged)
            # One that names another address itself stands for none.
            self.texts[result.url] = result.text_digest * (is_page and not result.canonical)
            if isinstance(result.event, Failed):
                self.failures[result.url] = result
