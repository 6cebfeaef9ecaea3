"""Find the tables and views of the catalogue that a configuration means.

Its names are only compared with those of the catalogue: none of them ends up in a statement.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from weft.domain.text.characters import clean_line
from weft.domain.text.names import suggest
from weft.errors import SourceMisconfigured

if TYPE_CHECKING:
    from sqlalchemy import Inspector

TABLES_MAX: Final = 2_000
_SHOWN_MAX: Final = 5
_SYSTEM_SCHEMAS: Final = frozenset(
    {"information_schema", "performance_schema", "mysql", "sys", "pg_catalog", "pg_toast"}
)
_GLOB: Final = re.compile(r"[*?\[]")

Place = tuple[str | None, str]
"""Schema and name of a table."""

Label = Callable[[str | None, str], str]
"""Returns how ids and texts name a table of a schema."""


@dataclass(frozen=True, slots=True)
class Found:
    """A table or view; ``is_exact`` if the configuration names it alone."""

    label: str
    name: str
    schema: str | None
    is_exact: bool


@dataclass(frozen=True, slots=True)
class _Candidate:
    schema: str | None
    name: str
    is_default: bool
    is_part: bool

    def fits(self, pattern: str, *, fold: bool = False) -> bool:
        """Tell whether a pattern means this table; with ``fold`` in any case of letters."""
        forms = [f"{self.schema}.{self.name}"] + ([self.name] if self.is_default else [])
        if fold:
            forms, pattern = [form.casefold() for form in forms], pattern.casefold()
        if pattern in forms:
            return True
        return not self.is_part and any(fnmatchcase(form, pattern) for form in forms)


def find_tables(inspector: "Inspector", patterns: Sequence[str]) -> list[Found]:
    default = inspector.default_schema_name
    is_postgresql = inspector.dialect.name == "postgresql"

    def label(schema: str | None, name: str) -> str:
        # PostgreSQL's default schema is a setting of the user, so ids always name it.
        shown = schema if schema != default or is_postgresql else None
        return ".".join(f'"{part}"' if "." in part else part for part in (shown, name) if part)

    if not patterns:
        parts = _list_parts(inspector, default)
        names = [name for name in sorted(inspector.get_table_names()) if name not in parts]
        if not names:
            raise SourceMisconfigured(
                "The database has no tables that the user may see.",
                field="path" if inspector.dialect.name == "sqlite" else "url",
                hint="Tables outside the default schema are named in tables, as schema.*.",
            )
        found = [Found(label(default, name), name, default, False) for name in names]
    else:
        found = _match_patterns(_list_all(inspector, patterns, default), patterns, label)
    if len(found) > TABLES_MAX:
        raise SourceMisconfigured(
            f"More than {TABLES_MAX} tables fit.", field="tables", hint="Name those to read."
        )
    return found


def _list_all(
    inspector: "Inspector", patterns: Iterable[str], default: str | None
) -> list[_Candidate]:
    """List tables and views of the default schema, and of those that patterns may mean.

    Parts of other tables are only listed if a pattern is their very name.
    """
    schemas: list[str | None] = [default]
    if any("." in pattern for pattern in patterns) and inspector.dialect.name != "sqlite":
        schemas += [
            schema
            for schema in inspector.get_schema_names()
            if schema != default and schema not in _SYSTEM_SCHEMAS
        ]
    names: list[_Candidate] = []
    for schema in schemas:
        of_schema = {*inspector.get_table_names(schema), *inspector.get_view_names(schema)}
        if inspector.dialect.name == "postgresql":
            of_schema |= {*inspector.get_materialized_view_names(schema)}
        parts = _list_parts(inspector, schema)
        names += [
            _Candidate(schema, name, schema == default, name in parts) for name in sorted(of_schema)
        ]
    return names


def _list_parts(inspector: "Inspector", schema: str | None) -> Collection[str]:
    """List the tables whose rows are those of others: partitions, and what SQLite's indexes use."""
    from sqlalchemy import text

    connection: Any = inspector.bind
    if inspector.dialect.name == "postgresql":
        partitions = text(
            "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
            " ON n.oid = c.relnamespace WHERE c.relispartition AND n.nspname = :schema"
        )
        return {str(name) for (name,) in connection.execute(partitions, {"schema": schema})}
    if inspector.dialect.name == "sqlite":
        found = connection.exec_driver_sql("PRAGMA table_list")
        # A virtual table does whatever its module does, which may not even be there.
        return {str(name) for _, name, kind, *_ in found if kind in {"shadow", "virtual"}}
    return ()


def _match_patterns(
    names: Sequence[_Candidate], patterns: Sequence[str], label: Label
) -> list[Found]:
    chosen: dict[_Candidate, bool] = {}
    for pattern in patterns:
        fitting = [item for item in names if item.fits(pattern)]
        fitting = fitting or [item for item in names if item.fits(pattern, fold=True)]
        if not fitting:
            near = suggest(pattern, [item.name for item in names])
            guess = f"Did you mean {clean_line(near)}? " if near else ""
            shown = ", ".join(clean_line(item.name) for item in names[:_SHOWN_MAX]) or "none"
            raise SourceMisconfigured(
                "No table or view that the user may see fits an entry of tables.",
                field="tables",
                hint=f"{guess}There are, for example: {shown}.",
            )
        for item in fitting:
            chosen[item] = chosen.get(item, False) or not _GLOB.search(pattern)
    return [
        Found(label(item.schema, item.name), item.name, item.schema, is_exact)
        for item, is_exact in chosen.items()
    ]
