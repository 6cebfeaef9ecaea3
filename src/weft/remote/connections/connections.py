"""Manages the connections of a remote API."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final

from weft.backend import LIST_LIMIT_DEFAULT, Connections, validate_limit
from weft.domain.base import Page
from weft.domain.connections import (
    WAITING_STATUSES,
    AuthMethod,
    CheckResult,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    ConnectionTotals,
    NewConnection,
    refuse_stale,
)
from weft.domain.jobs import JobStatus
from weft.domain.previews import Preview
from weft.domain.reading.cursors import encode_cursor
from weft.domain.sources import SourceInfo
from weft.errors import Conflict, NotFound, Unsupported
from weft.remote.api.paging import (
    LARGEST_PAGE,
    WALK_MAX,
    WIRE_PAGE,
    find_named,
    fits_id,
    skip_of,
    walk,
    whole_id,
)
from weft.remote.api.paths import CONNECTIONS_PATH, connection_path
from weft.remote.collections import RemoteCollections
from weft.remote.connections.creation import Creation
from weft.remote.connections.unkept import refuse_unkept
from weft.remote.connections.updates import Updates, validate_texts
from weft.remote.sources import RemoteSources
from weft.remote.state.remote_state import RemoteState
from weft.remote.waiting.claims import Claims
from weft.remote.waiting.drafts import Draft, Drafts
from weft.remote.waiting.needs import (
    ResolveSecrets,
    find_missing,
    refuse_unknown_config,
)
from weft.wire import bodies
from weft.wire.connections import read_connections

_ONLY_STATES = (
    "This API lists only states: get_connection shows what else needs somebody, such as a sync"
    " that fell short."
)
_NO_PREVIEW: Final = Preview(gap="the Airweave API has no previews")
WAITS_MAX: Final = timedelta(minutes=4)
"""Airweave cancels a sync that has waited for three minutes to start, if its cleanup runs."""


class RemoteConnections(Connections):
    """See Connections.

    Weft's own API has versions, and checks them. Airweave's has none: a number for its state serves
    as one, and a change between our read and our write goes unnoticed.
    """

    def __init__(
        self,
        state: RemoteState,
        sources: RemoteSources,
        collections: RemoteCollections,
        drafts: Drafts,
        claims: Claims,
        resolve_secrets: ResolveSecrets | None = None,
    ) -> None:
        self._state = state
        self._client = state.client
        self._sources = sources
        self._collections = collections
        self._drafts = drafts
        self._claims = claims
        self._updates = Updates(state, sources, resolve_secrets)
        self._creation = Creation(state, collections, claims, resolve_secrets)

    async def list(
        self,
        *,
        collection: str | None = None,
        short_name: str | None = None,
        status: ConnectionStatus | None = None,
        needs_attention: bool = False,
        cursor: str | None = None,
        limit: int = LIST_LIMIT_DEFAULT,
    ) -> Page[Connection]:
        """List connections. The API filters by collection only; other filters are applied here.

        Airweave's list tells no last job, so there only the state says what needs somebody.
        """
        size = validate_limit(limit)
        params: dict[str, str] = {}
        if collection is not None:
            params["collection"] = await self._collections.resolve_readable_id(collection)
        filters = (short_name, status, needs_attention)

        def fits(item: Connection) -> bool:
            is_wanted = short_name in (None, item.short_name) and status in (None, item.status)
            return is_wanted and bool(item.attention or not needs_attention)

        listed = (CONNECTIONS_PATH, str(params), *filters)
        position, note = skip_of(cursor, *listed), None
        drafts = filter(fits, await self._list_drafts(params.get("collection")))
        taken: list[Connection] = [] if cursor is not None else [*drafts][:size]
        items = walk(
            self._client,
            CONNECTIONS_PATH,
            read_connections,
            params=params,
            skip=position,
            size=WIRE_PAGE if any(filters) else size + 1,
        )
        after: str | None = None
        async with aclosing(items):
            async for item in items:
                if fits(item) and len(taken) == size:
                    after = encode_cursor(position, *listed)
                    break
                position += 1
                note = _ONLY_STATES if needs_attention and item.is_summary else note
                if fits(item):
                    taken.append(self._state.learn(item))
        await self._claims.settle_listed(taken)
        return Page(items=tuple(taken), next_cursor=after, note=note)

    async def totals(
        self, *, collection: str | None = None, short_name: str | None = None
    ) -> ConnectionTotals:
        """Count what the list shows, as the API has no totals; not all if that takes too much."""
        params: dict[str, str] = {}
        if collection is not None:
            params["collection"] = await self._collections.resolve_readable_id(collection)
        most = LARGEST_PAGE * self._client.limit_burst(WALK_MAX // LARGEST_PAGE)
        drafts = await self._list_drafts(params.get("collection"))
        listed: list[Connection] = []
        async with aclosing(
            walk(self._client, CONNECTIONS_PATH, read_connections, params=params)
        ) as items:
            async for item in items:
                listed.append(item)
                if len(listed) >= most:
                    break
        wanted = [item for item in (*drafts, *listed) if short_name in (None, item.short_name)]
        return ConnectionTotals.of(wanted, is_partial=len(listed) >= most)

    async def get(self, connection: str) -> Connection:
        draft = await self._find_draft(connection)
        if draft is not None:
            return draft.to_connection()
        found = await self._state.fetch_connection(await self.resolve_id(connection))
        found = await self._claims.settle(found)
        return _explain_stuck(await self._state.keep_last_job(found))

    async def create(self, new: NewConnection) -> Connection:
        """Create a connection, or keep a draft of it until a person has entered what it needs."""
        validate_texts(new.name, new.description)
        source = await self._sources.get(new.short_name)
        if source.keeps_pending:
            return await self.create_at_api(new, source)
        refuse_unkept(source, new.config, new.schedule)
        missing = find_missing(source, new)
        if missing is None:
            return await self.create_at_api(new, source)
        refuse_unknown_config(source, new.config)
        if new.schedule is not None:
            bodies.schedule(new.schedule, None)  # Raises what the API would only say much later.
        collection = await self._collections.find(new.readable_collection_id)
        new = new.model_copy(update={"readable_collection_id": collection.readable_id})
        owner = collection.organization_id
        draft, url = await self._drafts.create(new, missing, source.name, owner)
        self._state.own_changes.announce()
        return draft.to_connection(url=url)

    async def create_at_api(self, new: NewConnection, source: SourceInfo) -> Connection:
        """Create a connection that has all that it needs."""
        account = None if new.auth is None else new.auth.auth_provider
        if account is not None and not source.keeps_pending:
            await self._sources.refuse_unfit_account(source, account.provider_readable_id)
        made = await self._state.keep_last_job(await self._creation.create(new, source))
        return _admit_no_preview(made) if new.config and not source.keeps_pending else made

    async def require_collection(self, draft: Draft) -> None:
        """Refuse to go on with a draft whose collection was deleted elsewhere: NotFound.

        The draft stays, as the key may be another organisation's for a while.
        """
        if draft.new is None:
            return
        try:
            await self._collections.resolve_readable_id(draft.new.readable_collection_id)
        except NotFound:
            raise NotFound(
                f"The collection of this connection, '{draft.new.readable_collection_id}', is not "
                "there any more, so it cannot be created.",
                field="readable_collection_id",
                hint="Create the collection again, or give the connection up with "
                f"delete_connection(connection_id='{draft.id}').",
            ) from None

    async def update(self, connection: str, change: ConnectionChange) -> Connection:
        """Update a connection, or change what is kept of its draft."""
        found = await self.get(connection)
        refuse_stale(found, change.expected_version)
        if change.readable_collection_id is not None:
            target = await self._collections.find(change.readable_collection_id)
            change = change.model_copy(update={"readable_collection_id": target.readable_id})
        draft = await self._drafts.get(found.id)
        if draft is not None and draft.connection_id is None:
            return await self._change_draft(draft, change)
        updated = await self._updates.update(found, change)
        if not change.config or (await self._sources.get(found.short_name)).keeps_pending:
            return updated
        return _admit_no_preview(updated)

    async def delete(
        self, connection: str, *, expected_version: int | None = None, permanently: bool = False
    ) -> Connection:
        del permanently  # The API deletes for good in any case.
        found = await self.get(connection)
        refuse_stale(found, expected_version)
        draft = await self._drafts.get(found.id)
        if draft is not None and draft.connection_id is None:
            await self._drafts.drop(draft)
            return found
        # Weft's own API checks the version again; Airweave ignores it.
        version = {} if expected_version is None else {"expected_version": expected_version}
        await self._client.delete(
            connection_path(found.id), params=version, missing="connection_id"
        )
        await self._claims.drop(found.id)
        self._state.own_changes.announce()
        return found

    async def check(self, connection: str) -> CheckResult:
        del connection
        raise Unsupported(
            "The Airweave API cannot check a connection.", hint="run_sync shows whether it works."
        )

    async def resolve_id(self, text: str) -> str:
        """Return the id of the connection that ``text`` names; a whole id is not looked up.

        Raises Conflict for a draft, of which the API knows nothing yet.
        """
        draft = await self._drafts.get(text)
        if draft is not None and draft.connection_id is not None:
            return draft.connection_id
        if await self._find_draft(text) is not None:
            raise Conflict(
                "The connection is not created before its credentials are given.",
                field="connection_id",
                hint="Ask the user to open its link; authorize_connection makes a new one.",
            )
        whole = whole_id(text.strip())
        if whole is not None:
            return whole
        return self._state.learn(await self._find_named(text)).id

    async def verify(self, connection_id: str, claim_token: str) -> Connection:
        """Confirm an authorisation with its claim token, and return the connection."""
        await self._client.send(
            "POST",
            f"{connection_path(connection_id)}/verify-oauth",
            lambda body: body,
            {"claim_token": claim_token},
            missing="connection_id",
        )
        await self._claims.drop(connection_id)
        self._state.own_changes.announce()
        return await self._state.fetch_connection(connection_id)

    async def _find_draft(self, text: str) -> Draft | None:
        """Return the draft that ``text`` names. Raises Ambiguous if it names more than it."""
        wanted = text.strip()
        near = [
            draft
            for draft in await self._drafts.list_open()
            if fits_id(draft.id, wanted) or draft.connection_name.casefold() == wanted.casefold()
        ]
        if not near or whole_id(wanted) is not None:
            return near[0] if near else None
        # A connection at the API may have the same name, and none of them is preferred.
        found = await self._find_named(wanted, [draft.to_connection() for draft in near])
        return next((draft for draft in near if draft.id == found.id), None)

    async def _find_named(self, text: str, drafts: Sequence[Connection] = ()) -> Connection:
        return await find_named(
            self._client,
            CONNECTIONS_PATH,
            read_connections,
            text,
            noun="connection",
            field="connection_id",
            also=drafts,
        )

    async def _list_drafts(self, readable_id: str | None) -> Sequence[Connection]:
        shown = [draft.to_connection() for draft in await self._drafts.list_open()]
        return [item for item in shown if readable_id in (None, item.readable_collection_id)]

    async def _change_draft(self, draft: Draft, change: ConnectionChange) -> Connection:
        validate_texts(change.name, change.description)
        if change.auth is not None:
            raise Unsupported(
                "The connection does not exist before it has credentials.",
                field="auth",
                hint="Give them with authorize_connection.",
            )
        if (change.config or change.schedule) and draft.new is not None:
            source = await self._sources.get(draft.new.short_name)
            refuse_unknown_config(source, change.config or {})
            refuse_unkept(source, None, change.schedule)
        if change.schedule is not None:
            bodies.schedule(change.schedule, None)
        return (await self._drafts.change(draft, change)).to_connection()


def waits_in_vain(found: Connection) -> bool:
    """Return whether the first sync after an authorisation waits for longer than Airweave lets it.

    It starts only once the authorisation is verified, and what verifies it has been lost.
    """
    last = found.sync.last_job
    return (
        found.auth.method is AuthMethod.OAUTH_BROWSER
        and found.entities.total_entities == 0
        and last is not None
        and last.status is JobStatus.PENDING
        and last.started_at is None
        and datetime.now(UTC) - found.modified_at > WAITS_MAX
    )


def _admit_no_preview(connection: Connection) -> Connection:
    """Say that nobody looked at what a sync would read, where the connection could be synced."""
    if connection.status in WAITING_STATUSES:
        return connection
    return connection.model_copy(update={"preview": _NO_PREVIEW})


def _explain_stuck(found: Connection) -> Connection:
    if not waits_in_vain(found):
        return found
    text = f"Its first sync was never started: run_sync(connection_id='{found.id}') starts it."
    return found.model_copy(update={"error_message": text})
