"""The contract of a Backend, as a pytest suite that ships with Weft.

Subclass `BackendContract` in a test module and give it a `backend` fixture: an open Backend with
the stub sources of `weft.testing.stub` and nothing in it. Tests do not clean up, so the fixture
must make a fresh backend each time.
"""

from weft.testing.backend_contract.browse import BrowseContract
from weft.testing.backend_contract.collections import CollectionContract
from weft.testing.backend_contract.connections import ConnectionContract
from weft.testing.backend_contract.deletion import DeleteContract
from weft.testing.backend_contract.jobs import JobContract
from weft.testing.backend_contract.search import SearchContract

__all__ = ["BackendContract"]


class BackendContract(
    CollectionContract,
    ConnectionContract,
    JobContract,
    DeleteContract,
    SearchContract,
    BrowseContract,
):
    """All parts of the contract."""
