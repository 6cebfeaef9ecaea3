"""Previews of syncs, for people."""

from collections.abc import Iterator

from weft.cli.terminal.text import plain
from weft.domain.previews import Preview


def preview_lines(preview: Preview | None) -> list[str]:
    """Say what a sync would read and delete; nothing where the source cannot tell."""
    return [plain(line) for line in _tell(preview)] if preview else []


def _tell(preview: Preview) -> Iterator[str]:
    yield from preview.tell()
    for label, names in (
        ("First", preview.untrusted_names),
        ("Would go", preview.untrusted_doomed),
    ):
        if names:
            yield f"{label}: {', '.join(names)}"
    if preview.untrusted_gap:
        yield f"Gap: {preview.untrusted_gap}"
    for warning in preview.warn():
        yield f"warning: {warning}"
    for each in preview.unmatched:
        if each.untrusted_near:
            yield f"Instead of '{each.pattern}', did you mean '{each.untrusted_near}'?"
