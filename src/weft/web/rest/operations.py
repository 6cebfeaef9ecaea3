"""Operations of the API: path, input, permission and answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter

from weft.backend import Backend
from weft.domain.access.permissions import Impact

QueryT = TypeVar("QueryT", bound=BaseModel)
BodyT = TypeVar("BodyT", bound=BaseModel)


class Nothing(BaseModel):
    """The query or body of an operation that has none."""


@dataclass(frozen=True, slots=True)
class ApiCall(Generic[QueryT, BodyT]):
    """A valid request to an operation, and the backend of its caller."""

    backend: Backend
    path: Mapping[str, str]
    query: QueryT
    body: BodyT


_IMPACTS = {"GET": Impact.READS, "DELETE": Impact.DELETES}

Handler = Callable[[ApiCall[Any, Any]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path. ``path`` is a template without a trailing slash.

    ``statuses`` are its own errors, beside those that every operation may answer with.
    ``deletes_if`` is the flag of its query that makes it a deletion, if there is one.
    """

    method: str
    path: str
    toolset: str
    impact: Impact
    summary: str
    handler: Handler
    answer: TypeAdapter[Any]
    query: type[BaseModel]
    body: type[BaseModel] | None
    body_required: bool
    statuses: tuple[int, ...]
    deletes_if: str = ""

    def impact_of(self, query: BaseModel) -> Impact:
        """Return the impact of a call with that query."""
        deletes = self.deletes_if and getattr(query, self.deletes_if)
        return Impact.DELETES if deletes else self.impact

    @property
    def name(self) -> str:
        """The name of the handler, unique among all operations."""
        return self.handler.__name__


def define(
    method: str,
    path: str,
    answer: Any,
    *,
    toolset: str,
    impact: Impact | None = None,
    query: type[BaseModel] = Nothing,
    body: type[BaseModel] | None = None,
    body_required: bool = True,
    statuses: tuple[int, ...] = (),
    deletes_if: str = "",
) -> Callable[[Handler], Operation]:
    """Define an operation; the handler's docstring is its summary. ``answer`` is a type.

    The impact follows from the method, but for a POST that changes nothing.
    """

    def build(handler: Handler) -> Operation:
        return Operation(
            method=method,
            path=path,
            toolset=toolset,
            impact=impact or _IMPACTS.get(method, Impact.CHANGES),
            summary=" ".join((handler.__doc__ or "").split()),
            handler=handler,
            answer=TypeAdapter(answer),
            query=query,
            body=body,
            body_required=body_required,
            statuses=statuses,
            deletes_if=deletes_if,
        )

    return build
