"""The paths of the API that several parts use."""

from typing import Final
from urllib.parse import quote

COLLECTIONS_PATH: Final = "/collections"
CONNECTIONS_PATH: Final = "/source-connections"


def connection_path(connection_id: str) -> str:
    """Return the path of a connection."""
    return f"{CONNECTIONS_PATH}/{connection_id}"


def collection_path(readable_id: str) -> str:
    """Return the path of a collection."""
    return f"{COLLECTIONS_PATH}/{quote(readable_id, safe='')}"


def jobs_path(connection_id: str) -> str:
    """Return the path of a connection's jobs."""
    return f"{connection_path(connection_id)}/jobs"
