"""The answer at the configured address, and what of the site belongs to it."""

from dataclasses import dataclass

import httpx

from weft.net.transport import Origin, origin_of
from weft.sources.web.robots import Robots
from weft.sources.web.sitemap import Sitemap

_INDEXES = ("index.", "default.")


@dataclass(frozen=True, slots=True)
class Start:
    """The answer at the configured URL; ``site`` holds the origins whose pages are read.

    ``sitemap`` is the answer itself, or those that the robots.txt at ``named_by`` names: then only
    pages at or below the start page are read.
    """

    url: httpx.URL
    site: set[Origin]
    robots: dict[Origin, Robots]
    sitemap: Sitemap | None
    named_by: str = ""

    def allows(self, url: httpx.URL) -> bool:
        """Return whether robots.txt lets us read a page."""
        rules = self.robots.get(origin_of(url))
        return rules is not None and rules.allows(url.raw_path.decode("ascii"))

    def covers(self, url: httpx.URL) -> bool:
        """Return whether the address is one of the site or, if need be, of its section."""
        is_inside = not self.named_by or _is_in_section(url, _section_of(self.url))
        return is_inside and origin_of(url) in self.site


def _section_of(url: httpx.URL) -> str:
    """Return the path below which pages belong to a start page: its folder, if it is an index."""
    folder, _, name = url.path.rpartition("/")
    return f"{folder}/" if not name or name.startswith(_INDEXES) else f"{url.path}/"


def _is_in_section(url: httpx.URL, section: str) -> bool:
    """Return whether the page is at or below the path."""
    return f"{url.path}/".startswith(section) or url.path.startswith(section)
