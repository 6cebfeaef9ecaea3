"""Says what seems wrong with a table, after a look at the first entities that it makes."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from weft.domain.entities import Entity
from weft.sources.rest.streams import PARENT, title_for
from weft.sources.rest.table import Stream

# Few services send fewer records a page, so a listing of fewer may well have one page.
_PAGE_MIN: Final = 10


def review(
    streams: Sequence[Stream], entities: Sequence[Entity], paged: Collection[str]
) -> list[str]:
    """Return what seems wrong; ``paged`` names the listings that had a second page."""
    problems: list[str] = []
    for number, row in enumerate(streams):
        own = [entity for entity in entities if entity.type == row.name]
        problems += [f"streams.{number}.{problem}" for problem in _find(row, own, paged)]
    return problems


def _find(row: Stream, own: Sequence[Entity], paged: Collection[str]) -> Iterator[str]:
    if not own:
        return
    for name, is_found in _fields_of(row, own).items():
        if not is_found:
            yield f"{name}: it is in none of these records"
    texts = {entity.id: entity.text for entity in own}
    if any(texts[entity.id] != entity.text for entity in own):
        yield "key: different records have the same key, so only one of them would be kept"
    elif row.parent is not None and len(texts) < len(own) and PARENT not in str(row.key):
        yield "key: one came again; if it is unique below its parent only, add _parent.id to it"
    if row.parent is None and len(own) >= _PAGE_MIN and f"'{row.name}'" not in paged:
        yield "paging: no second page was named; if there are more records, it is wrong"


def _fields_of(row: Stream, own: Sequence[Entity]) -> dict[str, bool]:
    """Return whether the fields that the row names are found in any record."""
    facts = {name: name in row.model_fields_set for name in ("author", "created", "viewers")}
    facts |= {f"metadata.{name}": True for name in row.metadata}
    found = {
        "title": any(entity.title != title_for(row.name, _key_in(entity)) for entity in own),
        "text": any(entity.text for entity in own),
        "url": any(entity.url for entity in own),
        "updated": any(entity.updated_at for entity in own),
        "breadcrumbs": any(entity.breadcrumbs for entity in own),
    }
    named = {name: is_found for name, is_found in found.items() if getattr(row, name)}
    for name, is_named in facts.items():
        if is_named:
            fact = name.removeprefix("metadata.")
            named[name] = any(fact in entity.metadata for entity in own)
    return named


def _key_in(entity: Entity) -> str:
    return entity.id.partition(":")[2]
