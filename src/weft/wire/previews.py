"""Previews of syncs in JSON, as Weft's own API sends them; Airweave's has none."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from weft.domain.text.characters import HIDDEN_OR_BREAK
from weft.wire.answer import Answer, Count
from weft.wire.upstream import Upstream

_LISTED_MAX: Final = 20
_NAME_MAX_CHARS: Final = 200


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


def _shorten(text: str) -> str:
    return HIDDEN_OR_BREAK.sub(" ", text)[:_NAME_MAX_CHARS]


_FEW: Final = AfterValidator(lambda listed: listed[:_LISTED_MAX])
_Name = Annotated[str, AfterValidator(_shorten)]
_Names = Annotated[tuple[_Name, ...], _FEW]


class _Unmatched(Upstream):
    field: str
    pattern: _Name
    untrusted_near: _Name | None = None


class UpstreamPreview(Upstream):
    """A preview that another Weft sends, cut to a bounded length; see `domain/previews.py`."""

    by_type: dict[str, int] = Field(default_factory=dict[str, int])
    not_previewed: _Names = ()
    whole: bool = False
    gap: _Name | None = None
    untrusted_gap: _Name | None = None
    stored: int = 0
    would_delete: int = 0
    held: bool = False
    beyond: _Names = ()
    unmatched: Annotated[tuple[_Unmatched, ...], _FEW] = ()
    untrusted_names: _Names = ()
    untrusted_doomed: _Names = ()
