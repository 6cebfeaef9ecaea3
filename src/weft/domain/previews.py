"""What a sync would read and delete, told before it runs."""

from collections.abc import Iterator

from pydantic import Field

from weft.domain.base import Frozen


class UnmatchedPattern(Frozen):
    """A pattern of a field of the configuration that nothing fits.

    ``untrusted_near`` is a name at the source that may be meant.
    """

    field: str
    pattern: str
    untrusted_near: str | None = None


class Preview(Frozen):
    """What a full sync would read and delete, by the names at the source: nothing is read for it.

    ``by_type`` counts the names; types in ``not_previewed`` are passed over. ``whole``: all names
    were seen, so ``would_delete`` counts all of the ``stored`` that would go, and ``held`` says
    that they would be held. Else it counts those that no longer fit the configuration, and ``gap``
    says why, if that is not the source's nature; ``untrusted_gap`` does so in the source's words.
    ``beyond`` says which limits of the configuration were reached. The names are examples.
    """

    by_type: dict[str, int] = Field(default_factory=dict)
    not_previewed: tuple[str, ...] = ()
    whole: bool = False
    gap: str | None = None
    untrusted_gap: str | None = None
    stored: int = 0
    would_delete: int = 0
    held: bool = False
    beyond: tuple[str, ...] = ()
    unmatched: tuple[UnmatchedPattern, ...] = ()
    untrusted_names: tuple[str, ...] = ()
    untrusted_doomed: tuple[str, ...] = ()

    @property
    def matching(self) -> int:
        """Return how many names a sync would read."""
        return sum(self.by_type.values())

    def tell(self) -> Iterator[str]:
        """Say in sentences what a sync would read and delete."""
        if not self.by_type and self.gap:
            yield f"What a sync would read is not known before it: {self.gap}."
            return
        types = ", ".join(f"{type_} {count}" for type_, count in self.by_type.items())
        told = [f"{self.matching} ({types})" if types else "nothing"]
        told += [self.gap] if self.gap else []
        told += self.beyond
        content = " For their content, some may be skipped." if types else ""
        yield f"Matching now, by name: {'; '.join(told)}.{content}"
        if self.not_previewed:
            yield f"Not looked at: {', '.join(self.not_previewed)}."
        if self.stored:
            yield self._tell_deletions()

    def _tell_deletions(self) -> str:
        share = f"{self.would_delete or 'nothing'} of {self.stored} stored"
        if self.whole:
            held = ", and hold that until somebody agrees" if self.held else ""
            return f"A full sync would delete {share}{held}."
        if not self.would_delete:
            return f"What it would delete of {self.stored} stored is not known before it."
        return (
            f"A full sync would delete {share}, which do not fit the config, unless what fits leads"
            " to them; more is not known before it."
        )

    def warn(self) -> Iterator[str]:
        """Say which patterns nothing fits, and whether nothing would be read."""
        where = "that is read" if self.whole else "that was seen"
        for each in self.unmatched:
            yield f"config.{each.field}: '{each.pattern}' fits nothing {where}."
        if self.by_type or self.gap or self.not_previewed:
            return
        if self.whole:
            yield "Nothing matches now, so a sync would read nothing."
        else:
            yield "Nothing that was seen matches."
