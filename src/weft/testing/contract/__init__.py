"""What every Backend must do, as a pytest suite that ships with Weft.

Subclass `BackendContract` in a test module and give it a `backend` fixture: an open Backend with
the stub sources of `weft.testing.stub` and nothing in it. Every test leaves its traces behind, so
the fixture must make a fresh one each time.
"""

from weft.testing.contract.collections import CollectionContract
from weft.testing.contract.connections import ConnectionContract
from weft.testing.contract.deletion import DeleteContract
from weft.testing.contract.jobs import JobContract
from weft.testing.contract.search import SearchContract

__all__ = ["BackendContract"]


class BackendContract(
    CollectionContract, ConnectionContract, JobContract, DeleteContract, SearchContract
):
    """All of it."""
