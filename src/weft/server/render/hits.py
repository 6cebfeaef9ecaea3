"""Hits of a search, as text and as data; what the source wrote is labelled, cleaned and bounded."""

from collections.abc import Sequence
from typing import Final

from weft.domain.reading.search import SearchHit
from weft.server.render.size import Structured
from weft.server.render.structured import timestamp
from weft.server.render.untrusted import clean, one_line

LEAD_CHARS: Final = 200
"""A window that shows a passage begins by this much before it."""
COPY_TITLE_CHARS: Final = 60
COPIES_SHOWN_MAX: Final = 5
_TYPE_MAX_CHARS: Final = 60
_PLACE_MAX_CHARS: Final = 500


def hit_text(number: int, hit: SearchHit) -> str:
    """Render a hit as some lines, all of which belong into a label."""
    # Before what the source chose, which could otherwise pass for it.
    about = [
        *([hit.strength.value] if hit.strength else []),
        f"{one_line(hit.type, _TYPE_MAX_CHARS)} in '{one_line(hit.connection_name)}'",
        *(["searched live"] if hit.live else []),
        *([f"updated {timestamp(hit.updated_at)}"] if hit.updated_at else []),
        *([f"passage at {hit.offset}"] if hit.offset else []),
    ]
    lines = [
        f"{number}. {one_line(hit.title)}",
        f"entity_id: {hit.entity_id} ({', '.join(about)})",
        *_place_lines(hit),
    ]
    if hit.copies:
        ids = ", ".join(
            f"{copy.entity_id} ({one_line(copy.title, COPY_TITLE_CHARS)})"
            for copy in hit.copies[:COPIES_SHOWN_MAX]
        )
        more = ", …" if len(hit.copies) > COPIES_SHOWN_MAX else ""
        lines.append(f"copies, nearly the same: {ids}{more}")
    return "\n".join([*lines, clean(hit.snippet)])


def hit_out(hit: SearchHit) -> Structured:
    """Return the fields of a hit."""
    untrusted: Structured = {
        "title": one_line(hit.title),
        "type": one_line(hit.type, _TYPE_MAX_CHARS),
        "snippet": clean(hit.snippet),
    }
    if hit.path:
        untrusted["path"] = one_line(hit.path, _PLACE_MAX_CHARS)
    if hit.url:
        untrusted["url"] = one_line(hit.url, _PLACE_MAX_CHARS)
    data: Structured = {
        "entity_id": hit.entity_id,
        "connection_id": hit.connection_id,
        "connection_name": one_line(hit.connection_name),
        "score": float(f"{hit.score:.4g}"),
    }
    if hit.strength:
        data["strength"] = hit.strength.value
    if hit.offset:
        data["offset"] = hit.offset
    if hit.updated_at:
        data["updated_at"] = timestamp(hit.updated_at)
    if hit.copies:
        data["copies"] = [copy.entity_id for copy in hit.copies]
    if hit.live:
        data["live"] = True
    return data | {"untrusted": untrusted}


def opening_step(hits: Sequence[SearchHit]) -> str:
    """Say how to read a hit, and one from its passage on."""
    deep = next((hit for hit in hits if hit.offset > LEAD_CHARS), None)
    if deep is None:
        return "Read one with get_entity(entity_id)."
    start = deep.offset - LEAD_CHARS
    return (
        "Read one with get_entity(entity_id), which with an offset begins there: "
        f"get_entity(entity_id='{deep.entity_id}', offset={start}) a little before its passage."
    )


def _place_lines(hit: SearchHit) -> list[str]:
    """Tell where it is at its source, as far as its title does not."""
    if hit.url:
        return [f"url: {one_line(hit.url, _PLACE_MAX_CHARS)}"]
    path = hit.path or hit.title
    return [] if path == hit.title else [f"path: {one_line(path, _PLACE_MAX_CHARS)}"]
