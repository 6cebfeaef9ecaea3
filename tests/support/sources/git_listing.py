"""Lists what the source of local repositories yields."""

from typing import Any

from tests.support.sources.git_repos import RawRepository
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.sources.base import Event
from weft.sources.git.source import GitSource
from weft.testing.source_contract import SourceCase, events_of, offline_context


def case(repository: RawRepository, config: Json) -> SourceCase:
    """A source of the repository, which may read the folder that it is in."""
    context = offline_context(files_roots=(repository.root.parent,))
    return SourceCase(GitSource, {"repo": str(repository.root), **config}, context)


async def list_events(
    repository: RawRepository, cursor: Json | None = None, **config: Any
) -> list[Event]:
    """List what a fetch of the repository yields."""
    return await events_of(case(repository, config).make(), cursor)


def entities(events: list[Event]) -> dict[str, Entity]:
    """Entities by id."""
    return {event.id: event for event in events if isinstance(event, Entity)}


def files(events: list[Event]) -> list[str]:
    """Paths of the files among the events."""
    return [i.removeprefix("file:") for i in entities(events) if i.startswith("file:")]


def commits(events: list[Event]) -> list[str]:
    """Ids of the commits among the events."""
    return [i.removeprefix("commit:") for i in entities(events) if i.startswith("commit:")]
