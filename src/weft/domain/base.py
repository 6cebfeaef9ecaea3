"""The base of all domain models."""

from collections.abc import Awaitable
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

T = TypeVar("T")

Json = dict[str, JsonValue]


class Frozen(BaseModel):
    """An immutable model that refuses unknown fields.

    Its validator is built at its first use: a process that starts needs few of the models at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Page(Frozen, Generic[T]):
    """A slice of a list; ``next_cursor`` is opaque and absent on the last page.

    ``note`` says which part of the list this is, where the items alone would mislead.
    """

    items: tuple[T, ...]
    next_cursor: str | None = None
    note: str | None = None


class GetPage(Protocol[T]):
    """Gets up to ``limit`` items from ``cursor`` on."""

    def __call__(self, *, cursor: str | None, limit: int) -> Awaitable[Page[T]]: ...
