"""Connections that wait here for credentials, and links at which a person gives them.

Airweave keeps no connection without credentials, except for consent in a browser with its own OAuth
client. So Weft keeps what was asked for as a draft, sealed, and creates the connection when the
person has submitted the page, or a caller has given credentials. The draft's id goes on naming it.
"""

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from pydantic import ValidationError

from weft.domain.base import Frozen
from weft.domain.connections import (
    NAME_MAX_CHARS,
    AuthDetails,
    AuthMethod,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    NewConnection,
    merge_config,
)
from weft.domain.notes import Note
from weft.domain.schedules import ScheduleSpec, merge_schedule
from weft.errors import Conflict, Unsupported
from weft.remote.state.remote_state import RemoteState

logger = logging.getLogger(__name__)

DRAFT: Final = "draft"
RENEWAL: Final = "renewal"
KEPT: Final = timedelta(days=7)
LINK_LIFETIME: Final = timedelta(minutes=10)
FORM_PATH: Final = "/authorize/"
_TOKEN_BYTES: Final = 32

PagesUrl = Callable[[], Awaitable[str]]


class Draft(Frozen):
    """A request to a person: credentials by ``method`` for a connection.

    ``new`` is the connection to create; None renews those of ``connection_id``, which is otherwise
    set once the connection is created.
    """

    id: str
    method: AuthMethod
    created_at: datetime
    modified_at: datetime | None = None
    version: int = 1
    organization_id: str = ""
    source_name: str
    connection_name: str
    new: NewConnection | None = None
    connection_id: str | None = None
    link_expires_at: datetime | None = None

    @property
    def kind(self) -> str:
        """The kind of its note."""
        return RENEWAL if self.new is None else DRAFT

    def to_connection(self, *, url: str | None = None) -> Connection:
        """Show the draft as a connection that waits to be authorised."""
        new = self.new
        if new is None:
            raise AssertionError("a renewal is of a connection that exists")
        shown = Connection(
            id=self.id,
            organization_id=self.organization_id,
            name=self.connection_name,
            description=new.description,
            short_name=new.short_name,
            readable_collection_id=new.readable_collection_id,
            status=ConnectionStatus.PENDING_AUTH,
            auth=AuthDetails(
                method=self.method,
                authenticated=False,
                auth_url=url,
                auth_url_expires=self.link_expires_at if url else None,
                redirect_url=new.redirect_url,
            ),
            config=new.config,
            created_at=self.created_at,
            modified_at=self.modified_at or self.created_at,
            version=self.version,
            is_draft=True,
        )
        spec = new.schedule
        # Airweave chooses one where none is given, and after a consent also where {} was.
        if spec is None or (spec.is_none and self.method is AuthMethod.OAUTH_BROWSER):
            return shown
        return shown.model_copy(update={"schedule": merge_schedule(spec, None)})


class Drafts:
    """The drafts of one API. All methods raise StorageFailed."""

    def __init__(self, state: RemoteState, pages: PagesUrl | None) -> None:
        self._state = state
        self._notes = state.notes
        self._pages = pages
        self._held: set[tuple[str, str]] = set()

    async def create(
        self, new: NewConnection, method: AuthMethod, source_name: str, organization_id: str
    ) -> tuple[Draft, str]:
        """Keep a connection to create, and return it with a link. Raises Unsupported."""
        draft = Draft(
            id=str(uuid4()),
            method=method,
            created_at=datetime.now(UTC),
            organization_id=organization_id,
            source_name=source_name,
            connection_name=new.name or f"{source_name} Connection"[:NAME_MAX_CHARS],
            new=new,
        )
        return await self.link(draft)

    async def renew(self, found: Connection, source_name: str) -> str:
        """Make a link where a person gives a connection new direct credentials."""
        draft = Draft(
            id=found.id,
            method=AuthMethod.DIRECT,
            created_at=datetime.now(UTC),
            source_name=source_name,
            connection_name=found.name,
            connection_id=found.id,
        )
        return (await self.link(draft))[1]

    async def link(self, draft: Draft) -> tuple[Draft, str]:
        """Make a new link for a draft; its earlier one stops working. Raises Unsupported."""
        if self._pages is None:
            raise Unsupported(
                "This process shows no pages for people.",
                hint="Use a server: `weft serve`, or give credentials with auth.",
            )
        url = await self._pages()
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        linked = draft.model_copy(update={"link_expires_at": datetime.now(UTC) + LINK_LIFETIME})
        await self._put(linked, digest(token))
        return linked, f"{url}{FORM_PATH}{token}"

    async def get(self, text: str) -> Draft | None:
        """Return the draft with that id, also one whose connection is created already."""
        return _read(await self._notes.get(DRAFT, text.strip().lower()))

    async def require_open(self, draft: Draft) -> NewConnection:
        """Return what a draft creates. Raises Conflict if it was created meanwhile."""
        if draft.new is None or draft.connection_id is not None:
            raise Conflict(
                f"The connection was created meanwhile: {draft.connection_id}.",
                field="connection_id",
            )
        return draft.new

    async def list_open(self) -> list[Draft]:
        """List the drafts whose connections are not created, newest first."""
        found = [_read(note) for note in await self._notes.list(DRAFT)]
        waiting = [draft for draft in found if draft is not None and draft.connection_id is None]
        return sorted(waiting, key=lambda draft: draft.created_at, reverse=True)

    async def by_token(self, token: str) -> Draft | None:
        """Return the draft whose valid link has that token."""
        found = _read(await self._notes.by_link(digest(token)))
        expires_at = None if found is None else found.link_expires_at
        return found if expires_at is not None and expires_at > datetime.now(UTC) else None

    async def change(self, draft: Draft, change: ConnectionChange) -> Draft:
        """Change what will be created; its link goes on working."""
        new = await self.require_open(draft)
        given = change.model_fields_set - {"auth", "expected_version"}
        values = {name: getattr(change, name) for name in given}
        place = change.readable_collection_id or new.readable_collection_id
        values["readable_collection_id"] = place
        if "config" in given:
            values["config"] = merge_config(new.config, change.config)
        if "schedule" in given:
            # Without a word about it Airweave makes a daily schedule.
            values["schedule"] = change.schedule or ScheduleSpec()
        name = change.name or draft.connection_name
        changed = draft.model_copy(
            update={
                "new": new.model_copy(update=values),
                "connection_name": name,
                "modified_at": datetime.now(UTC),
                "version": draft.version + 1,
            }
        )
        note = await self._notes.get(DRAFT, draft.id)
        await self._put(changed, None if note is None else note.link)
        self._state.own_changes.announce()
        return changed

    async def finish(self, draft: Draft, connection_id: str) -> None:
        """Use the link up, and from now on let the draft's id name the connection."""
        if draft.new is None:
            await self._notes.drop(RENEWAL, draft.id)
        else:
            bare = draft.new.model_copy(update={"auth": None})
            await self._put(
                draft.model_copy(update={"connection_id": connection_id, "new": bare}), None
            )
        self._state.own_changes.announce()

    async def hold(self, draft: Draft) -> None:
        """Keep others from creating its connection meanwhile. Raises Conflict if one is at it."""
        place = (draft.kind, draft.id)
        if place in self._held or not await self._notes.lease(*place):
            raise Conflict(
                "The credentials are being checked already, or the connection was deleted.",
                field="connection_id",
                hint="Look with get_connection in a minute.",
            )
        self._held.add(place)

    async def release(self, draft: Draft) -> None:
        """Let others try."""
        self._held.discard((draft.kind, draft.id))
        await self._notes.release(draft.kind, draft.id)

    async def drop(self, draft: Draft) -> None:
        """Forget a draft, and with it its link."""
        await self._notes.drop(draft.kind, draft.id)
        self._state.own_changes.announce()

    async def drop_of(self, readable_id: str) -> None:
        """Forget the drafts of a collection that was deleted."""
        for draft in await self.list_open():
            if draft.new is not None and draft.new.readable_collection_id == readable_id:
                await self.drop(draft)

    async def _put(self, draft: Draft, link: bytes | None) -> None:
        await self._notes.put(
            Note(
                kind=draft.kind,
                id=draft.id,
                content=draft.model_dump(mode="json"),
                expires_at=datetime.now(UTC) + KEPT,
                link=link,
            )
        )


def digest(token: str) -> bytes:
    """Hash a link's token for storage; 32 random bytes need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _read(note: Note | None) -> Draft | None:
    try:
        return None if note is None else Draft.model_validate(note.content)
    except ValidationError:
        logger.warning("a draft is left out: another version of Weft wrote it")
        return None
