"""The `Source` protocol: metadata, a live check, and a stream of events.

A source is a class. Its `Config` and `Credentials` models say which fields it takes; the engine
validates against them before it makes an instance. `fetch` then yields events in the order in
which the source lists things; the engine batches, compares and stores them.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic.config import JsonDict

from weft.domain.base import Json
from weft.domain.connections import AuthMethod
from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.domain.sources import FieldInfo, SourceInfo
from weft.errors import Unsupported
from weft.net.http_factory import HttpFactory

ENDPOINT: Final[JsonDict] = {"endpoint": True}
"""For `Field(json_schema_extra=...)` of Config: this field says which host gets credentials."""
MULTILINE: Final[JsonDict] = {"multiline": True}
"""For `Field(json_schema_extra=...)`: the value may have several lines, e.g. a private key."""


@dataclass(slots=True)
class Unchanged:
    """The entity is still there, with the version that `known_versions` gave."""

    id: str


@dataclass(slots=True)
class Deleted:
    """The entity is gone at the source. Only needed in incremental fetches."""

    id: str


@dataclass(slots=True)
class Skipped:
    """The thing exists but is not eligible (binary, too large); an older copy is removed."""

    id: str
    reason: str


@dataclass(slots=True)
class Failed:
    """The thing could not be read this time; an older copy is kept."""

    id: str
    reason: str


@dataclass(slots=True)
class Checkpoint:
    """A cursor from which the next `fetch` goes on: what was yielded before is not fetched again.

    It is stored in the transaction of the batch that it closes, so it never runs ahead of the data.
    """

    cursor: Json


@dataclass(slots=True)
class Expect:
    """The number of entities this fetch will list, for progress. May come more than once."""

    total: int


@dataclass(slots=True)
class Incomplete:
    """The listing has a gap, for the stated reason: nothing may be deleted because of it."""

    reason: str


@dataclass(slots=True)
class Complete:
    """All that the source holds was named, for the stated reason; the last event of a fetch.

    Without it a listing is incomplete. The evidence is about the source, such as "the last page
    names no next one": that the code ran to its end is none. A ``doubt`` says why a loss may yet be
    a fault, such as a disk that is not mounted: then nothing is deleted until somebody agrees.
    """

    evidence: str
    doubt: str | None = None


@dataclass(slots=True)
class Omitted:
    """The source knows of more than it lists: beyond a limit, or behind dead links.

    Of several with one ``kind`` and ``setting`` the last counts. ``count`` None: nobody knows how
    many; ``setting`` is the limit's field of Config; ``examples``, of all kinds, go into the log.
    """

    kind: FindingKind
    count: int | None = None
    setting: str = ""
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class Named:
    """A full sync would read this now, judged by its name alone. Only in previews."""

    id: str
    type: str


@dataclass(slots=True)
class Unmatched:
    """No name fits a pattern of the field of Config; ``near`` is one that may be meant."""

    field: str
    pattern: str
    near: str | None = None


@dataclass(slots=True)
class NotPreviewed:
    """A preview passes over this type of entities: those whose ids begin with ``prefix``."""

    type: str
    prefix: str


Note = Checkpoint | Expect | Incomplete | Omitted
StoredEvent = Entity | Unchanged | Deleted | Skipped | Failed | Note
Event = StoredEvent | Complete
PreviewEvent = Named | Unmatched | NotPreviewed | Deleted | Omitted | Incomplete | Complete


class NoFields(BaseModel):
    """Configuration or credentials of a source that takes none."""

    model_config = ConfigDict(extra="forbid")


class KnownVersions(Protocol):
    """Looks up the versions stored by the last sync, so that unchanged things need no download."""

    async def __call__(self, ids: Collection[str], /) -> Mapping[str, str]:
        """Return versions by entity id, without ids that are new or were stored without a version.

        Empty when a full sync was forced.
        """
        ...


class StoredIds(Protocol):
    """Lists what is stored, also of syncs that did not come to their end."""

    async def __call__(self, limit: int, /) -> Collection[str]:
        """Return up to ``limit`` ids of entities."""
        ...


async def _nothing_stored(_limit: int, /) -> Collection[str]:
    return ()


async def _nothing_known(_ids: Collection[str], /) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class SourceContext:
    """The tools and settings a source works with. The operator sets all of them, the model none."""

    http: HttpFactory
    known_versions: KnownVersions = _nothing_known
    stored_ids: StoredIds = _nothing_stored
    unseen_ids: StoredIds = _nothing_stored
    """Lists what is stored and was not named yet by this listing, also before an interruption. What
    was named last may still be among it: up to 20,000 ids wait to be stored."""
    last_cursor: Json | None = None
    """The cursor that the last sync left, whether or not this fetch goes on from it. While
    deletions are held: the last one before. It may be of a former configuration."""
    files_roots: tuple[Path, ...] = ()
    private_paths: tuple[Path, ...] = ()
    allow_hosts: frozenset[str] = frozenset()
    options: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class OAuth2:
    """A provider that authorises by OAuth 2 (authorisation code with PKCE).

    ``token_field`` is the field of the source's Credentials that takes the access token.
    ``issuer``, if the provider has one, must be named in its answers (RFC 9207). ``client_auth`` is
    how the client authenticates at the token endpoint, if it has a client secret.
    """

    authorize_url: str
    token_url: str
    token_field: str = "access_token"  # noqa: S105 (the name of a field)
    scopes: tuple[str, ...] = ()
    issuer: str | None = None
    client_auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    extra: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class OAuth1:
    """A provider that authorises by OAuth 1.0a.

    The ``…_field`` names are fields of the source's Credentials.
    """

    request_token_url: str
    authorize_url: str
    access_token_url: str
    token_field: str
    token_secret_field: str
    consumer_key_field: str
    consumer_secret_field: str


ConfigT = TypeVar("ConfigT", bound=BaseModel)
CredentialsT = TypeVar("CredentialsT", bound=BaseModel)


class Source(ABC, Generic[ConfigT, CredentialsT]):
    """One kind of source. An instance serves one connection during one check or sync.

    Errors that `check` and `fetch` raise: AuthenticationFailed, AccessDenied, SourceMisconfigured
    (fix the connection); RateLimited, SourceUnavailable (try later; the transport has already
    retried); CursorExpired (from `fetch` with a cursor only: the engine lists everything instead).
    """

    short_name: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str]
    Config: ClassVar[type[BaseModel]]
    Credentials: ClassVar[type[BaseModel]] = NoFields
    auth_methods: ClassVar[tuple[AuthMethod, ...]] = (AuthMethod.DIRECT,)
    supports_continuous: ClassVar[bool] = False
    cursor_fields: ClassVar[tuple[str, ...]] = ()
    entity_types: ClassVar[tuple[str, ...]] = ()
    labels: ClassVar[tuple[str, ...]] = ()
    """Further words that people look for it by: "mail", "tickets", the names of products."""
    checked_against: ClassVar[str] = ""
    """What its tests hold it to: "real servers", "the vendor's published description" or
    "documentation only"; empty if that is not told."""

    def __init__(self, config: ConfigT, credentials: CredentialsT, context: SourceContext) -> None:
        self.config = config
        self.credentials = credentials
        self.context = context

    @abstractmethod
    async def check(self) -> str:
        """Reach the source with these credentials; return a phrase that says what was reached."""

    @abstractmethod
    def fetch(self, cursor: Json | None) -> AsyncGenerator[Event, None]:
        """List everything (cursor None), or only what changed since the cursor.

        A listing that ends with `Complete` and had no `Incomplete` is complete: what it did not
        name is deleted.
        """

    def preview(self) -> AsyncGenerator[PreviewEvent, None]:
        """Name what a full sync would read now, without reading it. May be given up at any time.

        Stored things that do not fit the configuration any more are `Deleted`. After a preview that
        ends with `Complete` and had no `Incomplete`, so is what is stored and was not named.
        Optional: raises Unsupported where only a sync can tell.
        """
        raise Unsupported("Only a sync can tell what it would read.")

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the origin that will receive the credentials, or None if there is no network.

        Fields of ``config`` that decide it are marked with `ENDPOINT`.
        ``options`` are the operator's, as in `SourceContext`.
        """
        del config, options
        return None

    @classmethod
    def pin(cls, config: BaseModel, context: SourceContext) -> Json:
        """Return the fields of ``config`` to store otherwise than given, so that all processes
        read the same whatever their settings. Runs in a worker thread. Raises InvalidInput for a
        pattern that could never match; see `weft.sources.patterns`.
        """
        del config, context
        return {}

    @classmethod
    def require_access(cls, config: BaseModel, context: SourceContext) -> None:
        """Raise an error with ``needs`` if another process may read this, but not this one.

        Runs in a worker thread and reaches no network. Errors of `fetch` with ``needs`` do as well,
        but this one stops a process that may not read it from taking the job at all.
        """
        del config, context

    @classmethod
    def credential_scope(cls, config: BaseModel) -> str:
        """Return which part of `endpoint` the credentials are for; empty if for all of it.

        With another part they are dropped, as with another endpoint.
        """
        del config
        return ""

    @classmethod
    def list_types(cls, config: BaseModel) -> tuple[str, ...]:
        """Return the types of entities that a connection yields; all, unless ``config`` decides."""
        del config
        return cls.entity_types

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return the provider where people authorise in a browser, or None; see `endpoint`."""
        del config, options
        return None

    @classmethod
    def info(cls) -> SourceInfo:
        """Build the catalogue entry from the class."""
        auth_fields = _fields(cls.Credentials)
        return SourceInfo(
            short_name=cls.short_name,
            name=cls.name,
            description=cls.description,
            auth_methods=cls.auth_methods,
            auth_required=any(f.required for f in auth_fields)
            or AuthMethod.DIRECT not in cls.auth_methods,
            auth_fields=auth_fields,
            config_fields=_fields(cls.Config),
            supports_continuous=cls.supports_continuous,
            cursor_fields=cls.cursor_fields,
            entity_types=cls.entity_types,
            labels=cls.labels,
            checked_against=cls.checked_against,
        )


AnySource = Source[Any, Any]


@cache
def _fields(model: type[BaseModel]) -> tuple[FieldInfo, ...]:
    schema = model.model_json_schema()
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    required = set(schema.get("required", ()))
    return tuple(
        _field(name, prop, name in required, model.model_fields[name].annotation)
        for name, prop in properties.items()
    )


def _field(name: str, prop: dict[str, Any], required: bool, annotation: object) -> FieldInfo:
    variants: list[dict[str, Any]] = [v for v in prop.get("anyOf", ()) if v.get("type") != "null"]
    shape = variants[0] if variants else prop
    default = prop.get("default")
    return FieldInfo(
        name=name,
        title=prop.get("title", name),
        type=shape.get("type", "string"),
        description=prop.get("description", ""),
        required=required,
        items_type=shape.get("items", {}).get("type"),
        secret=shape.get("format") == "password" or annotation is SecretStr,
        default=default if isinstance(default, str | int | float | bool) else None,
        choices=tuple(shape.get("enum", ())),
        endpoint=prop.get("endpoint") is True,
        multiline=prop.get("multiline") is True,
    )
