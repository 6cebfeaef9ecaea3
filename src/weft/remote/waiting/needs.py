"""Finds out what a new connection still needs, before the API is asked to create it."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from weft.domain.access.secrets import SECRET_REF
from weft.domain.base import Json
from weft.domain.connections import Auth, AuthMethod, DirectAuth, NewConnection, OAuthBrowserAuth
from weft.domain.sources import FieldInfo, SourceInfo
from weft.errors import InvalidInput, NotPermitted, Unsupported, WeftError

ResolveSecrets = Callable[[SourceInfo, Sequence[str], Json], Awaitable[Json]]
"""Replaces references in credentials by values, if all origins that receive them may do so."""

_OWN_CLIENT: Final = (("client_id", "client_secret"), ("consumer_key", "consumer_secret"))
_HOST_FIELD: Final = re.compile(r"url|uri|host|domain|site|server|instance|endpoint|base")
_LABEL: Final = re.compile(r"[A-Za-z0-9-]*")


def find_missing(source: SourceInfo, new: NewConnection) -> AuthMethod | None:
    """Return the method whose credentials a person has to give first; None if none are missing.

    Raises InvalidInput or Unsupported for what the API would refuse anyway.
    """
    _require_config(source, new.config)
    if new.auth is None:
        return _choose_method(source)
    method = _parse_method(new.auth)
    if source.auth_methods and method not in source.auth_methods:
        offered = ", ".join(each.value for each in source.auth_methods)
        raise Unsupported(
            f"The source '{source.short_name}' does not authenticate with {method.value}.",
            field="auth",
            hint=f"It takes: {offered}.",
        )
    if new.auth.direct is not None:
        return _check_direct(source, new.auth.direct.credentials)
    token = new.auth.oauth_token
    if token is not None and not token.access_token:
        if token.refresh_token:
            raise _missing("auth.oauth_token.access_token")
        return method
    if new.auth.oauth_browser is not None and _lacks_client(source, new.auth.oauth_browser):
        return method
    return None


def refuse_unknown_config(source: SourceInfo, config: Json) -> None:
    """Refuse config that the source does not know, without repeating it: it may be a secret, and
    what is kept here is shown again, whereas the API drops it.
    """
    known = [field.name for field in source.config_fields]
    if not config.keys() <= set(known):
        listing = f"Known: {', '.join(known)}." if known else "The source takes none."
        raise InvalidInput("config has an unknown field.", field="config", hint=listing)


def form_fields(
    source: SourceInfo, method: AuthMethod, new: NewConnection | None
) -> tuple[FieldInfo, ...]:
    """Return the fields of the page that asks for what `find_missing` found missing."""
    if method is AuthMethod.DIRECT:
        return source.auth_fields
    if method is AuthMethod.OAUTH_TOKEN:
        return (
            _field("access_token", "Access token", secret=True),
            _field("refresh_token", "Refresh token", secret=True, required=False),
        )
    given = new.auth.oauth_browser if new is not None and new.auth is not None else None
    name, secret = _OWN_CLIENT[source.oauth_type == "oauth1"]
    return (
        _field(
            name,
            "Consumer key" if name == "consumer_key" else "Client ID",
            default=None if given is None else getattr(given, name),
            description=f"Of your own OAuth client for {source.name}.",
        ),
        _field(
            secret,
            "Consumer secret" if secret == "consumer_secret" else "Client secret",  # noqa: S105
            secret=True,
        ),
    )


def build_auth(method: AuthMethod, values: Json) -> Auth:
    """Build ``auth`` from what a person typed into those fields."""
    given: Json = {name: value for name, value in values.items() if value not in (None, "")}
    if method is AuthMethod.DIRECT:
        return Auth.model_validate({"direct": {"credentials": given}})
    return Auth.model_validate({method.value: given})


async def resolve_credentials(
    resolve: ResolveSecrets | None,
    api_origin: str,
    source: SourceInfo,
    config: Mapping[str, JsonValue],
    auth: Auth | None,
) -> Auth | None:
    """Replace references to the operator's secrets by their values.

    The value goes to the API and, as the API checks it there, to each host that the configuration
    names: all of them must be allowed. Raises as `ResolveSecrets` does, and InvalidInput.
    """
    resolved: dict[str, object] = {}
    for name in ("direct", "oauth_token", "oauth_browser"):
        form = None if auth is None else getattr(auth, name)
        if form is None:
            continue
        is_direct = isinstance(form, DirectAuth)
        given = form.credentials if is_direct else form.model_dump(mode="json", exclude_none=True)
        if not _has_reference(given):
            continue
        # Where the browser returns to gets no secret; a field of direct credentials may be a host.
        named = {**config, **given} if is_direct else config
        receivers = [api_origin, *list_hosts(named)]
        field = "auth.direct.credentials" if is_direct else f"auth.{name}"
        values = await _resolve_or_explain(resolve, source, receivers, given, field)
        resolved[name] = {"credentials": values} if is_direct else values
    return Auth.model_validate({**dict(auth), **resolved}) if auth and resolved else auth


async def _resolve_or_explain(
    resolve: ResolveSecrets | None,
    source: SourceInfo,
    receivers: Sequence[str],
    given: Json,
    field: str,
) -> Json:
    if resolve is None:
        raise InvalidInput(
            "This backend keeps no named secrets.",
            field=field,
            hint="Leave auth out for a page where the user enters them.",
        )
    try:
        return await resolve(source, receivers, given)
    except WeftError as error:
        error.field = field
        if isinstance(error, NotPermitted):
            error.hint = (
                f"It would go to {receivers[0]}, the API, and to hosts that config names; the "
                "operator decides which hosts and sources it may serve: `weft secret set NAME "
                f"--source {source.short_name} --host ...`."
            )
        raise


def list_hosts(values: Mapping[str, JsonValue]) -> list[str]:
    """List what fields name as hosts, as the origins of `parse_origins`."""
    found: list[str] = []
    for name, value in values.items():
        if not isinstance(value, str) or not value:
            continue
        is_place = _HOST_FIELD.search(name.lower()) and not _LABEL.fullmatch(value)
        if "://" in value or is_place:
            scheme, _, rest = value.rpartition("://")
            authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
            found.append(f"{scheme or 'https'}://{authority}")
    return found


def _require_config(source: SourceInfo, config: Json) -> None:
    for field in source.config_fields:
        if field.required and field.default is None and config.get(field.name) is None:
            raise InvalidInput(
                f"config.{field.name} is required.",
                field=f"config.{field.name}",
                hint="get_source lists all fields of a source.",
            )


def _choose_method(source: SourceInfo) -> AuthMethod | None:
    methods = source.auth_methods
    if AuthMethod.OAUTH_BROWSER in methods:
        return AuthMethod.OAUTH_BROWSER if source.requires_byoc else None
    if AuthMethod.DIRECT in methods:
        return AuthMethod.DIRECT
    if AuthMethod.OAUTH_TOKEN in methods:
        return AuthMethod.OAUTH_TOKEN
    return None


def _parse_method(auth: Auth) -> AuthMethod:
    try:
        return auth.method
    except ValueError:
        names = ", ".join(method.value for method in AuthMethod)
        raise InvalidInput(f"auth needs exactly one of: {names}.", field="auth") from None


def _check_direct(source: SourceInfo, credentials: Json) -> AuthMethod | None:
    if not credentials:
        return AuthMethod.DIRECT
    if SECRET_REF in credentials:
        return None
    for field in source.auth_fields:
        if field.required and credentials.get(field.name) in (None, ""):
            raise _missing(f"auth.direct.credentials.{field.name}")
    return None


def _missing(path: str) -> InvalidInput:
    return InvalidInput(
        f"{path} is required.",
        field=path,
        hint="Leave auth out for a page where the user enters what is needed.",
    )


def _lacks_client(source: SourceInfo, given: OAuthBrowserAuth) -> bool:
    """Return whether the user's own client has to be asked for, or the rest of it."""
    kinds = _OWN_CLIENT
    if source.oauth_type is not None:
        own, other = kinds if source.oauth_type != "oauth1" else reversed(kinds)
        for name in other:
            if getattr(given, name):
                # Airweave would accept it, and go on without a client.
                raise InvalidInput(
                    f"'{source.short_name}' takes {own[0]} and {own[1]}.",
                    field=f"auth.oauth_browser.{name}",
                    hint=f"Give {own[0]}; without {own[1]} there is a page where the user enters "
                    "it.",
                )
        kinds = (own,)
    for name, secret in kinds:
        if getattr(given, secret) and not getattr(given, name):
            raise _missing(f"auth.oauth_browser.{name}")
        if getattr(given, name):
            return not getattr(given, secret)
    return source.requires_byoc


def _has_reference(credentials: Json) -> bool:
    return SECRET_REF in credentials or any(
        isinstance(value, dict) and SECRET_REF in value for value in credentials.values()
    )


def _field(
    name: str,
    title: str,
    *,
    secret: bool = False,
    required: bool = True,
    default: str | None = None,
    description: str = "",
) -> FieldInfo:
    return FieldInfo(
        name=name,
        title=title,
        type="string",
        description=description,
        required=required,
        secret=secret,
        default=default,
    )
