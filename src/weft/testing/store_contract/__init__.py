"""Tests that every Store must pass, as a pytest suite that ships with Weft.

Subclass `StoreContract` in a test module and give it two fixtures: ``store``, an open Store with
nothing in it, made anew for each test; and ``pass_time``, a function that moves the store's clocks
on by a timedelta.
"""

from weft.testing.store_contract.audit import AuditContract
from weft.testing.store_contract.authorizations import AuthorizationContract
from weft.testing.store_contract.browse import BrowseContract
from weft.testing.store_contract.changes import ChangeContract
from weft.testing.store_contract.connections import CollectionsAndConnectionsContract
from weft.testing.store_contract.cursors import CursorContract
from weft.testing.store_contract.deletions import DeletionContract
from weft.testing.store_contract.entities import EntityContract
from weft.testing.store_contract.jobs import JobQueueContract
from weft.testing.store_contract.leases import LeaseContract
from weft.testing.store_contract.notes import NoteContract
from weft.testing.store_contract.schedules import ScheduleContract
from weft.testing.store_contract.search import TextSearchContract
from weft.testing.store_contract.support import PassTime
from weft.testing.store_contract.trash import TrashContract
from weft.testing.store_contract.vault import VaultContract
from weft.testing.store_contract.vectors import VectorContract

__all__ = ["PassTime", "StoreContract"]


class StoreContract(
    CollectionsAndConnectionsContract,
    JobQueueContract,
    LeaseContract,
    EntityContract,
    CursorContract,
    DeletionContract,
    TextSearchContract,
    VectorContract,
    BrowseContract,
    ChangeContract,
    ScheduleContract,
    VaultContract,
    AuthorizationContract,
    NoteContract,
    AuditContract,
    TrashContract,
):
    """All parts; every test takes the fixture ``store``, some also ``pass_time``."""
