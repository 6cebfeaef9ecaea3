"""Tells databases of released versions from older ones, whose tables had another shape."""

from hashlib import sha256
from typing import Final

from weft.errors import StorageFailed
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session

DIGEST_CHARS = 16
# Digests by schema version; a test compares them with the migrations. A new migration adds one.
SHAPES: Final = {
    0: "e3b0c44298fc1c14",
    1: "a4a06c6268b8a9dd",
    2: "ee8f631df80e597a",
    3: "cda81b07bce794c8",
    4: "a399912a948f9822",
    5: "495f96d749182a23",
    6: "151747b5f7a882b5",
    7: "b79a52fced40ffdc",
    8: "eb88b81f06833a9d",
    9: "175291a24bf0902a",
    10: "2cb94e76463ddad2",
    11: "1631b83d6251e859",
    12: "57e57616757b940d",
    13: "aa96b217e58302fc",
    14: "37132ff0428970c6",
    15: "a472d583d70d85e4",
    16: "15c310d6fb6efd8e",
    17: "29b62ef0e61a8807",
    18: "879f2ca3721e8820",
    19: "01ea1eac6ef1f3eb",
}


def digest_shape(db: Session) -> str:
    """Return a digest of the names of all tables and columns."""
    columns = db.execute(queries()["schema_columns"])
    names = "\n".join(f"{table}.{column}" for table, column in columns)
    return sha256(names.encode()).hexdigest()[:DIGEST_CHARS]


def has_other_shape(db: Session) -> bool:
    """Return whether the tables differ from those that the migrations to its version make."""
    version = int(db.pragma("user_version"))
    return version in SHAPES and digest_shape(db) != SHAPES[version]


def other_shape() -> StorageFailed:
    """Return the error for a database of an unreleased version."""
    return StorageFailed(
        "The database was made by a Weft of before the first release, or by another program.",
        hint="Move the file away, or point WEFT_HOME at another folder, and make the connections"
        " again.",
    )
