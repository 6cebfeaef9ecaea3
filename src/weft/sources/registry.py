"""Find sources by entry point, so that third parties add theirs by installing a package.

A package declares `NAME = "module:Class"` in its entry point group `weft.sources`. NAME must be the
class's `short_name`, and the class a subclass of `weft.sources.base.Source`.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from weft.domain.text.names import suggest
from weft.errors import NotFound, WeftError
from weft.sources.base import AnySource, Source

ENTRY_POINT_GROUP = "weft.sources"
OTHER_WAYS = (
    "For any other, the operator can install a package that adds it, or set WEFT_API_URL to use "
    "Airweave's sources; or the user exports its content to a folder for the source 'files'."
)


class SourceRegistry:
    """Source classes by short name. Each is imported when it is first asked for."""

    def __init__(
        self,
        points: Iterable[EntryPoint] | None = None,
        extra: Mapping[str, type[AnySource]] | None = None,
    ) -> None:
        self._points = None if points is None else {point.name: point for point in points}
        self._loaded: dict[str, type[AnySource]] = dict(extra or {})

    def names(self) -> list[str]:
        """Return all short names, sorted."""
        return sorted({*self._entry_points(), *self._loaded})

    def get(self, short_name: str) -> type[AnySource]:
        """Return the class of one source.

        Raises NotFound with the names that exist, or WeftError if the installed class is broken.
        """
        if short_name in self._loaded:
            return self._loaded[short_name]
        point = self._entry_points().get(short_name)
        if point is None:
            near = suggest(short_name.lower(), self.names())
            guess = f"Did you mean {near}? " if near else ""
            raise NotFound(
                "No source has that short_name.",
                field="short_name",
                hint=f"{guess}Available: {', '.join(self.names())}. {OTHER_WAYS}",
                needs=f"has the source '{short_name}'",
            )
        self._loaded[short_name] = _load(point)
        return self._loaded[short_name]

    def _entry_points(self) -> dict[str, EntryPoint]:
        # Scanning the installed distributions takes milliseconds: do it once, at first use.
        if self._points is None:
            self._points = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
        return self._points


def built_in_names() -> frozenset[str]:
    """Return the short names of Weft's own sources."""
    points = entry_points(group=ENTRY_POINT_GROUP)
    return frozenset(point.name for point in points if point.value.startswith("weft.sources."))


def _load(point: EntryPoint) -> type[AnySource]:
    try:
        loaded: object = point.load()
    except Exception as error:
        # Third-party code is imported here and may raise anything, with any text.
        raise WeftError(
            f"The installed source '{point.name}' cannot be loaded ({type(error).__name__}).",
            hint="Ask the operator to repair or remove the package that it comes with.",
            needs=f"can load the source '{point.name}'",
        ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, Source)):
        raise WeftError(f"The installed source '{point.name}' is not a Source.")
    kind = cast("type[AnySource]", loaded)
    if getattr(kind, "short_name", None) != point.name:
        raise WeftError(f"The installed source '{point.name}' does not match its entry point.")
    return kind
