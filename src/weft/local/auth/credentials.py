"""A connection's sealed credentials: find them, tell who may receive them, open them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from weft.domain.base import Json
from weft.domain.connections import AuthMethod, Connection
from weft.errors import AuthenticationFailed, ErrorCategory
from weft.local.auth.oauth_clients import token_origin
from weft.local.engine import Engine
from weft.local.store.base import Claim, WaitingJob
from weft.local.validate import validate
from weft.sources.base import AnySource, OAuth1, OAuth2

Provider = OAuth2 | OAuth1
OAUTH_METHODS: Final = frozenset({AuthMethod.OAUTH_BROWSER, AuthMethod.OAUTH_TOKEN})


@dataclass(frozen=True, slots=True)
class CredentialRef:
    """A connection's sealed credentials, with what is needed to open and use them."""

    organization_id: str
    connection_id: str
    short_name: str
    config: Json
    method: AuthMethod
    sealed: str | None
    expires_at: datetime | None


async def load_ref(engine: Engine, connection: Connection) -> CredentialRef:
    """Read the sealed credentials of a connection as they are now."""
    organization_id = connection.organization_id
    return CredentialRef(
        organization_id=organization_id,
        connection_id=connection.id,
        short_name=connection.short_name,
        config=connection.config,
        method=connection.auth.method,
        sealed=await engine.store.connections.credentials(organization_id, connection.id),
        expires_at=connection.auth.expires_at,
    )


def ref_of(job: Claim | WaitingJob) -> CredentialRef:
    """Return the credentials that a job came with."""
    return CredentialRef(
        organization_id=job.organization_id,
        connection_id=job.connection_id,
        short_name=job.short_name,
        config=job.config,
        method=job.auth_method,
        sealed=job.credentials,
        expires_at=job.auth_expires_at,
    )


def provider_of(engine: Engine, kind: type[AnySource], config: Json) -> Provider | None:
    """Return the OAuth provider for ``config``, if any."""
    return kind.oauth(validate(kind.Config, config, field="config"), engine.context.options)


def receivers(engine: Engine, short_name: str, config: Json, method: AuthMethod) -> str:
    """Return what may receive the connection's secrets, to which sealing binds them: origins, and
    the part of the first one that they are for.
    """
    kind = engine.registry.get(short_name)
    scope = kind.credential_scope(validate(kind.Config, config, field="config"))
    endpoint = f"{engine.endpoint(short_name, config)} {scope}".rstrip()
    if method not in OAUTH_METHODS:
        return endpoint
    spec = provider_of(engine, kind, config)
    return endpoint if spec is None else f"{endpoint} {token_origin(spec)}"


async def unseal(engine: Engine, ref: CredentialRef) -> Json:
    """Decrypt. Raises AuthenticationFailed if nothing is stored or it is for another receiver."""
    if ref.sealed is None:
        raise AuthenticationFailed(
            "The connection has no credentials.",
            category=category_of(ref.method),
            hint=f"Call authorize_connection(connection_id='{ref.connection_id}').",
        )
    bound_to = receivers(engine, ref.short_name, ref.config, ref.method)
    return await engine.unseal(ref.organization_id, ref.connection_id, bound_to, ref.sealed)


def category_of(method: AuthMethod) -> ErrorCategory:
    """Return the error category for credentials of that method that were refused."""
    match method:
        case AuthMethod.DIRECT:
            return ErrorCategory.API_KEY_INVALID
        case AuthMethod.AUTH_PROVIDER:
            return ErrorCategory.AUTH_PROVIDER_CREDENTIALS_INVALID
        case _:
            return ErrorCategory.OAUTH_CREDENTIALS_EXPIRED
