"""Previews of syncs in JSON, as Weft's own API sends them; Airweave's has none."""

from pydantic import Field

from weft.domain.previews import Preview
from weft.wire.answer import Answer, Count
from weft.wire.upstream import Upstream


class UnmatchedAnswer(Answer):
    """A pattern that nothing fits."""

    field: str
    pattern: str
    untrusted_near: str | None = Field(description="A name at the source that may be meant.")


class PreviewAnswer(Answer):
    """What a full sync would read and delete, by the names at the source."""

    by_type: dict[str, Count] = Field(description="How many names match, by type of entity.")
    not_previewed: list[str] = Field(description="Types of entities that were not looked at.")
    whole: bool = Field(description="Whether all names were seen.")
    gap: str | None = Field(description="Why not, if it is not the source's nature.")
    untrusted_gap: str | None = Field(description="The same in the source's words.")
    stored: Count
    would_delete: Count = Field(
        description="How many of `stored` would go; if not `whole`, of those no longer wanted."
    )
    held: bool = Field(description="Whether a sync would hold these deletions.")
    beyond: list[str] = Field(description="The limits of the configuration that were reached.")
    unmatched: list[UnmatchedAnswer]
    untrusted_names: list[str] = Field(description="The first names.")
    untrusted_doomed: list[str] = Field(description="A few of what would go.")


class _Unmatched(Upstream):
    field: str
    pattern: str
    untrusted_near: str | None = None


class UpstreamPreview(Upstream):
    """A preview that another Weft sends; see `Preview`."""

    by_type: dict[str, int] = Field(default_factory=dict[str, int])
    not_previewed: tuple[str, ...] = ()
    whole: bool = False
    gap: str | None = None
    untrusted_gap: str | None = None
    stored: int = 0
    would_delete: int = 0
    held: bool = False
    beyond: tuple[str, ...] = ()
    unmatched: tuple[_Unmatched, ...] = ()
    untrusted_names: tuple[str, ...] = ()
    untrusted_doomed: tuple[str, ...] = ()

    def to_preview(self) -> Preview:
        """Read it as one of our own."""
        return self.to_domain(Preview)
