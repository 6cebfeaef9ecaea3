"""How far a table was read: the highest value of its cursor column, and the last rows before it.

A row may be committed later than one with a higher value, so the next sync begins a little lower,
and passes over the rows that it knows.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, cast

from weft.domain.base import Json
from weft.sources.sql.rows import as_moment
from weft.sources.sql.tables import Table

OVERLAP: Final = timedelta(minutes=10)
OVERLAP_NUMBERS: Final = 1_000
SEEN_MAX: Final = 300
"""Rows of the overlap that a table's cursor remembers; others are read and compared again."""
SEEN_TOTAL: Final = 20_000
"""The same for all tables together, because the cursor is stored whole."""
_DAY: Final = timedelta(days=1)
# Times of PostgreSQL that lie after all that Python knows.
_BEYOND_PYTHON: Final = re.compile(r"infinity$|\d{5,}-\d\d-\d\d")

Kind = Literal["time", "number", "text"]


@dataclass
class Mark:
    """The highest value met, as JSON, and digests of the rows that are within the overlap."""

    kind: Kind | None = None
    value: str = ""
    columns: str = ""
    seen: list[str] = field(default_factory=list[str])

    def dump(self) -> Json:
        """Return it for the cursor."""
        if self.kind is None:
            return {}
        found: Json = {"kind": self.kind, "value": self.value, "columns": self.columns}
        return {**found, "seen": [*self.seen]}

    @classmethod
    def parse(cls, given: Json | None, table: Table) -> "Mark | None":
        """Read what `dump` wrote; None if it says nothing of the table as it is now."""
        match given:
            case {
                "kind": "time" | "number" | "text" as kind,
                "value": str(value),
                "columns": str(columns),
                "seen": list(),
            } if columns == table.digest:
                seen = cast("list[object]", given["seen"])
                known = [text for text in seen if isinstance(text, str)]
                return cls(kind, value, columns, known)
            case _:
                return None

    @classmethod
    def of(cls, value: object, table: Table) -> "Mark":
        """Return the mark of a table whose highest value is this."""
        if isinstance(value, bool) or not isinstance(
            value, str | int | float | Decimal | date | datetime
        ):
            return cls()
        if isinstance(value, int | float | Decimal):
            usable = Decimal(value).is_finite()
            return cls("number" if usable else None, str(value), table.digest)
        is_endless = isinstance(value, str) and _BEYOND_PYTHON.match(value) is not None
        moment = datetime.max.replace(tzinfo=UTC) if is_endless else as_moment(value)
        if moment is None:
            return cls("text", str(value), table.digest)
        now = datetime.now(UTC)
        if moment > now + _DAY:
            # It would hide all that changes until then. A time without a zone may be a local one,
            # so the day before now is read again each time.
            zoned = isinstance(value, datetime) and value.tzinfo is not None
            value = (now if zoned else now.replace(tzinfo=None)) - _DAY
        shown = value.isoformat(" ") if isinstance(value, datetime) else str(value)
        return cls("time", shown, table.digest)

    def lower_bound(self, dialect: str) -> Any:
        """Return the value from which the next sync reads, as a parameter for the database."""
        if self.kind == "number":
            value = Decimal(self.value)
            whole = value == value.to_integral_value()
            bound = value - OVERLAP_NUMBERS
            return int(bound) if whole else (float(bound) if dialect == "sqlite" else bound)
        if self.kind == "text":
            return self.value
        moment = datetime.fromisoformat(self.value) - OVERLAP
        if dialect != "sqlite":
            return moment
        # SQLite compares times as texts: a shorter one of the same form is lower.
        divider = self.value[10:11] or " "
        return moment.strftime(f"%Y-%m-%d{divider}%H:%M")


def digest_row(row_id: str, row: Sequence[Any]) -> str:
    """Return what tells a row, with all its values, from others."""
    told = repr((row_id, tuple(row))).encode(errors="surrogatepass")
    return hashlib.blake2b(told, digest_size=6).hexdigest()
