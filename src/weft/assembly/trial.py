"""Tries a source without storing anything."""

from contextlib import aclosing
from dataclasses import dataclass, field

from weft.assembly.backends import source_context
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.sources import SourceInfo
from weft.local.validate import validate
from weft.settings import Settings
from weft.sources.base import Failed, Incomplete, Skipped
from weft.sources.registry import SourceRegistry
from weft.sources.rest.rest_api import RestApiSource


@dataclass(slots=True)
class Trial:
    """What was reached, and the first entities with what went wrong among them."""

    reached: str
    entities: list[Entity] = field(default_factory=list[Entity])
    problems: list[str] = field(default_factory=list[str])
    is_all: bool = True


def describe_source(short_name: str) -> SourceInfo:
    """Return the catalogue entry of an installed source."""
    return SourceRegistry().get(short_name).info()


async def try_source(
    settings: Settings, short_name: str, config: Json, credentials: Json, count: int
) -> Trial:
    """Check a source and read up to ``count`` entities, and as many problems.

    Raises InvalidInput naming the bad field, and what the source raises.
    """
    kind = SourceRegistry().get(short_name)
    given = validate(kind.Config, config, field="config")
    secrets = validate(kind.Credentials, credentials, field="credentials", secret=True)
    source = kind(given, secrets, source_context(settings))
    trial = Trial(await source.check())
    async with aclosing(source.fetch(None)) as events:
        async for event in events:
            match event:
                case Entity():
                    trial.entities.append(event)
                case Skipped() | Failed():
                    trial.problems.append(f"{event.id}: {event.reason}")
                case Incomplete():
                    trial.problems.append(event.reason)
                case _:
                    continue
            if len(trial.entities) >= count or len(trial.problems) >= count:
                trial.is_all = False
                break
    if isinstance(source, RestApiSource):
        trial.problems += source.review(trial.entities)
    return trial
