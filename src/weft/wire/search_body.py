"""The body of a search in Airweave's JSON, as Weft's HTTP API reads it."""

from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from weft.domain.reading.browsing import PATTERN_MAX_CHARS

_OPERATORS: Final = {
    "updated_at": ("greater_than_or_equal", "less_than"),
    "path": ("matches",),
    "author": ("contains",),
}
"""The operators of the fields that have others than `equals`."""


class SearchCondition(BaseModel):
    """A condition on hits: a type or a sync by `equals`, and a time by `greater_than_or_equal` or
    `less_than`. Weft's own are `path`, which `matches` a prefix or a pattern with `*`, and
    `author`, whose name `contains` a text.
    """

    field: Literal[
        "updated_at",
        "airweave_system_metadata.entity_type",
        "airweave_system_metadata.sync_id",
        "path",
        "author",
    ]
    operator: Literal["equals", "greater_than_or_equal", "less_than", "matches", "contains"]
    value: str = Field(max_length=PATTERN_MAX_CHARS)

    @model_validator(mode="after")
    def _validate_pair(self) -> "SearchCondition":
        if self.operator not in _OPERATORS.get(self.field, ("equals",)):
            raise ValueError("The operator does not go with the field.")
        try:
            _ = self.given
        except OverflowError:
            raise ValueError("The time is beyond the calendar.") from None
        return self

    @property
    def argument(self) -> str:
        """The argument of Weft's own search that it stands for."""
        if self.field == "updated_at":
            return "until" if self.operator == "less_than" else "since"
        return self.field.rpartition(".")[2]

    @property
    def given(self) -> str | datetime:
        """The value; a time without a zone is UTC."""
        if self.field != "updated_at":
            return self.value
        moment = datetime.fromisoformat(self.value)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


class SearchFilter(BaseModel):
    """Conditions that must all hold."""

    conditions: list[SearchCondition] = Field(min_length=1, max_length=6)

    @field_validator("conditions")
    @classmethod
    def _validate_once(cls, conditions: list[SearchCondition]) -> list[SearchCondition]:
        if len({each.argument for each in conditions}) < len(conditions):
            raise ValueError("One condition is there twice.")
        return conditions


class SearchBody(BaseModel):
    """A query. ``hybrid`` is the best that the server has; there may be one group of filters."""

    query: str = Field(min_length=1, max_length=1000)
    retrieval_strategy: Literal["hybrid", "keyword", "semantic"] | None = None
    filter: list[SearchFilter] | None = Field(default=None, max_length=1)
    fold_copies: bool = Field(
        default=False, description="Weft's own: show texts that are nearly the same as one result."
    )
    limit: int = Field(default=100, ge=1, le=1000)
    offset: int = Field(default=0, ge=0, le=10_000)
