"""A bounded memory."""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

V = TypeVar("V")

REMEMBERED_MAX: Final = 10_000


class Memory(OrderedDict[str, V], Generic[V]):
    """Remembers the newest REMEMBERED_MAX entries, or ``most`` of them."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self._most = most

    def remember(self, key: str, value: V) -> None:
        """Add an entry, and forget the oldest if there are too many."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > (self._most or REMEMBERED_MAX):
            self.popitem(last=False)
