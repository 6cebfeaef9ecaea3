"""Tokens that prove that this process began an authorisation; they never leave the process."""

from collections import OrderedDict

from weft.backend import Authorization
from weft.domain.connections import WAITING_STATUSES, Connection
from weft.errors import Conflict, TryLater, WeftError

_KEPT_MAX = 1000


class ClaimTokens:
    """The claim tokens of authorisations that began here and are not yet confirmed."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[tuple[str, str], str] = OrderedDict()

    def remember(self, connection: Connection) -> None:
        """Keep the token of a connection that `create` or `begin` returned, if it has one."""
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
        """Confirm an authorisation that a person may have completed; return the connection."""
        key = (connection.organization_id, connection.id)
        token = self._tokens.get(key)
        if token is None or authorization is None:
            return connection
        if connection.status in WAITING_STATUSES:
            try:
                connection = await authorization.verify(connection.id, token)
            except (Conflict, TryLater):
                return connection  # The person has not finished, or the backend is not reachable.
            except WeftError:
                pass  # This authorisation can never be confirmed any more; a new link starts over.
        self._tokens.pop(key, None)
        return connection
