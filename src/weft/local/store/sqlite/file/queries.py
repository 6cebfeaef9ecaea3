"""Loads SQL from the named blocks in `sql/*.sql`.

A block starts with `-- name: NAME`; comment lines after that describe it. `{NAME}` stands for
another block.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from weft.local.store.sqlite.file.columns import placeholders

_FOLDER = files("weft.local.store.sqlite")
_MARK = "-- name: "
_PART = re.compile(r"\{(\w+)\}")


@cache
def queries() -> dict[str, str]:
    """Return all blocks by name, without comments."""
    blocks: dict[str, str] = {}
    for resource in sorted((_FOLDER / "sql").iterdir(), key=lambda r: r.name):
        for block in resource.read_text(encoding="utf-8").split(_MARK)[1:]:
            name, _, body = block.partition("\n")
            if name in blocks:
                raise ValueError(f"two SQL blocks are named {name}")
            lines = (line for line in body.splitlines() if not line.startswith("--"))
            sql = "\n".join(lines).strip()
            for place, columns in placeholders().items():
                sql = sql.replace(place, columns)
            blocks[name.strip()] = sql
    return {name: _fill_in(sql, blocks) for name, sql in blocks.items()}


def _fill_in(sql: str, blocks: Mapping[str, str]) -> str:
    """Replace each `{name}` by the block of that name."""
    return _PART.sub(lambda part: blocks[part[1]], sql)


def migrations() -> list[tuple[int, str]]:
    """Return the numbered migration scripts, in order."""
    folder = _FOLDER / "migrations"
    found = [(int(r.name[:4]), r.read_text(encoding="utf-8")) for r in folder.iterdir()]
    return sorted(found)


@cache
def newest_version() -> int:
    """Return the version of the schema after all migrations."""
    return max(number for number, _ in migrations())
