"""How much of what is stored has been embedded, so that searches find it by meaning too."""

from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.local.engine import Engine
from weft.local.store.browse import Scope


async def add_coverage(engine: Engine, connection: Connection) -> Connection:
    """Return the connection with the number of its entities that are not embedded."""
    if engine.models is None or connection.entities.is_empty:
        return connection
    scope = Scope(connection.organization_id, connection_id=connection.id)
    if not (count := await _count_waiting(engine, scope)):
        return connection
    entities = connection.entities.model_copy(update={"not_embedded": count})
    return connection.model_copy(update={"entities": entities})


async def add_coverages(
    engine: Engine, collections: tuple[Collection, ...]
) -> tuple[Collection, ...]:
    """Return collections of one organisation with the number of their entities not embedded."""
    if engine.models is None or not any(each.entity_count for each in collections):
        return collections
    organization_id = collections[0].organization_id
    # Mostly all is embedded, which one look tells.
    if not await _count_waiting(engine, Scope(organization_id)):
        return collections
    counts = [await _count_waiting(engine, Scope(organization_id, each.id)) for each in collections]
    return tuple(
        each.model_copy(update={"not_embedded": count})
        for each, count in zip(collections, counts, strict=True)
    )


async def _count_waiting(engine: Engine, scope: Scope) -> int:
    found = await engine.store.vectors.measure(scope)
    return sum(each.total - each.embedded for each in found)
