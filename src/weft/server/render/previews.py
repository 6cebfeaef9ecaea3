"""Previews of syncs as text, with the names that the source chose in labelled parts."""

from collections.abc import Sequence

from weft.domain.previews import Preview
from weft.server.render.untrusted import label_untrusted, one_line

_NAME_MAX_CHARS = 120
_LINE_MAX_CHARS = 500


def preview_lines(preview: Preview | None) -> list[str]:
    """Say what a sync would read and delete; nothing where the source cannot tell."""
    if preview is None:
        return []
    quoted = [
        *_named("first", preview.untrusted_names),
        *_named("would go", preview.untrusted_doomed),
        *_named("gap", [preview.untrusted_gap] if preview.untrusted_gap else []),
        *(
            f"near '{one_line(each.pattern, _NAME_MAX_CHARS)}': {_shown(each.untrusted_near)}"
            for each in preview.unmatched
            if each.untrusted_near
        ),
    ]
    names = [label_untrusted("\n".join(quoted), "names from the source")] if quoted else []
    return [*(one_line(line, _LINE_MAX_CHARS) for line in preview.tell()), *names]


def preview_notes(preview: Preview | None) -> list[str]:
    """Warn of patterns that nothing fits, and of a sync that would read nothing."""
    return [] if preview is None else [one_line(each, _LINE_MAX_CHARS) for each in preview.warn()]


def mending_step(preview: Preview | None, connection_id: str) -> str:
    """Return the call that mends a configuration which fits nothing; empty if it fits."""
    if preview is None or not any(preview.warn()):
        return ""
    return (
        f"If that is not meant, update_connection(connection_id='{connection_id}', "
        "config={...}): a pattern begins at the top of what is read, such as docs/** or *.md."
    )


def _named(label: str, names: Sequence[str]) -> list[str]:
    return [f"{label}: {', '.join(map(_shown, names))}"] if names else []


def _shown(name: str) -> str:
    return one_line(name, _NAME_MAX_CHARS)
