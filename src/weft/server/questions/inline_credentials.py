"""Credentials in the arguments of a call, which the model and its provider have seen."""

from collections.abc import Iterator, Mapping
from typing import cast

from weft.domain.access.secrets import SECRET_REF, SecretRef
from weft.domain.connections import Auth
from weft.errors import NotPermitted
from weft.server.call import ToolCall

_BETTER = (
    "authorize_connection(connection_id) without auth gives a page where the user enters them, "
    "and {'secret_ref': NAME} stands for a secret that the operator stored with `weft secret set`"
)


async def check_inline_credentials(
    call: ToolCall, auth: Auth | None, *, short_name: str = "", connection_id: str = ""
) -> str:
    """Return advice for an agent that passed a secret, or an empty text if it passed none.

    Name the source by ``short_name`` or by one of its connections. Raises NotPermitted if the
    operator forbids credentials that pass through the model.
    """
    if auth is None or call.inline_credentials == "allow":
        return ""
    if not await _has_secret(call, auth, short_name, connection_id):
        return ""
    if call.inline_credentials == "deny":
        raise NotPermitted(
            "The operator does not let credentials pass through the model; nothing was changed.",
            field="auth",
            hint=f"Leave auth out: {_BETTER}.",
        )
    return (
        "The credentials passed through this conversation: advise the user to replace them at the "
        f"source when they can. Better next time: {_BETTER}."
    )


async def _has_secret(call: ToolCall, auth: Auth, short_name: str, connection_id: str) -> bool:
    if any(_is_secret(value) for value in _always_secret(auth)):
        return True
    credentials = {} if auth.direct is None else auth.direct.credentials
    if _is_reference(credentials) or not any(map(_is_secret, credentials.values())):
        return False
    if not short_name:
        short_name = (await call.backend.connections.get(connection_id)).short_name
    source = await call.backend.sources.get(short_name)
    public = {field.name for field in source.auth_fields if not field.secret}
    return any(_is_secret(value) for name, value in credentials.items() if name not in public)


def _always_secret(auth: Auth) -> Iterator[object]:
    if auth.oauth_token is not None:
        yield from (auth.oauth_token.access_token, auth.oauth_token.refresh_token)
    if auth.oauth_browser is not None:
        yield from (auth.oauth_browser.client_secret, auth.oauth_browser.consumer_secret)


def _is_secret(value: object) -> bool:
    return value is not None and not _is_reference(value)


def _is_reference(value: object) -> bool:
    if isinstance(value, SecretRef):
        return True
    return isinstance(value, Mapping) and set(cast("Mapping[str, object]", value)) == {SECRET_REF}
