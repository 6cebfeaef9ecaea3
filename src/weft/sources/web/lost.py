"""Finds the pages of the last sync that this listing did not reach, and decides which to ask for.

A link can vanish because it was removed, or because something was shown in place of the page or
sitemap that had it. So each lost page is asked for once more, and stays while it answers. It is let
go only after two syncs in a row in which its parent was read and still named most of the others.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from weft.sources.web.memory import Named, SiteMemory, name_parent


@dataclass(slots=True)
class LostPages:
    """The pages that nothing led to: ``asked`` for once more, or ``dropped`` without.

    ``unlinked`` are those of ``asked`` whose parent still named most of what it had named.
    ``has_unread``: there are pages that may name them, but could not be read.
    """

    before: SiteMemory
    now: SiteMemory
    asked: set[str] = field(default_factory=set[str])
    dropped: set[str] = field(default_factory=set[str])
    unlinked: set[str] = field(default_factory=set[str])
    has_unread: bool = False

    def take_nearest(self, is_reached: Callable[[str], bool]) -> dict[str, Named]:
        """Return the lost pages to ask for next: those nearest to the start, of one depth.

        Asking for them may reach the others.
        """
        lost = {
            address: named
            for address, named in self.before.pages.items()
            if not (address in self.now.pages or address in self.dropped or is_reached(address))
        }
        dropped = set[str]() if self.has_unread else {name_parent(a) for a in self.dropped}
        doubtful = self._list_doubtful(lost)
        for depth in sorted({named.depth for named in lost.values()}):
            wanted: dict[str, Named] = {}
            for address, named in lost.items():
                if named.depth != depth:
                    continue
                is_removed = named.parent not in doubtful and not self.has_unread
                if named.parent in dropped or (is_removed and address in self.before.unlinked):
                    self.dropped.add(address)
                    dropped.add(name_parent(address))
                    continue
                wanted[address] = named
                if is_removed:
                    self.unlinked.add(address)
            if wanted:
                return wanted
        return {}

    def settle(self, *, has_gaps: bool) -> None:
        """Note in the memory which pages the next sync may let go."""
        if has_gaps:
            self.now.unlinked = self.dropped & self.before.unlinked
        elif not self.has_unread:
            self.now.unlinked = self.unlinked & self.now.pages.keys()
        # What a doubtful parent names for the first time is no evidence for what it no longer does.
        doubtful = self._list_doubtful({})
        for address, (parent, depth) in self.now.pages.items():
            known = self.before.pages.get(address)
            if parent in doubtful and (known is None or known.parent != parent):
                self.now.pages[address] = Named("", depth)

    def _list_doubtful(self, lost: dict[str, Named]) -> set[str]:
        """Return the parents that do not name most of the pages that they named before."""
        gone, kept = Counter[str](), Counter[str]()
        for address, named in self.before.pages.items():
            if address in lost or address in self.asked or address in self.dropped:
                gone[named.parent] += 1
            elif address in self.now.pages:
                kept[named.parent] += self.now.pages[address].parent == named.parent
        return {"", *(parent for parent, count in gone.items() if kept[parent] <= count)}
