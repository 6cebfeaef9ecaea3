"""What lets a connection into its source: drafting, checking, sealing and fetching credentials."""

import logging

import anyio

from weft.domain.base import Json
from weft.domain.connections import Auth, AuthMethod, Connection
from weft.errors import (
    AuthenticationFailed,
    InvalidInput,
    SourceUnavailable,
    Unsupported,
    WeftError,
)
from weft.local.draft import AuthDraft
from weft.local.engine import Engine
from weft.sources.base import AnySource

logger = logging.getLogger(__name__)

CHECK_SECONDS = 20.0


class Access:
    """The credentials of one organisation's connections."""

    def __init__(self, engine: Engine, organization_id: str) -> None:
        self._engine = engine
        self._organization_id = organization_id

    def draft(self, kind: type[AnySource], auth: Auth | None) -> AuthDraft:
        """Validated credentials of a method that the source offers."""
        if auth is None:
            needs = kind.info().auth_required
            return AuthDraft(kind.auth_methods[0], None if needs else {})
        method = _method(kind, auth)
        if auth.direct is None:
            raise Unsupported(
                f"This engine cannot authenticate with {method.value} yet.",
                field="auth",
                hint="Give credentials with auth.direct.",
            )
        self._engine.validated_credentials(kind, auth.direct.credentials)
        return AuthDraft(method, auth.direct.credentials)

    async def reach(self, short_name: str, config: Json, credentials: Json) -> str:
        """Check at the source. Raises what is wrong, SourceUnavailable when it takes too long."""
        source = self._engine.open_source(short_name, config, credentials)
        try:
            with anyio.move_on_after(CHECK_SECONDS):
                return await source.check()
        except WeftError:
            raise
        except Exception as error:  # noqa: BLE001 (third-party code: it may raise anything)
            # Only the kind is told: the text may hold a secret.
            kind = type(error).__name__
            logger.error("the check of a '%s' connection crashed: %s", short_name, kind)
            raise WeftError(f"The source '{short_name}' crashed ({kind}).") from None
        raise SourceUnavailable(
            f"The source did not answer within {CHECK_SECONDS:.0f} s.", hint="Try again later."
        )

    async def credentials(self, found: Connection) -> Json:
        """What the source is given now. Raises AuthenticationFailed when there is nothing."""
        sealed = await self._engine.store.connections.credentials(self._organization_id, found.id)
        kind = self._engine.registry.get(found.short_name)
        if sealed is None and kind.info().auth_required:
            raise AuthenticationFailed(
                "The connection has no credentials.",
                hint=f"Call authorize_connection(connection_id='{found.id}').",
            )
        endpoint = self._engine.endpoint(found.short_name, found.config)
        return await self._engine.unseal(self._organization_id, found.id, endpoint, sealed)

    async def seal(self, connection_id: str, endpoint: str, credentials: Json | None) -> str | None:
        """Encrypt what was drafted, for one connection and one endpoint."""
        if not credentials:
            return None
        return await self._engine.seal(self._organization_id, connection_id, endpoint, credentials)


def _method(kind: type[AnySource], auth: Auth) -> AuthMethod:
    try:
        method = auth.method
    except ValueError:
        names = ", ".join(method.value for method in AuthMethod)
        raise InvalidInput(f"auth needs exactly one of: {names}.", field="auth") from None
    if method not in kind.auth_methods:
        offered = ", ".join(method.value for method in kind.auth_methods)
        raise Unsupported(
            f"The source '{kind.short_name}' does not authenticate with {method.value}.",
            field="auth",
            hint=f"It takes: {offered}.",
        )
    return method
