"""Keeps what proves that this server began an authorisation; it never leaves the process."""

from collections import OrderedDict

from weft.backend import Authorization
from weft.domain.connections import Connection, ConnectionStatus
from weft.errors import Conflict, TryLater, WeftError

_KEPT_MAX = 1000
WAITING = frozenset({ConnectionStatus.PENDING_AUTH, ConnectionStatus.NEEDS_REAUTH})
"""The states in which a connection waits for a person."""


class ClaimTokens:
    """The claim token of each authorisation that was begun here and is not known to be complete."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[tuple[str, str], str] = OrderedDict()

    def remember(self, connection: Connection) -> None:
        """Keep the token of what `create` or `begin` returned, if it has one."""
        if connection.auth.claim_token is None:
            return
        key = (connection.organization_id, connection.id)
        self._tokens[key] = connection.auth.claim_token
        self._tokens.move_to_end(key)
        while len(self._tokens) > _KEPT_MAX:
            self._tokens.popitem(last=False)

    async def settle(
        self, authorization: Authorization | None, connection: Connection
    ) -> Connection:
        """The connection, after confirming what a person may have completed in a browser."""
        key = (connection.organization_id, connection.id)
        token = self._tokens.get(key)
        if token is None or authorization is None:
            return connection
        if connection.status not in WAITING:
            self._tokens.pop(key, None)
            return connection
        try:
            settled = await authorization.verify(connection.id, token)
        except (Conflict, TryLater):
            return connection  # The person has not finished, or it cannot be asked now.
        except WeftError:
            # What cannot be confirmed stays as it is; the way out is a new link.
            self._tokens.pop(key, None)
            return connection
        self._tokens.pop(key, None)
        return settled
