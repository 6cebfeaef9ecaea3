"""`RestSource`: a service as a class with a table of streams.

A subclass gives its names, its `Config` and `Credentials`, ``base_url``, ``auth``, ``streams`` and
``check_request``; see `table`. Everything else is done here: paging, pacing, waiting, checkpoints,
gaps, deletions, what changed since, and the bounds of it all.
"""

import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, ClassVar, Final, cast

import anyio
import httpx
from pydantic import BaseModel, SecretStr

from weft.domain.base import Json
from weft.errors import SourceMisconfigured, WeftError
from weft.net.client import Sleep
from weft.net.signing import SignedRequests
from weft.sources.base import ConfigT, CredentialsT, Event, Source
from weft.sources.rest.api import Api
from weft.sources.rest.checks import names_of
from weft.sources.rest.listing import Listing
from weft.sources.rest.paging import read_pages
from weft.sources.rest.streams import bind, body_of, method_of
from weft.sources.rest.table import (
    Auth,
    Basic,
    Bearer,
    Budget,
    Header,
    NoAuth,
    Request,
    SignedOAuth1,
    Stream,
)
from weft.sources.rest.values import fill, getter_of, line_of

_SHOWN_CHARS_MAX: Final = 100


class RestSource(Source[ConfigT, CredentialsT]):
    """A service behind a REST or GraphQL API; see `Source` and the module."""

    base_url: ClassVar[str]
    auth: ClassVar[Auth] = Bearer()
    headers: ClassVar[Mapping[str, str]] = {}
    budget: ClassVar[Budget | None] = None
    check_request: ClassVar[Request | None] = None
    streams: ClassVar[tuple[Stream, ...]]
    sleep: ClassVar[Sleep] = staticmethod(anyio.sleep)

    api: Api
    """Asks the service; there while `check` and `fetch` run."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "streams" in cls.__dict__:
            check_streams(cls.streams)
            cls.entity_types = types_of(cls.streams)
            cls.cursor_fields = cursor_fields_of(cls.streams)
            cls.supports_continuous = bool(cls.cursor_fields)

    @classmethod
    def find_base_url(cls, config: BaseModel) -> str:
        """Return the address of the API, which for some services the configuration decides.

        Raises AttributeError if it does, and lacks the field.
        """
        return cls.base_url.format(config=config)

    @classmethod
    def api_url(cls, config: BaseModel, options: Mapping[str, str]) -> str:
        """Return the address of the API: the operator's, or that of `find_base_url`."""
        return options.get(f"{cls.short_name}_api_url") or cls.find_base_url(config)

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the API's origin."""
        url = httpx.URL(cls.api_url(config, options))
        return str(url.copy_with(raw_path=b"/")).rstrip("/")

    def table(self) -> tuple[Stream, ...]:
        """Return the streams that the configuration wants; all of them, unless overridden."""
        return type(self).streams

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Return the error that an answer tells in the service's own way, whatever its status.

        RateLimited with ``retry_after`` is waited for, up to a minute.
        """
        del response, answer
        return None

    async def check(self) -> str:
        """Send the request that shows whether the credentials are good."""
        async with self._open():
            wanted = self.check_request
            if wanted is None:
                return await self._read_first_page()
            names = {"config": self.config.model_dump(mode="json")}
            answer, _ = await self.api.ask(
                fill(wanted.path, names, in_path=True),
                what=f"{self.name}'s account",
                method=method_of(wanted),
                params=fill(wanted.params, names),
                body=body_of(wanted, names),
            )
        shown = line_of(getter_of(wanted.shows)(answer)) if wanted.shows else ""
        return f"{self.name} as {shown[:_SHOWN_CHARS_MAX]}" if shown else f"{self.name} answered"

    async def _read_first_page(self) -> str:
        first = bind(self.table(), self.config.model_dump(mode="json"))[0]
        row = first.row
        pages = read_pages(
            self.api, first.ask(None), row.paging, row.records, optional=row.optional
        )
        async with aclosing(pages):
            async for page in pages:
                return f"{self.name}, with {len(page.records)} '{first.name}' on the first page"
        return f"{self.name} answered"

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield all records, or those that changed since the cursor."""
        async with self._open():
            roots = bind(self.table(), self.config.model_dump(mode="json"))
            listing = Listing(self, self.api, roots, cursor)
            async with aclosing(listing.read()) as events:
                async for event in events:
                    yield event

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[None]:
        headers, auth = self._authenticate()
        async with self.context.http(
            base_url=self.api_url(self.config, self.context.options),
            headers={"accept": "application/json", **self.headers, **headers},
            auth=auth,
        ) as client:
            is_open = not headers and auth is None
            self.api = Api(client, self, self.budget, type(self).sleep, is_open=is_open)
            given = vars(self.credentials).values()
            self.api.keep_secret(
                each.get_secret_value() for each in given if isinstance(each, SecretStr)
            )
            yield

    def _authenticate(self) -> tuple[dict[str, str], httpx.Auth | None]:
        """Return the headers, or what signs each request. Raises for what no header can hold."""
        auth, secrets = self.find_auth(), _reveal(self.credentials)
        needed = names_of(auth)
        if needed and not any(secrets.get(name) for name in needed):
            raise SourceMisconfigured(
                f"The credential '{needed[0]}' is missing.", field=f"credentials.{needed[0]}"
            )
        headers: dict[str, str] = {}
        match auth:
            case Bearer():
                headers["authorization"] = f"Bearer {secrets.get(auth.field) or ''}"
            case Header():
                headers[auth.name] = fill(auth.value, secrets)
            case Basic():
                pair = ":".join(fill(part, secrets) or "" for part in (auth.user, auth.password))
                encoded = base64.b64encode(pair.encode(errors="replace")).decode()
                headers["authorization"] = f"Basic {encoded}"
            case SignedOAuth1():
                return {}, _sign(auth, secrets)
            case NoAuth():
                pass
        for value in headers.values():
            if not (value.isascii() and value.isprintable()):
                raise SourceMisconfigured(
                    "A credential holds characters that cannot be sent.",
                    hint="Copy it once more, without spaces or line breaks.",
                )
        return headers, None

    def find_auth(self) -> Auth:
        """Return how requests are authenticated, which for some services the credentials decide."""
        return self.auth


def types_of(streams: tuple[Stream, ...]) -> tuple[str, ...]:
    """Return the types of entities that streams yield."""
    return tuple(row.name for row in streams if not (row.unstored or row.deletes))


def cursor_fields_of(streams: tuple[Stream, ...]) -> tuple[str, ...]:
    """Return the names of what is remembered between syncs; none if all is listed each time."""
    return tuple(
        f"{row.name}.{row.updated if isinstance(row.updated, str) else 'updated'}"
        for row in streams
        if (row.since or row.feed) and not row.deletes
    )


def check_streams(streams: tuple[Stream, ...]) -> None:
    """Raise ValueError for a table whose rows do not fit together."""
    names = [row.name for row in streams]
    if not names:
        raise ValueError("streams: at least one is needed")
    for number, row in enumerate(streams):
        if row.name in names[:number]:
            raise ValueError(f"streams.{number}.name: '{row.name}' is taken by another stream")
        for field in ("parent", "deletes"):
            other = getattr(row, field)
            if other is not None and other not in names:
                raise ValueError(f"streams.{number}.{field}: there is no stream '{other}'")
        if row.parent in names[number:]:
            raise ValueError(f"streams.{number}.parent: '{row.parent}' must come before it")
        if row.since and row.updated is None:
            raise ValueError(f"streams.{number}.updated: 'since' needs the time of a change")
        if row.gather and row.parent is None:
            raise ValueError(f"streams.{number}.gather: only a stream with a parent has it")
        if row.feed and row.parent:
            raise ValueError(f"streams.{number}.feed: a stream with a parent has none")


def _reveal(credentials: BaseModel) -> dict[str, Any]:
    values = {name: getattr(credentials, name) for name in type(credentials).model_fields}
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in values.items()
    }


def _sign(auth: SignedOAuth1, secrets: Mapping[str, Any]) -> httpx.Auth:
    # Imported here, as few services need it.
    from authlib.oauth1.rfc5849 import ClientAuth

    signed: Any = type("OAuth1Signature", (SignedRequests, cast("type", ClientAuth)), {})
    return signed(
        client_id=secrets[auth.consumer_key],
        client_secret=secrets[auth.consumer_secret],
        token=secrets[auth.token],
        token_secret=secrets[auth.token_secret],
    )
