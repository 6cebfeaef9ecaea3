"""The operator's own OAuth clients, for connections that bring none; stored sealed."""

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from pydantic import Field

from weft.domain.base import Frozen, Json
from weft.errors import InvalidInput, NotFound, Unsupported
from weft.local.auth.destinations import binding_of, check_destination, parse_allowed_hosts
from weft.local.engine import Engine
from weft.local.origins import normal_origin
from weft.local.store.authorizations import OAuthClientRow
from weft.sources.base import AnySource, OAuth1, OAuth2

OPERATOR = ""
"""The organisation id for things that belong to the operator and to no organisation."""

_SECURE = re.compile(r"https://[a-z0-9._-]+(:[0-9]+)?")


class OAuthClient(Frozen):
    """Weft's identity at a provider; for OAuth 1.0a the consumer's key and secret."""

    client_id: str
    client_secret: str | None = Field(default=None, repr=False)


class OAuthClientInfo(Frozen):
    """An OAuth client without its secret, which only ``origin`` receives.

    ``lost``: the key that opened the secret is gone, so it has to be given again.
    """

    short_name: str
    client_id: str
    origin: str
    has_secret: bool
    hosts: tuple[str, ...] = ()
    created_at: datetime
    lost: bool = False


class LocalOAuthClients:
    """The OAuth clients of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def set(
        self,
        short_name: str,
        client_id: str,
        client_secret: str | None,
        origin: str | None = None,
        hosts: Sequence[str] = (),
    ) -> OAuthClientInfo:
        """Store or replace the client for a source.

        ``origin`` is the provider's token endpoint; leave it out for sources whose configuration
        does not decide it. ``hosts`` may receive the client's tokens, besides the provider and the
        source's usual endpoint. Raises NotFound, Unsupported or InvalidInput.
        """
        kind = self._engine.registry.get(short_name)
        if not client_id.strip() or not client_id.isprintable():
            raise InvalidInput("client_id must not be empty.", field="client_id")
        origin = _parse_origin(origin) if origin else _usual_origin(kind, self._engine)
        allowed = parse_allowed_hosts(hosts)
        sealed = None
        if client_secret:
            secret: Json = {"client_secret": client_secret}
            bound_to = binding_of(origin, allowed)
            sealed = await self._engine.seal(OPERATOR, _owner(short_name), bound_to, secret)
        now = self._engine.clock()
        row = OAuthClientRow(short_name, client_id.strip(), origin, sealed, now, allowed)
        await self._engine.store.oauth_clients.put(row)
        return _describe(row)

    async def list(self) -> Sequence[OAuthClientInfo]:
        """List all by source."""
        return [
            _describe(row, lost=await self._is_lost(row))
            for row in await self._engine.store.oauth_clients.list()
        ]

    async def remove(self, short_name: str) -> None:
        """Delete it; tokens that it obtained can no longer be refreshed. Raises NotFound."""
        if not await self._engine.store.oauth_clients.delete(short_name):
            raise NotFound(
                "No OAuth client is set for that source.",
                field="source",
                hint="`weft oauth-clients list` shows all.",
            )
        await self._engine.store.data_keys.drop(OPERATOR, _owner(short_name))

    async def _is_lost(self, row: OAuthClientRow) -> bool:
        return await self._engine.is_lost(OPERATOR, _owner(row.short_name), row.sealed)


async def find_operators_client(
    engine: Engine, kind: type[AnySource], config: Json, spec: OAuth2 | OAuth1
) -> OAuthClient | None:
    """Find the operator's client for that provider.

    Raises NotPermitted when the configuration would send its tokens to a host that is neither the
    provider's nor allowed by the operator.
    """
    short_name = kind.short_name
    row = await engine.store.oauth_clients.get(short_name)
    if row is None or row.origin != token_origin(spec):
        return None
    if not is_below(engine.endpoint(short_name, config), row.origin):
        await check_destination(
            engine,
            OPERATOR,
            kind,
            config,
            allowed=row.hosts,
            lent=("oauth_client", short_name),
            command=f"weft oauth-clients set {short_name} ...",
            field="auth",
        )
    if row.sealed is None:
        return OAuthClient(client_id=row.client_id)
    bound_to = binding_of(row.origin, row.hosts)
    opened = await engine.unseal(OPERATOR, _owner(short_name), bound_to, row.sealed)
    return OAuthClient(client_id=row.client_id, client_secret=str(opened["client_secret"]))


def origin_of_url(url: str) -> str:
    """Return scheme, host and port of a URL, without user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def is_origin(text: str) -> bool:
    """Tell whether ``text`` is http or https and a host, and nothing more."""
    return text.startswith(("https://", "http://")) and origin_of_url(text) == text


def is_below(endpoint: str, provider: str) -> bool:
    """Tell whether an endpoint is the provider itself or on a subdomain of its host."""
    # A sibling host may belong to someone else: Weft does not know in which domains anyone can
    # register names.
    origin = normal_origin(provider)
    host = origin.removeprefix("https://")
    return endpoint == origin or (
        _SECURE.fullmatch(endpoint) is not None and endpoint.endswith(f".{host}")
    )


def token_origin(spec: OAuth2 | OAuth1) -> str:
    """Return the origin that receives a client's secret."""
    return origin_of_url(spec.token_url if isinstance(spec, OAuth2) else spec.access_token_url)


def _usual_origin(kind: type[AnySource], engine: Engine) -> str:
    """Return the provider's origin for connections whose configuration names no provider."""
    try:
        spec = kind.oauth(kind.Config.model_construct(), engine.context.options)
    except (AttributeError, ValueError, TypeError):
        # Required fields are missing here, and the source cannot tell its provider without them.
        raise _origin_needed(kind) from None
    if spec is None:
        raise Unsupported(
            f"The source '{kind.short_name}' is not authorised with OAuth.", field="source"
        )
    origin = token_origin(spec)
    if not origin.startswith(("https://", "http://")):
        raise _origin_needed(kind)
    return origin


def _origin_needed(kind: type[AnySource]) -> InvalidInput:
    return InvalidInput(
        f"Which provider '{kind.short_name}' uses depends on its configuration.",
        field="provider_origin",
        hint="Name the origin of its token endpoint, e.g. https://login.example.com.",
    )


def _parse_origin(origin: str) -> str:
    if not is_origin(origin):
        raise InvalidInput(
            "provider_origin must be a scheme and a host, nothing more.",
            field="provider_origin",
            hint="For example https://login.example.com.",
        )
    return origin


def _owner(short_name: str) -> str:
    return f"oauth-client:{short_name}"


def _describe(row: OAuthClientRow, *, lost: bool = False) -> OAuthClientInfo:
    return OAuthClientInfo(
        short_name=row.short_name,
        client_id=row.client_id,
        origin=row.origin,
        has_secret=row.sealed is not None,
        hosts=tuple(row.hosts),
        created_at=row.created_at,
        lost=lost,
    )
