"""The operator's accounts at services that keep credentials; each run fetches them there."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from weft.domain.base import Frozen, Json
from weft.domain.connections import AuthMethod, AuthProviderAuth
from weft.errors import AuthenticationFailed, ErrorCategory, InvalidInput, NotFound
from weft.local.auth.destinations import binding_of, check_destination, parse_allowed_hosts
from weft.local.auth.draft import AuthDraft
from weft.local.auth.oauth_clients import is_origin
from weft.local.engine import Engine
from weft.local.store.authorizations import AuthProviderRow
from weft.local.validate import validate
from weft.sources.base import AnySource, OAuth1, OAuth2

BASE_URLS: Final = {
    "composio": "https://backend.composio.dev",
    "pipedream": "https://api.pipedream.com",
}
SECRETS: Final = {"composio": ("api_key",), "pipedream": ("client_id", "client_secret")}
"""Secrets that the operator gives, by kind."""

ENVIRONMENTS: Final = ("production", "development")
_APPS = {("pipedream", "salesforce"): "salesforce_rest_api"}
"""What a kind calls the app of a source, where it is another name and not only another spelling."""

_CONFIG_KEYS = {
    "composio": {"account_id", "auth_config_id", "user_id"},
    "pipedream": {"account_id", "external_user_id"},
}
_ALIASES = {
    "composio": {"entity_id": "user_id"},
    "pipedream": {"entity_id": "external_user_id"},
}
_TOKENS = ("access_token", "oauth_access_token", "token", "bearer_token", "api_key")
_KEYS = (*_TOKENS[4:], "generic_api_key", *_TOKENS[:4])
_READABLE = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
_FIELD = "auth.auth_provider.provider_config"


class AuthProviderInfo(Frozen):
    """An account without its secrets.

    ``lost``: the key that opened them is gone, so they have to be given again.
    """

    organization_id: str
    readable_id: str
    kind: str
    options: dict[str, str]
    hosts: tuple[str, ...] = ()
    created_at: datetime
    lost: bool = False


class LocalAuthProviders:
    """The provider accounts of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(
        self,
        organization_id: str,
        kind: str,
        readable_id: str,
        secrets: Mapping[str, str],
        options: Mapping[str, str],
        hosts: Sequence[str] = (),
    ) -> AuthProviderInfo:
        """Store an account.

        ``hosts`` are hosts that configurations may name to receive the account's credentials.
        Raises InvalidInput, or Conflict when the name is taken.
        """
        if not _READABLE.fullmatch(readable_id):
            raise InvalidInput(
                "name must have 3 to 63 lower-case letters, digits and hyphens.", field="name"
            )
        kept = _parse_options(kind, options)
        if any(not secrets.get(name) for name in SECRETS[kind]):
            raise InvalidInput(f"{kind} needs {' and '.join(SECRETS[kind])}.", field="secrets")
        allowed = parse_allowed_hosts(hosts)
        bound_to = binding_of(kept["base_url"], allowed)
        sealed = await self._engine.seal(
            organization_id, _owner(readable_id), bound_to, {**secrets}
        )
        now = self._engine.clock()
        row = AuthProviderRow(organization_id, readable_id, kind, kept, sealed, now, allowed)
        await self._engine.store.auth_providers.insert(row)
        return _describe(row)

    async def list(self) -> Sequence[AuthProviderInfo]:
        """List all, of all organisations."""
        return [
            _describe(row, lost=await self._is_lost(row))
            for row in await self._engine.store.auth_providers.list()
        ]

    async def remove(self, organization_id: str, readable_id: str) -> None:
        """Delete it; connections that use it fail from now on. Raises NotFound."""
        if not await self._engine.store.auth_providers.delete(organization_id, readable_id):
            raise NotFound(
                "No auth provider has that name.",
                field="name",
                hint="`weft auth-providers list` shows all.",
            )
        await self._engine.store.data_keys.drop(organization_id, _owner(readable_id))

    async def _is_lost(self, row: AuthProviderRow) -> bool:
        return await self._engine.is_lost(row.organization_id, _owner(row.readable_id), row.sealed)


async def draft_provider(
    engine: Engine,
    organization_id: str,
    kind: type[AnySource],
    config: Json,
    auth: AuthProviderAuth,
) -> AuthDraft:
    """Draft a reference to an account. Raises NotFound, InvalidInput or NotPermitted."""
    readable_id = auth.provider_readable_id
    row = await engine.store.auth_providers.get(organization_id, readable_id)
    if row is None:
        raise NotFound(
            "No auth provider has that provider_readable_id.",
            field="auth.auth_provider.provider_readable_id",
            hint="The operator adds one with `weft auth-providers add`.",
        )
    await _check_destination(engine, row, kind, config)
    account: Json = {**_parse_config(row, auth.provider_config)}
    stored: Json = {"provider_readable_id": readable_id, "provider_config": account}
    return AuthDraft(AuthMethod.AUTH_PROVIDER, stored, auth_provider=readable_id)


async def fetch_fields(
    engine: Engine,
    organization_id: str,
    kind: type[AnySource],
    config: Json,
    spec: OAuth2 | OAuth1 | None,
    stored: Json,
) -> Json:
    """Fetch the source's credentials from the auth provider.

    Raises AuthenticationFailed when the account is gone or refused, NotPermitted when they would go
    to a host that the operator has not allowed, and TryLater errors.
    """
    # Imported here because it loads the HTTP stack and Authlib.
    from weft.local.auth.providers_http import (
        AccountQuery,
        fetch_from_composio,
        fetch_from_pipedream,
    )

    readable_id, account = stored.get("provider_readable_id"), stored.get("provider_config")
    row = None
    if isinstance(readable_id, str) and isinstance(account, dict):
        row = await engine.store.auth_providers.get(organization_id, readable_id)
    if row is None or not isinstance(account, dict):
        raise AuthenticationFailed(
            "The auth provider of this connection is not configured any more.",
            category=ErrorCategory.AUTH_PROVIDER_ACCOUNT_GONE,
            hint="The operator adds it with `weft auth-providers add`; or authorise the connection"
            " in another way.",
        )
    await _check_destination(engine, row, kind, config)
    base_url, short_name = row.options["base_url"], kind.short_name
    bound_to = binding_of(base_url, row.hosts)
    secrets = await engine.unseal(organization_id, _owner(row.readable_id), bound_to, row.sealed)
    wanted = AccountQuery(
        base_url=base_url,
        options=row.options,
        secrets={name: str(value) for name, value in secrets.items()},
        config={name: str(value) for name, value in account.items()},
        app=row.options.get(f"app:{short_name}") or _APPS.get((row.kind, short_name), short_name),
    )
    fetch = fetch_from_composio if row.kind == "composio" else fetch_from_pipedream
    return _to_fields(kind, spec, await fetch(engine.context.http, wanted))


def _to_fields(
    kind: type[AnySource], spec: OAuth2 | OAuth1 | None, found: Mapping[str, Any]
) -> Json:
    """Pick the source's fields by name, and put the token into the field that takes it."""
    names = kind.Credentials.model_fields
    fields: Json = {name: found[name] for name in names if found.get(name)}
    secret = [field.name for field in kind.info().auth_fields if field.secret]
    if isinstance(spec, OAuth2) and spec.token_field not in fields:
        _put(fields, spec.token_field, found, _TOKENS)
    elif spec is None and len(secret) == 1 and secret[0] not in fields:
        _put(fields, secret[0], found, _KEYS)
    try:
        validate(kind.Credentials, fields, field="credentials", secret=True)
    except InvalidInput:
        raise AuthenticationFailed(
            "What the auth provider keeps does not fit this source's credentials.",
            category=ErrorCategory.AUTH_PROVIDER_CREDENTIALS_INVALID,
            hint=f"The source takes: {', '.join(names)}.",
        ) from None
    return fields


def _put(fields: Json, name: str, found: Mapping[str, Any], candidates: Sequence[str]) -> None:
    for candidate in candidates:
        if isinstance(found.get(candidate), str) and found[candidate]:
            fields[name] = found[candidate]
            return


def _parse_config(row: AuthProviderRow, given: Json) -> dict[str, str]:
    known = _CONFIG_KEYS[row.kind]
    aliases = _ALIASES[row.kind]
    config: dict[str, str] = {}
    for name, value in given.items():
        plain = aliases.get(name, name)
        if plain in row.options and value == row.options[plain]:
            continue  # The field repeats a value that the operator has set.
        if plain not in known or not isinstance(value, str) or not 0 < len(value) <= 200:
            raise InvalidInput(
                f"{_FIELD} has a field that {row.kind} does not take, or a value that is no id.",
                field=_FIELD,
                hint=f"It takes: {', '.join(sorted({*known, *aliases}))}.",
            )
        config[plain] = value
    needed = {"account_id", "user_id", "external_user_id"} & known
    if not needed & config.keys():
        raise InvalidInput(
            f"{_FIELD} does not say which account is meant.",
            field=_FIELD,
            hint=f"Give one of: {', '.join(sorted(needed | aliases.keys()))}.",
        )
    return config


def _parse_options(kind: str, options: Mapping[str, str]) -> dict[str, str]:
    if kind not in BASE_URLS:
        raise InvalidInput("kind must be composio or pipedream.", field="kind")
    kept = {"base_url": BASE_URLS[kind], **options}
    base_url = kept["base_url"] = kept["base_url"].rstrip("/")
    if not is_origin(base_url):
        raise InvalidInput("base_url must be a scheme and a host.", field="base_url")
    if kind == "pipedream":
        if not kept.get("project_id"):
            raise InvalidInput("pipedream needs a project id.", field="project_id")
        if kept.setdefault("environment", ENVIRONMENTS[0]) not in ENVIRONMENTS:
            raise InvalidInput("environment is production or development.", field="environment")
    return kept


async def _check_destination(
    engine: Engine, row: AuthProviderRow, kind: type[AnySource], config: Json
) -> None:
    await check_destination(
        engine,
        row.organization_id,
        kind,
        config,
        allowed=row.hosts,
        lent=("auth_provider", row.readable_id),
        command=f"weft auth-providers remove {row.readable_id}`, then "
        f"`weft auth-providers add {row.kind} --name {row.readable_id}",
        field="auth.auth_provider",
    )


def _owner(readable_id: str) -> str:
    return f"auth-provider:{readable_id}"


def _describe(row: AuthProviderRow, *, lost: bool = False) -> AuthProviderInfo:
    return AuthProviderInfo(
        organization_id=row.organization_id,
        readable_id=row.readable_id,
        kind=row.kind,
        options=dict(row.options),
        hosts=tuple(row.hosts),
        created_at=row.created_at,
        lost=lost,
    )
