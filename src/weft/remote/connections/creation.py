"""Creates connections at a remote API: once, however its answer fares."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from weft.domain.connections import Connection, ConnectionStatus, NewConnection
from weft.domain.schedules import ScheduleSpec
from weft.domain.sources import SourceInfo
from weft.errors import Conflict
from weft.remote.api.client import send_or_find
from weft.remote.api.paths import CONNECTIONS_PATH
from weft.remote.collections import RemoteCollections
from weft.remote.state.remote_state import RemoteState
from weft.remote.waiting.claims import Claims
from weft.remote.waiting.needs import ResolveSecrets, resolve_credentials
from weft.wire import bodies
from weft.wire.connections import read_connection, read_connections

LOOK_BACK_MAX: Final = 100


class Creation:
    """Creates connections that have all that they need."""

    def __init__(
        self,
        state: RemoteState,
        collections: RemoteCollections,
        claims: Claims,
        resolve_secrets: ResolveSecrets | None,
    ) -> None:
        self._state = state
        self._client = state.client
        self._collections = collections
        self._claims = claims
        self._resolve_secrets = resolve_secrets

    async def create(self, new: NewConnection, source: SourceInfo) -> Connection:
        """Create a connection in the collection that ``new`` names."""
        create_in = partial(self._create, new, source)
        return await self._collections.use_named(new.readable_collection_id, create_in)

    async def _create(self, new: NewConnection, source: SourceInfo, readable_id: str) -> Connection:
        """Create a connection. The collection's newest one is noted first: if the answer is lost,
        a newer one with the same source and name is the one that we asked for.
        """
        auth = await resolve_credentials(
            self._resolve_secrets, self._client.origin, source, new.config, new.auth
        )
        changes = {"readable_collection_id": readable_id, "auth": auth}
        if source.federated_search:
            # It has no sync: Airweave answers 500 to a create that asks for one.
            changes |= {
                "schedule": ScheduleSpec(),
                "sync_immediately": None if auth is None else False,
            }
        body = bodies.new_connection(new.model_copy(update=changes))
        newest = next(iter(await self._fetch_newest(readable_id, 1)), None)

        async def look() -> Connection | None:
            fresh = [
                item
                for item in _created_after(
                    newest, await self._fetch_newest(readable_id, LOOK_BACK_MAX)
                )
                if item.short_name == new.short_name and new.name in (None, item.name)
            ]
            if len(fresh) > 1:
                raise Conflict(
                    "The answer was lost, and several such connections were just created: "
                    f"{', '.join(item.id for item in fresh[:5])}.",
                    hint="Look at them with get_connection before creating another.",
                )
            return await self._fetch_created(fresh[0].id) if fresh else None

        made = await send_or_find(
            lambda: self._client.send(
                "POST",
                CONNECTIONS_PATH,
                read_connection,
                body,
                missing="readable_collection_id",
            ),
            look,
            self._client.timeouts,
            unknown="Whether the connection was created is not known: see list_connections before "
            "creating it again.",
        )
        self._state.own_changes.announce()
        return await self._claims.keep(made)

    async def _fetch_created(self, connection_id: str) -> Connection:
        """Read a connection whose create was not answered; a pending one without its link.

        The claim token was in the answer, and without it only a new link leads to a sync.
        """
        found = await self._state.fetch_connection(connection_id)
        if found.status is not ConnectionStatus.PENDING_AUTH:
            return found
        return found.model_copy(update={"auth": found.auth.model_copy(update={"auth_url": None})})

    async def _fetch_newest(self, readable_id: str, count: int) -> Sequence[Connection]:
        return await self._client.get(
            CONNECTIONS_PATH,
            read_connections,
            params={"collection": readable_id, "limit": count},
        )


def _created_after(newest: Connection | None, listed: Sequence[Connection]) -> Sequence[Connection]:
    """Return the connections created after ``newest``; the API's own clock set both times."""
    if newest is None:
        return listed
    return [
        item for item in listed if item.id != newest.id and item.created_at >= newest.created_at
    ]
