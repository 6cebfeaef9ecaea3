"""Connections of the local backend."""

import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import anyio

from weft.backend import LIST_LIMIT_DEFAULT, Connections, validate_limit
from weft.backend.deletions import find_to_delete
from weft.domain.base import Json, Page
from weft.domain.connections import (
    AuthMethod,
    CheckResult,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    ConnectionTotals,
    NewConnection,
    merge_config,
    refuse_stale,
)
from weft.domain.jobs import JobTrigger
from weft.domain.previews import Preview
from weft.domain.pushing import INGEST
from weft.domain.schedules import Schedule, ScheduleSpec, next_run
from weft.errors import (
    AuthenticationFailed,
    Conflict,
    InvalidInput,
    NotFound,
    Unsupported,
    WeftError,
)
from weft.local.auth.authenticator import Authenticator
from weft.local.auth.credentials import category_of, receivers
from weft.local.auth.draft import COLUMNS, AuthDraft, draft_columns, draft_schedule
from weft.local.auth.links import create_link, require_client
from weft.local.backend.coverage import add_coverage
from weft.local.backend.jobs import LocalJobs
from weft.local.backend.previews import BRIEF_SECONDS, LONG_SECONDS, preview_sync
from weft.local.engine import Engine
from weft.local.resolve import (
    find_collection,
    find_connection,
    find_deleted_connection,
    find_free_name,
)
from weft.local.store.base import ConnectionRow
from weft.local.store.trash import FOR_GOOD
from weft.net.redirects import parse_redirect
from weft.sources.base import AnySource

DELETE_WAIT_SECONDS = 15.0
UPDATE_ATTEMPTS = 5


class LocalConnections(Connections):
    def __init__(
        self, engine: Engine, organization_id: str, jobs: LocalJobs, authenticator: Authenticator
    ) -> None:
        self._engine = engine
        self._organization_id = organization_id
        self._jobs = jobs
        self._authenticator = authenticator

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
        return await self._engine.store.connections.list(
            self._organization_id,
            readable_collection_id=await self._resolve_collection(collection),
            short_name=short_name,
            status=status,
            needs_attention=needs_attention,
            cursor=cursor,
            limit=validate_limit(limit),
        )

    async def totals(
        self, *, collection: str | None = None, short_name: str | None = None
    ) -> ConnectionTotals:
        return await self._engine.store.connections.totals(
            self._organization_id,
            readable_collection_id=await self._resolve_collection(collection),
            short_name=short_name,
        )

    async def get(self, connection: str) -> Connection:
        found = await find_connection(self._engine.store, self._organization_id, connection)
        return await add_coverage(self._engine, found)

    async def create(self, new: NewConnection) -> Connection:
        kind = self._engine.registry.get(new.short_name)
        columns = draft_columns(new, kind)
        if new.name is None:
            columns["name"] = await find_free_name(
                self._engine.store, self._organization_id, columns["name"], new.short_name
            )
        collection = await find_collection(
            self._engine.store, self._organization_id, new.readable_collection_id
        )
        config = await self._engine.pin(kind, merge_config({}, new.config))
        endpoint = self._engine.endpoint(new.short_name, config)
        now = self._engine.clock()
        schedule = draft_schedule(kind, new.schedule, None, now) if new.schedule else None
        redirect_url = parse_redirect(new.redirect_url, "redirect_url")
        auth = await self._authenticator.draft(kind, new.auth, config)
        waiting = auth.stored is None
        if waiting and new.sync_immediately:
            raise InvalidInput(
                "sync_immediately cannot be true before the connection is authorised.",
                field="sync_immediately",
                hint="Leave it out: the first sync starts once a person has authorised it.",
            )
        preview = None
        if waiting and auth.method is AuthMethod.OAUTH_BROWSER:
            await require_client(self._engine, kind, config, auth.client)
        elif not waiting:
            auth, reached = await self._authenticator.find_needed(kind, config, auth)
            waiting = reached is None
            if reached is not None:
                preview = await preview_sync(self._engine, reached.source, None, BRIEF_SECONDS)
        # Open the pages for people first, so that nothing is stored if that fails.
        base = await self._engine.pages() if waiting and self._engine.pages else None
        now = self._engine.clock()
        connection_id = str(uuid.uuid4())
        row = ConnectionRow(
            **columns,
            id=connection_id,
            organization_id=self._organization_id,
            sync_id=str(uuid.uuid4()),
            readable_collection_id=collection.readable_id,
            config=config,
            auth_method=auth.method,
            authenticated_at=None if waiting else now,
            auth_expires_at=auth.expires_at,
            redirect_url=auth.redirect_url or redirect_url,
            credentials=await self._authenticator.seal(connection_id, kind, config, auth),
            state=ConnectionStatus.PENDING_AUTH if waiting else ConnectionStatus.ACTIVE,
            error_category=None,
            error_message=None,
            schedule=self._with_next_run(schedule, now),
            host=endpoint,
            auth_provider=auth.auth_provider,
        )
        await self._engine.store.connections.insert(row)
        self._engine.changes.announce()
        made = await self._link_or_sync(row, auth, base, new.sync_immediately is not False)
        return made.model_copy(update={"preview": preview})

    async def _link_or_sync(
        self, row: ConnectionRow, auth: AuthDraft, base: str | None, syncs: bool
    ) -> Connection:
        """Make the link that a new connection waits for, or queue its first sync."""
        created = await self.get(row.id)
        if auth.stored is None:
            return await create_link(
                self._engine,
                created,
                auth.method,
                base=base,
                own_client=auth.client,
                redirect_url=row.redirect_url,
                syncs=syncs,
            )
        if not syncs or row.short_name == INGEST:
            return created
        # Its schedule may already have started the first sync.
        with suppress(Conflict):
            await self._jobs.start(created, JobTrigger.INITIAL)
        return await self.get(row.id)

    async def update(self, connection: str, change: ConnectionChange) -> Connection:
        if change.auth is not None and change.auth.oauth_browser is not None:
            raise Unsupported(
                "An update cannot authorise a connection in a browser.",
                field="auth",
                hint="Call authorize_connection.",
            )
        return await self.change(connection, change)

    async def change(
        self, connection: str, change: ConnectionChange, draft: AuthDraft | None = None
    ) -> Connection:
        """Do as `update`; ``draft`` holds the credentials from an authorisation in a browser."""
        found = await self.get(connection)
        for _ in range(UPDATE_ATTEMPTS):
            refuse_stale(found, change.expected_version)
            row, altered = await self._apply_change(found, change, draft)
            if await self._engine.store.connections.update(
                row,
                expected_version=found.version,
                new_config=altered.config,
                set_state=altered.config or altered.auth,
                set_auth=altered.auth,
            ):
                self._engine.changes.announce()
                changed = await self.get(found.id)
                return changed.model_copy(update={"preview": altered.preview})
            found = await self.get(found.id)
        raise Conflict("The connection keeps being changed by others.", hint="Try again.")

    async def delete(
        self, connection: str, *, expected_version: int | None = None, permanently: bool = False
    ) -> Connection:
        get_deleted = partial(find_deleted_connection, self._engine.store, self._organization_id)
        found = await find_to_delete(self.get, get_deleted, connection, permanently=permanently)
        refuse_stale(found, expected_version)
        if found.restorable_until is None:
            await self.stop_job(found)
            if expected_version is not None:
                # Stopping may take a while, and somebody may have changed it meanwhile.
                refuse_stale(await self.get(found.id), expected_version)
        # Return what the delete removed: the sync may have stored more before it stopped.
        gone = await self._engine.store.trash.delete_connection(
            self._organization_id,
            found.id,
            keep_for=FOR_GOOD if permanently else self._engine.limits.undo,
        )
        if gone is None:
            raise NotFound("The connection was deleted meanwhile.", field="connection_id")
        self._engine.changes.announce()
        self._engine.work.announce()
        return gone

    async def check(self, connection: str) -> CheckResult:
        found = await self.get(connection)
        try:
            reached = await self._authenticator.check(found)
        except WeftError as error:
            # A connection that was never authorised stays pending_auth.
            waiting = found.status is ConnectionStatus.PENDING_AUTH
            if isinstance(error, AuthenticationFailed) and not waiting:
                await self._mark(found, ConnectionStatus.NEEDS_REAUTH, error)
            return CheckResult(
                connection_id=found.id,
                ok=False,
                detail=error.message,
                field=error.field,
                error_category=error.category,
                hint=error.hint,
            )
        if found.status is ConnectionStatus.NEEDS_REAUTH:
            await self._mark(found, ConnectionStatus.ACTIVE, None)
        preview = await preview_sync(self._engine, reached.source, found.id, LONG_SECONDS)
        return CheckResult(connection_id=found.id, ok=True, detail=reached.detail, preview=preview)

    async def _apply_change(
        self, found: Connection, change: ConnectionChange, draft: AuthDraft | None
    ) -> tuple[ConnectionRow, "_Alterations"]:
        """Return the row with the change applied, and what the change means for syncs."""
        kind = self._engine.registry.get(found.short_name)
        given = change.model_fields_set
        config = found.config
        if "config" in given:
            changed = merge_config(config, change.config)
            config = config if changed == config else await self._engine.pin(kind, changed)
        schedule = found.schedule
        if "schedule" in given:
            spec, now = change.schedule or ScheduleSpec(), self._engine.clock()
            schedule = draft_schedule(kind, spec, found.schedule, now)
        row = replace(
            await self._load_row(found),
            **draft_columns(change, kind),
            readable_collection_id=await self._resolve_collection(change.readable_collection_id)
            or found.readable_collection_id,
            config=config,
            schedule=schedule
            if schedule == found.schedule
            else self._with_next_run(schedule, self._engine.clock()),
            host=self._engine.endpoint(found.short_name, config),
        )
        altered = _Alterations(config=config != found.config)
        if change.auth is not None:
            draft = await self._authenticator.draft(kind, change.auth, config)
        if draft is not None:
            reached = await self._authenticator.try_draft(kind, config, draft)
            altered = await self._look_ahead(found, reached.source, replace(altered, auth=True))
            return await self._with_credentials(kind, row, draft), altered
        if altered.config and row.credentials is not None and self._moves(found, config):
            return _without_credentials(row), replace(altered, auth=True)
        if altered.config and found.auth.authenticated:
            reached = await self._authenticator.check_config(found, config)
            altered = await self._look_ahead(found, reached.source, altered)
            row = replace(
                row, state=ConnectionStatus.ACTIVE, error_category=None, error_message=None
            )
        return row, altered

    async def _resolve_collection(self, collection: str | None) -> str | None:
        if collection is None:
            return None
        found = await find_collection(self._engine.store, self._organization_id, collection)
        return found.readable_id

    async def _look_ahead(
        self, found: Connection, source: AnySource, altered: "_Alterations"
    ) -> "_Alterations":
        """Add what the next sync would do, if the configuration is another one."""
        if not altered.config:
            return altered
        preview = await preview_sync(self._engine, source, found.id, BRIEF_SECONDS)
        return replace(altered, preview=preview)

    def _moves(self, found: Connection, config: Json) -> bool:
        """Tell whether the connection's secrets would go to other origins than before."""
        method = found.auth.method
        before = receivers(self._engine, found.short_name, found.config, method)
        return before != receivers(self._engine, found.short_name, config, method)

    async def _with_credentials(
        self, kind: type[AnySource], row: ConnectionRow, draft: AuthDraft
    ) -> ConnectionRow:
        return replace(
            row,
            auth_method=draft.method,
            credentials=await self._authenticator.seal(row.id, kind, row.config, draft),
            authenticated_at=self._engine.clock(),
            auth_expires_at=draft.expires_at,
            auth_provider=draft.auth_provider,
            state=ConnectionStatus.ACTIVE,
            error_category=None,
            error_message=None,
        )

    async def _load_row(self, found: Connection) -> ConnectionRow:
        store = self._engine.store.connections
        is_well = found.status in (ConnectionStatus.SYNCING, ConnectionStatus.INACTIVE)
        return ConnectionRow(
            **{name: getattr(found, name) for name in COLUMNS & Connection.model_fields.keys()},
            auth_method=found.auth.method,
            authenticated_at=found.auth.authenticated_at,
            auth_expires_at=found.auth.expires_at,
            redirect_url=found.auth.redirect_url,
            credentials=await store.credentials(self._organization_id, found.id),
            state=ConnectionStatus.ACTIVE if is_well else found.status,
            host="",
            auth_provider=found.auth.provider_readable_id,
        )

    async def _mark(
        self, found: Connection, state: ConnectionStatus, error: WeftError | None
    ) -> None:
        reason = (error.category, error.message) if error else (None, None)
        await self._engine.store.connections.mark(found, state, *reason)
        self._engine.changes.announce()

    async def stop_job(self, found: Connection) -> None:
        """Cancel a live job and wait for it; if it does not stop, the delete fences it off."""
        live = found.sync.last_job
        if live is None or live.status.is_terminal:
            return
        try:
            await self._jobs.cancel(live.id)
            with anyio.move_on_after(DELETE_WAIT_SECONDS):
                async for _ in self._jobs.watch(live.id):
                    pass
        except (Conflict, NotFound):
            return  # It has just ended, or is gone.

    def _with_next_run(self, schedule: Schedule | None, now: datetime) -> Schedule | None:
        if schedule is None:
            return None
        due = next_run(schedule, after=now, last_start=now)
        return schedule.model_copy(update={"next_run": due})


@dataclass(frozen=True, slots=True)
class _Alterations:
    """The parts of a connection that a change alters and that matter to its syncs."""

    config: bool
    auth: bool = False
    preview: Preview | None = None


def _without_credentials(row: ConnectionRow) -> ConnectionRow:
    # A stored secret must never go to an endpoint that it was not given for.
    return replace(
        row,
        credentials=None,
        authenticated_at=None,
        auth_expires_at=None,
        state=ConnectionStatus.NEEDS_REAUTH,
        error_category=category_of(row.auth_method),
        error_message="The endpoint changed, so the stored credentials were dropped.",
    )
