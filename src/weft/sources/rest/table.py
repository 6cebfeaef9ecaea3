"""The table that describes a service: its streams, how each is paged, and where its fields lie.

Services in Python fill it in with these models; `rest_api` reads the same models from YAML or JSON,
where a `Value` can only be a path or a template, never a function.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Record = dict[str, Any]
"""One record as the service sends it. Nothing in it is believed to have its documented form."""

Value = str | Callable[[Record], object]
"""Where a value lies in a record, ``user.name`` or ``labels[].name``; or a template such as
``{number}: {title}``; or, in Python only, a function of the record."""

Load = Callable[[Any, Record], Awaitable[Record | None]]
"""Completes a record by further requests, from the source and the record; None if it is gone.

Raises Unreadable for one that has nothing to be stored.
"""

Prepare = Callable[[Any, Sequence[Record]], Awaitable[Sequence[Record]]]
"""Adds to the records of a page what they are judged by, such as the names of their folders."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Single(_Row):
    """All records come in one answer; ``one``: the answer is itself the only record."""

    kind: Literal["single"] = "single"
    one: bool = False


class Pages(_Row):
    """Pages by number, or by the offset of their first record if ``by`` is ``offset``.

    The listing ends with an empty page, or where ``total`` (records), ``pages`` (a count of pages)
    or ``more`` (true or false) says so. A page that is only short proves nothing: many services
    send fewer records than they are asked for.
    """

    kind: Literal["pages"] = "pages"
    param: str = "page"
    by: Literal["page", "offset"] = "page"
    start: int = 1
    size_param: str | None = "per_page"
    size: int = Field(default=100, ge=1, le=10_000)
    total: str | None = None
    pages: str | None = None
    more: str | None = None


class Token(_Row):
    """A token in the answer at ``at`` leads to the next page; without one, or if ``more`` (true or
    false) or its contrary ``last`` says so, there is none. ``required``: an answer that lacks the
    field is broken. ``total`` counts the records of all pages.
    """

    kind: Literal["token"] = "token"
    param: str
    at: str
    more: str | None = None
    last: str | None = None
    total: str | None = None
    size_param: str | None = None
    size: int = Field(default=100, ge=1, le=10_000)
    required: bool = False


class NextUrl(_Row):
    """The answer names the next page's address, at ``at`` or, without it, in its Link header.

    ``more``, ``last`` and ``total`` are as in `Token`.
    """

    kind: Literal["next_url"] = "next_url"
    at: str | None = None
    more: str | None = None
    last: str | None = None
    total: str | None = None
    size_param: str | None = None
    size: int = Field(default=100, ge=1, le=10_000)


class Keyset(_Row):
    """A page holds what comes after the last record of the page before: ``param`` takes what lies
    in that record at ``at``.

    The records must come in the order of this value, no two having the same. The listing ends with
    an empty page, or where ``total`` (records of this page and those after it) says so.
    """

    kind: Literal["keyset"] = "keyset"
    param: str
    at: str
    total: str | None = None
    size_param: str | None = None
    size: int = Field(default=100, ge=1, le=10_000)


Paging = Annotated[Single | Pages | Token | NextUrl | Keyset, Field(discriminator="kind")]


class Search(_Row):
    """Another request than the stream's own, which lists what changed; see `Since`, `Stream`."""

    path: str
    method: Literal["GET", "POST"] = "POST"
    params: dict[str, Any] = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    query: str | None = None
    records: str = ""
    paging: Paging = Single()


class Since(_Row):
    """Asks only for what changed since the newest record of the last sync, less ``overlap``.

    ``param`` takes the time in ``form`` (``epoch_day``: when its day began in UTC), put into
    ``template`` if there is one; ``extra`` are further parameters of such a request, and ``search``
    is what is asked in place of the listing. Without a ``param`` the service lists the newest
    first, and the listing stops at the first older record.
    """

    param: str | None = None
    form: Literal[
        "iso", "iso_ms", "epoch", "epoch_ms", "epoch_day", "date", "minute", "minutes_ago"
    ] = "iso"
    template: str = "{since}"
    extra: dict[str, Any] = Field(default_factory=dict)
    overlap: timedelta = Field(default=timedelta(minutes=2), ge=timedelta(), le=timedelta(days=366))
    search: Search | None = None


class Feed(_Row):
    """A feed of changes, read in place of the stream's listing once it was listed in full.

    ``start_path`` is asked, before the listing, for the mark at ``start_at`` from which changes
    count. A feed's last answer names the next mark at ``mark``. ``changes`` returns what one record
    of the feed tells. An answer of 404 or 410 says that the mark is too old.
    """

    start_path: str
    start_at: str
    path: str
    mark_param: str
    mark: str
    records: str = ""
    optional: bool = False
    paging: Paging = Single()
    params: dict[str, Any] = Field(default_factory=dict)
    changes: Callable[[Record], Iterable["Changed | Gone"]]


class Changed(_Row):
    """A record that is new or changed, as the listing would give it."""

    record: Record


class Gone(_Row):
    """The key of a record that is gone."""

    key: str


class Gather(_Row):
    """Records that have the same ``by``, which are listed one after another, are what ``make``
    takes; the records that it returns are those of the stream, which must have a parent.
    """

    by: Value
    make: Callable[[list[Record]], Iterable[Record]]


class Request(_Row):
    """A request that shows whether the credentials are good; ``shows`` lies in its answer.

    For the other fields see `Stream`.
    """

    path: str
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Any] = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    query: str | None = None
    shows: Value | None = None


class Stream(_Row):
    """One kind of record: how it is listed, and what an entity is made of.

    ``path``, ``params`` and ``body`` are templates over ``config``, ``credentials`` (secrets left
    out) and ``parent``, the record of the parent stream. A GraphQL ``query`` is posted as it is,
    with ``body`` as its variables (``variables.after`` names one). ``records`` is the path of the
    list in an answer, which may be missing where it is ``optional``; an answer in which ``cut`` is
    found leaves some out. `prepare` adds to the records of a page before they are judged by what
    follows. Only records with ``among`` are of the stream. ``key`` makes a record unique within
    the stream. ``unstored`` streams are only parents of others. ``deletes`` names the stream whose
    records this one says are gone. ``item`` answers 404 for a ``{key}`` that is gone, and else
    gives the record, as the listing does, at ``item_at``. ``may_lack``: some accounts have no such
    stream, which a 403 or 404 says (below a parent, a 400 too). ``forgets``: deletions are told
    for some time only, or not all of them, so full listings are needed to see the others.

    A record without children's or its own full content is completed by `load`, only if ``version``
    is another than the one that is stored, or none. Where ``unproven`` is found in it then, nothing
    shows that its content is right: a later listing reads it once more, and only if it is the same
    by then, the version counts. Where ``text`` finds bytes, they are a document named
    ``file_name``. Without ``text``, all fields of the record are its text.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    path: str
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Any] = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    query: str | None = None
    records: str = ""
    optional: bool = False
    cut: Value | None = None
    among: Value | None = None
    gather: Gather | None = None
    prepare: Prepare | None = None
    paging: Paging = Single()
    key: Value | tuple[Value, ...] = "id"
    parent: str | None = None
    only_if: Value | None = None
    wanted: Value | None = None
    since: Since | None = None
    feed: Feed | None = None
    deleted: Value | None = None
    deletes: str | None = None
    forgets: bool = False
    version: Value | None = None
    item: str | None = None
    item_at: str = ""
    may_lack: bool = False
    unstored: bool = False

    title: Value | None = None
    text: Value | tuple[Value, ...] = ()
    markup: Literal["plain", "html"] = "plain"
    load: Load | None = None
    unproven: Value | None = None
    file_name: Value | None = None
    url: Value | None = None
    updated: Value | None = None
    author: Value | None = None
    created: Value | None = None
    viewers: Value | None = None
    breadcrumbs: tuple[Value, ...] = ()
    metadata: dict[str, Value] = Field(default_factory=dict)


class Budget(_Row):
    """The requests that the service's documentation allows, for one account, in ``seconds``."""

    requests: int = Field(ge=1)
    seconds: float = Field(default=1.0, gt=0, le=31 * 86_400)


class Bearer(_Row):
    """``Authorization: Bearer`` with this field of the credentials."""

    kind: Literal["bearer"] = "bearer"
    field: str = "access_token"


class Basic(_Row):
    """Basic authentication. Each is a template over the fields of the credentials."""

    kind: Literal["basic"] = "basic"
    user: str
    password: str = ""


class Header(_Row):
    """A header of its own; ``value`` is a template over the fields of the credentials."""

    kind: Literal["header"] = "header"
    name: str
    value: str


class SignedOAuth1(_Row):
    """OAuth 1.0a: each request is signed. The names are those of fields of the credentials."""

    kind: Literal["oauth1"] = "oauth1"
    consumer_key: str
    consumer_secret: str
    token: str
    token_secret: str


class NoAuth(_Row):
    """The service is open to everybody."""

    kind: Literal["none"] = "none"


Auth = Annotated[Bearer | Basic | Header | SignedOAuth1 | NoAuth, Field(discriminator="kind")]
