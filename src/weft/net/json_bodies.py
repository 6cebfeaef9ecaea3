"""Decodes JSON that others wrote, of bounded structure as well as size.

The interpreter's collector of garbage looks through all lists and objects again and again while
they are made: 4 MB of empty lists would block every caller for a second.
"""

import json
import re
from typing import Any, Final

CONTAINERS_MAX: Final = 250_000
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def parse_json(content: bytes) -> Any:
    """Decode JSON in UTF-8. Raises ValueError, also for more lists and objects than are sane."""
    if is_overgrown(content):
        raise ValueError("too many lists and objects")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_overgrown(content: bytes) -> bool:
    """Return whether JSON in UTF-8 holds more lists and objects than CONTAINERS_MAX."""
    # Brackets in strings do not count, but most content needs no such look.
    return (
        _count_containers(content) > CONTAINERS_MAX < _count_containers(_STRING.sub(b"", content))
    )


def _count_containers(content: bytes) -> int:
    return content.count(b"[") + content.count(b"{")
