"""A kind of source: the fields it takes and the ways it authenticates."""

from collections.abc import Sequence
from operator import not_

from pydantic import Field

from weft.domain.base import Frozen
from weft.domain.connections import AuthMethod


class FieldInfo(Frozen):
    """One field of a source's configuration or credentials.

    ``items_type`` is the type of an array's items. ``endpoint``: its value decides which host
    receives the credentials. ``multiline``: its value may have several lines, as a private key
    does.
    """

    name: str
    title: str
    type: str
    description: str
    required: bool
    items_type: str | None = Field(default=None, exclude_if=not_)
    secret: bool = False
    default: str | int | float | bool | None = None
    choices: tuple[str, ...] = ()
    # Models read this: what is off or not there, as for most fields, is left out.
    endpoint: bool = Field(default=False, exclude_if=not_)
    multiline: bool = Field(default=False, exclude_if=not_)


class SourceInfo(Frozen):
    """A source's entry in the catalogue.

    ``checked_against`` says what its tests hold it to, if that is told. ``requires_byoc``: consent
    in a browser needs an OAuth client of the user's own ("bring your own client").
    ``provider_readable_ids`` are accounts at auth providers that can serve it, if the backend
    tells. ``federated_search``: it is searched live, and never synced. ``keeps_pending``: its
    backend keeps connections without credentials, which Airweave does only for its own consent.
    """

    short_name: str
    name: str
    description: str
    auth_methods: tuple[AuthMethod, ...]
    auth_required: bool
    auth_fields: tuple[FieldInfo, ...] = ()
    config_fields: tuple[FieldInfo, ...] = ()
    supports_continuous: bool = False
    cursor_fields: tuple[str, ...] = ()
    entity_types: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    checked_against: str = Field(default="", exclude_if=not_)
    oauth_type: str | None = Field(default=None, exclude_if=not_)
    requires_byoc: bool = Field(default=False, exclude_if=not_)
    supported_auth_providers: tuple[str, ...] = Field(default=(), exclude_if=not_)
    provider_readable_ids: tuple[str, ...] = Field(default=(), exclude_if=not_)
    federated_search: bool = Field(default=False, exclude_if=not_)
    keeps_pending: bool = Field(default=True, exclude=True)

    def needs(self) -> str:
        """Return what must be given to connect it, such as "api_key or OAuth; site".

        Empty when nothing must.
        """
        ways: list[str] = []
        for method, way in _WAYS.items() if self.auth_required else ():
            names = _required(self.auth_fields) if method is AuthMethod.DIRECT else ""
            if method in self.auth_methods:
                ways.append(names or way)
        # Whoever can consent in a browser needs no token from there.
        if AuthMethod.OAUTH_BROWSER in self.auth_methods:
            ways = [way for way in ways if way != _WAYS[AuthMethod.OAUTH_TOKEN]]
        parts = [part for part in (" or ".join(ways), _required(self.config_fields)) if part]
        # Of fields none of which is required by itself, one may yet be: a URL or else a path.
        return "; ".join(parts) or ("see its fields" if self.config_fields else "")


_WAYS = {
    AuthMethod.DIRECT: "credentials",
    AuthMethod.OAUTH_BROWSER: "OAuth",
    AuthMethod.OAUTH_TOKEN: "an OAuth token",
    AuthMethod.AUTH_PROVIDER: "an auth provider",
}


def _required(fields: Sequence[FieldInfo]) -> str:
    return ", ".join(field.name for field in fields if field.required)
